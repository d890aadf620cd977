"""Poll the statuses of messages whose callbacks are missing, a few at a time.

`due_at` of an accepted or sent message is the time of its next poll. A new status postpones the
poll, and a final status ends polling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import bindparam, case, null, select, update

from hub.core.errors import HubError, PermanentError, SendError
from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.store import list_param, transaction
from hub.db.types import now
from hub.integrations.base import Integration, StatusUpdate
from hub.lib import times
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.state import overdue, unreadable_rows
from hub.messaging.state.message_batch import POLL_AFTER, MessageBatch, messages
from hub.messaging.track import statuses
from hub.messaging.track.statuses import Origin
from hub.models import Connection, Message
from hub.shared import integration_instances

log = structlog.get_logger(__name__)

# since the last status; polling ends, because some carriers never report more than "sent"
PAUSES = (POLL_AFTER, timedelta(hours=1), timedelta(hours=6), timedelta(hours=24))
# messages of one connection in one run: polling counts toward the rate limit of the account
BATCH = 10
MIN_PAUSE = timedelta(minutes=10)  # after the provider could not be asked
POSTPONED_AT_ONCE = 500  # messages of a connection that wait after a failed poll
GIVE_UP_AFTER = timedelta(hours=48)  # since the last status
POLLED = (Status.SENT, Status.ACCEPTED)


@dataclass(frozen=True)
class StatusLookup:
    """A message to poll in this run."""

    message_id: str
    provider_id: str


def is_due() -> bool:
    """Return whether a poll is due on an enabled connection. Reads only."""
    return bool(overdue.overdue_connections(POLLED, enabled_only=True))


def poll_statuses(stopping: ShutdownSignal | None = None) -> int:
    """Poll due messages, one connection after the other; return the number of messages."""
    polled = 0
    connection_ids = overdue.overdue_connections(POLLED, enabled_only=True)
    db.session.rollback()
    for connection_id in connection_ids:
        try:
            polled += _poll_connection(connection_id, stopping)
        except Exception:  # a failure of one connection must not stop the others
            log.exception("status_poll.connection_failed", connection=connection_id)
            db.session.rollback()
    return polled


def _poll_connection(connection_id: str, stopping: ShutdownSignal | None) -> int:
    connection = db.session.get_one(Connection, connection_id)
    try:
        integration = integration_instances.instance(connection)
    except HubError as error:
        # such as an unreadable key or a removed package: the page of the connection shows it
        _postpone_connection(connection_id, [], error)
        return 0
    lookups = claim_lookups(connection_id, can_poll=integration.supports("fetch_status"))
    updates: list[StatusUpdate] = []
    polled = 0
    for index, lookup in enumerate(lookups):
        waiting_ids = [waiting.message_id for waiting in lookups[index:]]
        if stopping is not None and stopping.is_due:
            postpone_lookups(waiting_ids, now())
            break
        polled += 1
        try:
            updates.append(_fetch_status(integration, lookup))
        except PermanentError as error:
            stop_polling(lookup.message_id, error.code)
        except HubError as error:
            _postpone_connection(connection_id, waiting_ids, error)
            break
        except Exception:  # a defect of the integration: the message is polled again later
            log.exception(
                "status_poll.internal_error",
                message=lookup.message_id,
                integration=integration.name,
            )
    _apply_updates(updates, Origin("poll", [connection_id]))
    return polled


def poll_message(message_id: str) -> None:
    """Poll one message now. If the provider cannot be asked, nothing changes."""
    message = db.session.get_one(Message, message_id)
    connection_id = message.connection_id
    lookup = StatusLookup(message_id, message.provider_id or "")
    try:
        integration = integration_instances.instance(message.connection)
        db.session.rollback()  # no transaction is open during the call of the provider
        update = _fetch_status(integration, lookup)
    except HubError as error:
        code = error.code if isinstance(error, SendError) else type(error).__name__
        log.info("status_poll.failed", message=message_id, code=code)
        return
    statuses.apply_status(update, Origin("poll", [connection_id]))


def _apply_updates(updates: Sequence[StatusUpdate], origin: Origin) -> None:
    """Apply statuses at once; if that fails, apply them one by one and log those that fail."""
    try:
        statuses.apply_statuses([(update, origin) for update in updates])
    except Exception as problem:
        if unreadable_rows.is_transient(problem) or len(updates) < 2:
            raise
        for update in updates:
            try:
                statuses.apply_statuses([(update, origin)])
            except Exception as error:
                if unreadable_rows.is_transient(error):
                    raise
                log.error(
                    "status_poll.update_failed",
                    provider_id=update.provider_id,
                    problem=type(error).__name__,
                )


def _fetch_status(integration: Integration, lookup: StatusLookup) -> StatusUpdate:
    update = integration.fetch_status(lookup.provider_id)
    return replace(update, provider_id=lookup.provider_id, message_id="", attempt=0)


@transaction
def claim_lookups(connection_id: str, *, can_poll: bool = True) -> list[StatusLookup]:
    """Return up to BATCH messages of a connection to poll, and schedule the next poll of each.

    Without `can_poll` it returns none, and the messages are never due again.
    """
    ids = overdue.oldest_overdue(connection_id, POLLED, BATCH if can_poll else POSTPONED_AT_ONCE)
    if not ids:
        return []
    rows = db.session.execute(_CLAIM, {"ids": ids, "statuses": _POLLED_VALUES}).all()
    current_time = now()
    # another run may have claimed some of them
    still_due = [row for row in rows if row.due_at is not None and row.due_at <= current_time]
    if still_due:
        db.session.execute(
            _SCHEDULE_POLL,
            [
                {
                    "key": row.id,
                    "next": _next_poll(row.changed_at, current_time)
                    if can_poll and row.provider_id
                    else None,
                }
                for row in still_due
            ],
        )
    return [
        StatusLookup(row.id, row.provider_id) for row in still_due if can_poll and row.provider_id
    ]


def _next_poll(changed_at: datetime, current_time: datetime) -> datetime | None:
    return next((changed_at + pause for pause in PAUSES if changed_at + pause > current_time), None)


def _postpone_connection(connection_id: str, claimed: Sequence[str], problem: HubError) -> None:
    """Postpone all due polls of a connection whose provider cannot be asked now."""
    log.info(
        "status_poll.postponed",
        connection=connection_id,
        code=problem.code if isinstance(problem, SendError) else type(problem).__name__,
    )
    pause = timedelta(seconds=times.pause(getattr(problem, "retry_after", None)))
    due = overdue.oldest_overdue(connection_id, POLLED, POSTPONED_AT_ONCE)
    postpone_lookups([*claimed, *due], now() + max(MIN_PAUSE, pause))


@transaction
def postpone_lookups(ids: Sequence[str], until: datetime) -> None:
    """Postpone polls; stop polling messages without a new status for GIVE_UP_AFTER."""
    if not ids:
        return
    db.session.execute(
        _POSTPONE,
        {
            "ids": list(ids),
            "statuses": _POLLED_VALUES,
            "until": until,
            "earliest": now() - GIVE_UP_AFTER,
        },
    )


@transaction
def stop_polling(message_id: str, code: str) -> None:
    """Stop polling a message that the provider has deleted, and record the fact."""
    batch = MessageBatch()
    batch.read([message_id])
    row = batch.rows[message_id]
    if row.status in POLLED:
        row.due_at = None
        batch.record_fact(row, "gone", code=code)
        batch.write()


_POLLED_VALUES = [status.value for status in POLLED]
_CLAIM = (
    select(messages.c.id, messages.c.provider_id, messages.c.changed_at, messages.c.due_at)
    .where(messages.c.id.in_(list_param("ids")), messages.c.status.in_(list_param("statuses")))
    .order_by(messages.c.id)
    .with_for_update(skip_locked=True)
)
_SCHEDULE_POLL = (
    update(messages).where(messages.c.id == bindparam("key")).values(due_at=bindparam("next"))
)
_POSTPONE = (
    update(messages)
    .where(messages.c.id.in_(list_param("ids")), messages.c.status.in_(list_param("statuses")))
    .values(
        due_at=case(
            (
                messages.c.changed_at < bindparam("earliest", type_=messages.c.changed_at.type),
                null(),
            ),
            else_=bindparam("until", type_=messages.c.due_at.type),
        )
    )
)
