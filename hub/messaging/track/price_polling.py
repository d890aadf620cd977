"""Ask providers for the prices of messages, where a connection counts its spending.

A few at a time, for two days.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from sqlalchemy import select

from hub.core.errors import HubError
from hub.core.vocabulary import ConnectionState, Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import id_at, now
from hub.integrations.base import Price
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.policy import policy
from hub.messaging.state import unreadable_rows
from hub.messaging.state.message_batch import MessageBatch
from hub.models import Connection, Message
from hub.shared import integration_instances

log = structlog.get_logger(__name__)

SETTLED = timedelta(hours=1)  # prices are known a while after a message has arrived
ASKED_FOR = timedelta(days=2)
# of one connection in one run: the newest, so that those without a price do not stand before the
# others
FEW = 50
CHARGED = (Status.SENT, Status.DELIVERED, Status.READ, Status.UNDELIVERED)


def poll_prices(stopping: ShutdownSignal | None = None) -> int:
    """Ask for the prices of messages that were estimated; return how many were asked for."""
    enabled = select(Connection).where(
        Connection.state == ConnectionState.ENABLED, Connection.archived_at.is_(None)
    )
    spending = [
        one.id
        for one in db.session.scalars(enabled.where(Connection.rules != ""))
        if policy.rules_of(one).spends
    ]
    db.session.rollback()
    return sum(_ask_apart(one, stopping) for one in spending)


def _ask_apart(connection_id: str, stopping: ShutdownSignal | None) -> int:
    try:
        return _ask_over(connection_id, stopping)
    except Exception as problem:  # a failure of one connection must not stop the others
        if unreadable_rows.is_transient(problem):
            raise
        log.exception("price.failed", connection=connection_id)
        db.session.rollback()
        unreadable_rows.note_row_seen("connections", connection_id, problem)
        return 0


def _ask_over(connection_id: str, stopping: ShutdownSignal | None) -> int:
    asked = 0
    try:
        integration = integration_instances.instance(db.session.get_one(Connection, connection_id))
        waiting = _unpriced(connection_id) if integration.supports("fetch_status") else []
        db.session.rollback()
        for message_id, provider_id in waiting:
            if stopping is not None and stopping.now:
                break
            asked += 1
            found = integration.fetch_status(provider_id)
            if found.price is not None:
                _keep_or_note(message_id, found.price)
    except HubError as problem:  # the provider cannot be asked now: the estimate stays
        log.info("price.not_known", connection=connection_id, problem=type(problem).__name__)
        db.session.rollback()
    return asked


def _keep_or_note(message_id: str, price: Price) -> None:
    """Store a price. A message whose row cannot be read is noted, and the others go on."""
    try:
        _keep(message_id, price)
    except Exception as problem:
        if unreadable_rows.is_transient(problem):
            raise
        unreadable_rows.note_row_seen("messages", message_id, problem)


@transaction
def _keep(message_id: str, price: Price) -> None:
    ledger = MessageBatch()
    ledger.read([message_id])
    ledger.record_price(ledger.rows[message_id], price)
    ledger.write()


def _unpriced(connection_id: str) -> list[tuple[str, str]]:
    moment = now()
    found = select(Message.id, Message.provider_id).where(
        Message.connection_id == connection_id,
        Message.status.in_(CHARGED),
        Message.id > id_at("msg", moment - ASKED_FOR),
        Message.id < id_at("msg", moment - SETTLED),
        Message.estimate.is_not(None),
        Message.price.is_(None),
        Message.provider_id.is_not(None),
    )
    return [
        (message_id, provider_id or "")
        for message_id, provider_id in db.session.execute(
            found.order_by(Message.id.desc()).limit(FEW)
        )
    ]
