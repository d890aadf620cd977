"""Poll the prices of messages on connections with a spending limit.

A run asks for a few messages of each connection; after two days the estimate stays.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from sqlalchemy import select

from hub.core.errors import HubError
from hub.core.vocabulary import ConnectionState, Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import first_id_at, now
from hub.integrations.base import Price
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.policy import policy
from hub.messaging.state import unreadable_rows
from hub.messaging.state.message_batch import MessageBatch
from hub.models import Connection, Message
from hub.shared import integration_instances

log = structlog.get_logger(__name__)

PRICED_AFTER = timedelta(hours=1)  # providers know the price some time after the delivery
POLLED_FOR = timedelta(days=2)
# messages of one connection in one run, newest first: those that never get a price come last
BATCH = 50
CHARGED = (Status.SENT, Status.DELIVERED, Status.READ, Status.UNDELIVERED)


def poll_prices(stopping: ShutdownSignal | None = None) -> int:
    """Ask providers for the prices of estimated messages; return the number of messages."""
    enabled = select(Connection).where(
        Connection.state == ConnectionState.ENABLED, Connection.archived_at.is_(None)
    )
    connection_ids = [
        connection.id
        for connection in db.session.scalars(enabled.where(Connection.rules != ""))
        if policy.get_rules(connection.info).has_prices
    ]
    db.session.rollback()
    return sum(_poll_isolated(connection_id, stopping) for connection_id in connection_ids)


def _poll_isolated(connection_id: str, stopping: ShutdownSignal | None) -> int:
    try:
        return _poll_connection(connection_id, stopping)
    except Exception as error:  # a failure of one connection must not stop the others
        if unreadable_rows.is_transient(error):
            raise
        log.exception("price_poll.internal_error", connection=connection_id)
        db.session.rollback()
        unreadable_rows.record_unreadable_row_once("connections", connection_id, error)
        return 0


def _poll_connection(connection_id: str, stopping: ShutdownSignal | None) -> int:
    polled = 0
    try:
        integration = integration_instances.instance(db.session.get_one(Connection, connection_id))
        unpriced = _unpriced_messages(connection_id) if integration.supports("fetch_status") else []
        db.session.rollback()
        for message_id, provider_id in unpriced:
            if stopping is not None and stopping.is_due:
                break
            polled += 1
            update = integration.fetch_status(provider_id)
            if update.price is not None:
                _store_or_note(message_id, update.price)
    except HubError as error:  # the provider cannot be asked now: the estimate stays
        log.info("price_poll.no_price", connection=connection_id, problem=type(error).__name__)
        db.session.rollback()
    return polled


def _store_or_note(message_id: str, price: Price) -> None:
    """Store a price; if the message's row cannot be read, record that and continue."""
    try:
        _store_price(message_id, price)
    except Exception as error:
        if unreadable_rows.is_transient(error):
            raise
        unreadable_rows.record_unreadable_row_once("messages", message_id, error)


@transaction
def _store_price(message_id: str, price: Price) -> None:
    batch = MessageBatch()
    batch.read([message_id])
    batch.record_price(batch.rows[message_id], price)
    batch.write()


def _unpriced_messages(connection_id: str) -> list[tuple[str, str]]:
    """Return the ID and the provider's ID of each message to poll."""
    current_time = now()
    query = select(Message.id, Message.provider_id).where(
        Message.connection_id == connection_id,
        Message.status.in_(CHARGED),
        Message.id > first_id_at("msg", current_time - POLLED_FOR),
        Message.id < first_id_at("msg", current_time - PRICED_AFTER),
        Message.estimate.is_not(None),
        Message.price.is_(None),
        Message.provider_id.is_not(None),
    )
    return [
        (message_id, provider_id or "")
        for message_id, provider_id in db.session.execute(
            query.order_by(Message.id.desc()).limit(BATCH)
        )
    ]
