"""Let the next step of a route follow a message that has not reached its goal.

A ladder is a step of a route with the `otherwise` steps after it. Its state is `escalate_at` of
its last message. Only `escalate_due` acts on that time, and the unique `after_id` of messages makes
each step follow once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

import structlog
from sqlalchemy import bindparam, exists, select, update

from hub.core.vocabulary import ConnectionState, EventType, RequestState, Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import creation_time, now
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.compose import outbox
from hub.messaging.send import predecessors
from hub.messaging.state import database_clock, fallback_timers, unreadable_rows
from hub.messaging.track import goal_check
from hub.models import Connection, Event, Message, RouteStep
from hub.shared import clock_check
from hub.signing import next_step, overdue_fallbacks, reminder_times, signing_batch, unreached
from hub.signing.reminders import is_snoozed
from hub.signing.signing_batch import RequestRecord, SignerRecord
from hub.signing.stopping import was_stopped

log = structlog.get_logger(__name__)

BATCH = 200
RETRY_AFTER = timedelta(minutes=10)  # after an internal error
# a step that is due for longer expires: after an outage, it would surprise people
EXPIRES_AFTER = timedelta(hours=24)
NOTICES = (EventType.VIEWED, EventType.SIGNED)  # they are useless once the request has ended

LONG_AGO = datetime(1970, 1, 2, tzinfo=UTC)

_DUE = (
    select(Message.id, Message.request_id, Message.status, Message.escalate_at)
    .where(
        Message.escalate_at <= bindparam("now", type_=Message.escalate_at.type),
        Message.escalate_at > bindparam("oldest", type_=Message.escalate_at.type),
    )
    .order_by(Message.escalate_at)
    .limit(bindparam("limit"))
)


def is_due() -> bool:
    """Return whether a next step is due. Reads only."""
    return bool(_read_due(1))


def _read_due(limit: int) -> list[Any]:
    """Return the messages whose next step is due, by the database's clock.

    The clock is read before, because PostgreSQL uses no index for a comparison with a function that
    changes. While the clock cannot be trusted, steps wait that are due for so long that they would
    expire.
    """
    current_time = database_clock.read_clock()
    oldest = current_time - EXPIRES_AFTER
    parameters = {"now": current_time, "oldest": LONG_AGO, "limit": limit}
    rows = list(db.session.execute(_DUE, parameters))
    if rows and rows[0].escalate_at <= oldest and clock_check.problem():
        rows = list(db.session.execute(_DUE, parameters | {"oldest": oldest}))
    return rows


def escalate_due(
    process_webhooks: Callable[[], bool], stopping: ShutdownSignal | None = None
) -> int:
    """Let next steps follow that are due; return the number of messages.

    `process_webhooks` processes the webhooks that wait and returns whether none is left. A waiting
    report may say that a message has reached its goal, so until then only failures count.
    """
    due = _read_due(BATCH)
    db.session.rollback()
    if any(row.status not in fallback_timers.LOST for row in due) and not process_webhooks():
        due = [row for row in due if row.status in fallback_timers.LOST]
    results = []
    for row in due:
        if stopping is not None and stopping.is_due:
            break
        results.append(_escalate_alone(row.id, row.request_id))
    if expired := results.count(_Result.EXPIRED):
        overdue_fallbacks.record_count(expired)
    return len(results)


class _Result(Enum):
    """The result for a message whose next step was due."""

    HANDLED = "handled"
    ASK = "ask"  # the provider must be asked first
    EXPIRED = "expired"  # the step was due for too long


def _escalate_alone(message_id: str, request_id: str | None) -> _Result:
    """Escalate one message; an error in it delays no other one."""
    try:
        result = _escalate(message_id, request_id)
        if result == _Result.ASK:
            goal_check.ask_provider(message_id)
            result = _escalate(message_id, request_id)
    except Exception as error:
        if unreadable_rows.is_transient(error):
            raise
        log.exception("ladder.internal_error", message=message_id)
        db.session.rollback()
        _postpone(message_id)
        return _Result.HANDLED
    return result


@transaction
def _postpone(message_id: str) -> None:
    db.session.execute(
        update(Message)
        .where(Message.id == message_id, Message.escalate_at.is_not(None))
        .values(escalate_at=now() + RETRY_AFTER)
    )


@transaction
def _escalate(message_id: str, request_id: str | None) -> _Result:
    """Let the next step follow a message, or clear its time.

    The request, its signers and the message are locked in this order, as for an event.
    """
    request = signing_batch.get_request(request_id) if request_id is not None else None
    message = outbox.lock_message(message_id)
    current_time = database_clock.read_clock()
    if message.escalate_at is None or message.escalate_at > current_time:
        return _Result.HANDLED  # it has just changed
    signer = _find_signer(request, message)
    event = db.session.get(Event, message.event_id) if message.event_id else None
    if request is None or signer is None or event is None:
        message.escalate_at = None
        return _Result.HANDLED
    if not _is_needed(message, EventType(event.type), request, signer):
        message.escalate_at = None
        return _Result.HANDLED
    return _act(message, event, request, signer, current_time)


def _act(
    message: Message,
    event: Event,
    request: RequestRecord,
    signer: SignerRecord,
    current_time: datetime,
) -> _Result:
    """Let the next step follow a message that needs it: now, later, or not anymore."""
    is_overdue = message.escalate_at is not None and (
        message.escalate_at <= current_time - EXPIRES_AFTER
    )
    is_stopped = was_stopped(message)
    is_over = is_overdue or is_stopped
    morning = None if is_over else _end_of_night(event, request, signer, current_time)
    if morning is not None:
        message.escalate_at = morning
        return _Result.HANDLED
    if not is_stopped and goal_check.can_ask(message):
        message.asked_at = now()
        return _Result.ASK
    message.escalate_at = None
    if not is_over and next_step.add_next(message, event, request, signer):
        return _Result.HANDLED
    unreached.report(message, event, request, signer)
    if is_stopped or not is_overdue:
        return _Result.HANDLED
    overdue_fallbacks.record_expired(message)
    return _Result.EXPIRED


def _end_of_night(
    event: Event, request: RequestRecord, signer: SignerRecord, current_time: datetime
) -> datetime | None:
    """Return when the step after an automatic reminder may follow, or None if it may follow now."""
    is_automatic = event.type == EventType.REMINDER and (event.payload or {}).get("automatic")
    return reminder_times.end_of_night(request, signer, current_time) if is_automatic else None


@transaction
def time_waiting_messages() -> int:
    """Start the time of messages that wait for a connection which does not send.

    When it ends, the next step follows in place of the message. Returns the number of messages.
    """
    if not db.session.scalar(select(exists().where(RouteStep.wait_minutes.is_not(None)))):
        return 0
    off = Connection.state.in_((ConnectionState.BROKEN.value, ConnectionState.DISABLED.value))
    connection_ids = db.session.scalars(
        select(Connection.id).where(off, Connection.archived_at.is_(None)).order_by(Connection.id)
    ).all()
    rows = [row for connection_id in connection_ids for row in _find_untimed(connection_id)]
    current_time = now()
    for row in rows:
        due_at = current_time + timedelta(minutes=row.fallback_minutes)
        db.session.execute(update(Message).where(Message.id == row.id).values(escalate_at=due_at))
    return len(rows)


def _find_untimed(connection_id: str) -> list[Any]:
    """Return and lock waiting messages of a connection that have no time yet."""
    query = (
        select(Message.id, Message.fallback_minutes)
        .where(
            Message.connection_id == connection_id,
            Message.status == Status.QUEUED,
            Message.fallback_minutes.is_not(None),
            Message.escalate_at.is_(None),
            Message.stop_reason.is_(None),
        )
        .order_by(Message.id)
        .limit(BATCH)
    )
    return list(db.session.execute(query.with_for_update(skip_locked=True)))


def _find_signer(request: RequestRecord | None, message: Message) -> SignerRecord | None:
    present = [person for person in request.people if not person.removed_at] if request else []
    return next((person for person in present if person.id == message.signer_id), None)


def _is_needed(
    message: Message, event_type: EventType, request: RequestRecord, signer: SignerRecord
) -> bool:
    """Return whether a next step may follow: nothing stopped it, and the goal is not reached."""
    if not fallback_timers.may_follow(message) or _is_waiting(message):
        return False
    if predecessors.find_successor(message.id) is not None:
        return False
    if is_obsolete(event_type, request, signer):
        return False
    former = predecessors.list_former(message.id)
    goal = message.fallback_goal or ""
    if any(fallback_timers.has_reached(goal, Status.read(row.status)) for row in former):
        return False
    began_at = creation_time(former[-1].id)
    reopened_at = request.state_at if request.reopenings else None
    return not predecessors.has_opened(event_type, signer.opened_at, began_at, reopened_at)


def is_obsolete(event_type: EventType, request: RequestRecord, signer: SignerRecord) -> bool:
    """Return whether a signer no longer needs the messages of an event."""
    is_open = request.state == RequestState.OPEN
    if event_type.asks_to_sign:
        snoozed = event_type == EventType.REMINDER and is_snoozed(signer)
        return not is_open or request.expired or not signer.has_not_signed or snoozed
    return event_type in NOTICES and not is_open and request.state != RequestState.COMPLETED


def _is_waiting(message: Message) -> bool:
    """Return whether a message will still be sent by its own connection."""
    status = Status.read(message.status)
    if status == Status.QUEUED:
        return message.connection.enabled
    return status == Status.SENDING
