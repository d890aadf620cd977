"""Ask providers to cancel stopped messages that no one has received.

A message that was answered in the meantime is not canceled. The provider reports the final
status, before or after the response, or never.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import structlog
from sqlalchemy import select

from hub.core.errors import HubError, PermanentError, SendError
from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.integrations.base import StatusUpdate
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.compose.outbox import lock_message, record_fact
from hub.messaging.state import unreadable_rows
from hub.messaging.track import statuses
from hub.messaging.track.statuses import Origin
from hub.models import Message, Withdrawal
from hub.shared import integration_instances

log = structlog.get_logger(__name__)

# names of facts
WITHDRAWN = "withdrawn"
NOT_WITHDRAWN = "not withdrawn"
BATCH = 10
LEASE = timedelta(seconds=60)  # longer than a call of a provider
# before each new attempt; a phone rings for half a minute at most
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (2, 4, 8, 16))


def withdraw_messages(stopping: ShutdownSignal | None = None) -> int:
    """Ask providers to cancel the messages that are due; return how many were handled."""
    handled = 0
    while (stopping is None or not stopping.is_due) and (message_ids := _claim()):
        for message_id in message_ids:
            _withdraw_isolated(message_id)
        handled += len(message_ids)
    return handled


@transaction
def _claim() -> list[str]:
    """Return messages to withdraw; they are due again if this process ends meanwhile."""
    query = select(Withdrawal).where(Withdrawal.due_at <= now()).order_by(Withdrawal.due_at)
    rows = db.session.scalars(query.limit(BATCH).with_for_update(skip_locked=True)).all()
    for row in rows:
        row.due_at = now() + LEASE
        row.tries += 1
    return [row.message_id for row in rows]


def _withdraw_isolated(message_id: str) -> None:
    """Withdraw a message; a failure must not stop the others."""
    try:
        _withdraw(message_id)
    except PermanentError as error:  # it is too late
        _end(message_id, NOT_WITHDRAWN, error)
    except HubError as error:
        _try_again(message_id, error)
    except Exception as error:
        if unreadable_rows.is_transient(error):
            raise
        log.exception("withdrawal.internal_error", message=message_id)
        _try_again(message_id, error)


def _withdraw(message_id: str) -> None:
    message = db.session.get_one(Message, message_id)
    connection_id = message.connection_id
    provider_id = message.provider_id or ""
    # in any other status, the provider has reported that the message was answered or has ended
    if Status.read(message.status) != Status.ACCEPTED or not provider_id:
        _end(message_id)
        return
    integration = integration_instances.instance(message.connection)
    db.session.rollback()  # no transaction is open during the call of the provider
    update = integration.withdraw(provider_id)
    update = replace(update, provider_id=provider_id, message_id="", attempt=0)
    _store(message_id, update, connection_id)


@transaction
def _store(message_id: str, update: StatusUpdate, connection_id: str) -> None:
    """Record that the provider was asked, and the status in its response."""
    _end(message_id, WITHDRAWN)
    db.session.flush()  # it comes first on the timeline
    statuses.apply_status(update, Origin("poll", [connection_id]))


def _try_again(message_id: str, error: Exception) -> None:
    db.session.rollback()
    log.info("withdrawal.failed", message=message_id, problem=type(error).__name__)
    if not _schedule(message_id):
        _end(message_id, NOT_WITHDRAWN, error)


@transaction
def _schedule(message_id: str) -> bool:
    """Schedule the next try of a withdrawal; return whether there is one."""
    row = db.session.get(Withdrawal, message_id, with_for_update=True)
    if row is None or row.tries > len(PAUSES):
        return False
    row.due_at = now() + PAUSES[row.tries - 1]
    return True


@transaction
def _end(message_id: str, fact: str = "", error: Exception | None = None) -> None:
    """Delete a withdrawal, and record its result on the timeline of the message, once."""
    message = lock_message(message_id)
    row = db.session.get(Withdrawal, message_id, with_for_update=True)
    if row is None:
        return
    db.session.delete(row)
    if fact:
        code = error.code if isinstance(error, SendError) else ""
        known = str(error) if isinstance(error, HubError) else ""
        record_fact(message, fact, code=code, reason=known or message.stop_reason or "")
