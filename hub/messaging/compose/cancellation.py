"""Cancel messages that were not sent yet: by an admin, or because a request or connection ended."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, or_, select, update

from hub.core.errors import Conflict
from hub.core.vocabulary import Audience, ConnectionState, Status
from hub.db.compiled_sql import Statement
from hub.db.engine import db
from hub.db.store import list_param, read, transaction, wake, write
from hub.db.types import now
from hub.lib import times
from hub.messaging.compose import outbox
from hub.messaging.compose.outbox import FACTS
from hub.messaging.policy import spending
from hub.messaging.state import fallback_timers, unreadable_rows, withdrawals
from hub.messaging.state.message_batch import messages as message_table
from hub.models import Connection, Event, Message, Route, RouteStep, Throttle
from hub.shared import audit

TOO_LATE = "too late"  # the name of the fact about a message that was already being sent


@transaction
def cancel(message_id: str) -> Message:
    """Cancel a message that was not sent yet. Raises NotFound, Conflict."""
    message = outbox.lock_message(message_id)
    if message.status != Status.QUEUED:
        reason = f"The message is already {message.status} and cannot be canceled."
        raise Conflict("not_queued", _TOO_LATE.get(Status.read(message.status), reason))
    _end(message, Status.CANCELED, "canceled", reason=f"by {audit.actor().name}")
    audit.record("message.canceled", message.id)
    return message


@transaction
def cancel_waiting(message: Message, reason: str) -> None:
    """Cancel a queued message that is locked, for a reason other than a user's."""
    message.stop_reason = reason
    _end(message, Status.CANCELED, "stopped", reason=reason)


_TOO_LATE = {
    Status.SENDING: ("Signpost is sending the message now, so it cannot be canceled."),
    Status.UNKNOWN: "The provider may have the message already, so it cannot be canceled.",
}


@transaction
def stop_request(
    reason: str,
    *,
    event_types: Iterable[str],
    request_id: str,
    signer_id: str | None = None,
    audiences: Collection[str] = tuple(Audience),
    until: datetime = times.LATEST,
) -> None:
    """Stop the unfinished messages of a request, or those to one person or some audiences.

    `until`: the time of the last event whose messages are stopped.

    Queued messages are canceled. A message that is being sent is not retried. A provider that can
    cancel an accepted message, such as a call, is asked to. No other step of their routes
    follows, also after messages that were sent.
    """
    rows = _read_unfinished(request_id, event_types, until)
    _stop_messages(
        [
            row
            for recipient_id, audience, _, *row in rows
            if signer_id in (None, recipient_id) and (audience is None or audience in audiences)
        ],
        reason,
    )


@transaction
def withdraw_notices(
    reason: str,
    *,
    event_ids: Collection[str],
    event_type: str,
    request_id: str,
    kept: Collection[tuple[str, str]],
) -> None:
    """Stop the unfinished messages of some events of a type, except those that are kept.

    `kept`: pairs of a person's ID and an audience. A withdrawn notice can be planned once more.
    """
    rows = [
        row
        for person_id, audience, event_id, *row in _read_unfinished(
            request_id, [event_type], times.LATEST
        )
        if event_id in event_ids and (person_id, audience) not in kept
    ]
    _stop_messages(rows, reason)
    queued = [message_id for message_id, status, *_ in rows if status == Status.QUEUED]
    write(_FORGET_KEY, [{"key": message_id} for message_id in queued])


def _read_unfinished(
    request_id: str, event_types: Iterable[str], until: datetime
) -> list[tuple[Any, ...]]:
    types = [str(event_type) for event_type in event_types]
    return [*read(_UNFINISHED, request=request_id, types=types, until=until)]


@transaction
def stop_contact(contact_id: str, reason: str) -> None:
    """Stop the unfinished messages to a contact, as `stop_request` does."""
    _stop_messages(read(_UNFINISHED_TO, contact=contact_id), reason)


def _stop_messages(stored_rows: Sequence[Sequence[Any]], reason: str) -> None:
    withdrawn = [
        message_id
        for message_id, status, _, _, integration in stored_rows
        if status == Status.ACCEPTED and withdrawals.can_withdraw(integration)
    ]
    rows = [
        (message_id, status, attempt)
        for message_id, status, attempt, escalate_at, _ in stored_rows
        if status != Status.ACCEPTED or escalate_at is not None or message_id in withdrawn
    ]
    queued = [
        (message_id, attempt) for message_id, status, attempt in rows if status == Status.QUEUED
    ]
    spending.release_estimates([message_id for message_id, _ in queued])
    write(_STOP, [{"key": message_id, "reason": reason} for message_id, _, _ in rows])
    write(
        _CANCEL,
        [
            {"key": message_id, "status": Status.CANCELED.value, "at": now()}
            for message_id, _ in queued
        ],
    )
    write(
        FACTS,
        [
            outbox.build_fact_row(message_id, attempt, "stopped", Status.CANCELED, reason=reason)
            for message_id, attempt in queued
        ]
        + [
            outbox.build_fact_row(message_id, attempt, TOO_LATE, None, reason=reason)
            for message_id, status, attempt in rows
            if status in (Status.SENDING, Status.UNKNOWN)
        ],
    )
    withdrawals.add_withdrawals(withdrawn)


@transaction
def end_fallbacks(request_id: str, signer_id: str, event_types: Iterable[str]) -> None:
    """Let no other step follow the sent messages of a signer, who has opened the document."""
    rows = read(_TIMED, request=request_id, signer=signer_id, types=[*map(str, event_types)])
    write(_CLEAR_TIMER, [{"key": message_id} for (message_id,) in rows])


# a message that was sent is unfinished while another step of its route may follow; an accepted one
# also while its provider can cancel it
_IS_UNFINISHED = or_(
    message_table.c.status.in_(
        [*map(str, (Status.QUEUED, Status.SENDING, Status.UNKNOWN, Status.ACCEPTED))]
    ),
    message_table.c.escalate_at.is_not(None),
)
_STOPPED_COLUMNS = (
    *message_table.c["id", "status", "tries", "escalate_at"],
    Connection.integration,
)
_UNFINISHED = Statement(
    select(message_table.c.signer_id, Route.audience, message_table.c.event_id, *_STOPPED_COLUMNS)
    .join(Connection, Connection.id == message_table.c.connection_id)
    .outerjoin(RouteStep, RouteStep.id == message_table.c.step_id)
    .outerjoin(Route, Route.id == RouteStep.route_id)
    .where(
        # a post to a team reports what happened and asks for nothing, so it is still sent
        message_table.c.request_id == bindparam("request"),
        message_table.c.stop_reason.is_(None),
        message_table.c.thread == "",
        _IS_UNFINISHED,
        message_table.c.event_id.in_(
            select(Event.id).where(
                Event.request_id == bindparam("request"),
                Event.type.in_(list_param("types")),
                Event.occurred_at <= bindparam("until"),
            )
        ),
    )
    .order_by(message_table.c.id)
    .with_for_update(of=message_table)
)
_FORGET_KEY = Statement(
    update(message_table).where(message_table.c.id == bindparam("key")).values(dedup_key=None)
)
_UNFINISHED_TO = Statement(
    select(*_STOPPED_COLUMNS)
    .join(Connection, Connection.id == message_table.c.connection_id)
    .where(
        message_table.c.contact_id == bindparam("contact"),
        message_table.c.stop_reason.is_(None),
        _IS_UNFINISHED,
    )
    .order_by(message_table.c.id)
    .with_for_update(of=message_table)
)
_STOP = Statement(
    update(message_table)
    .where(message_table.c.id == bindparam("key"))
    .values(stop_reason=bindparam("reason"), escalate_at=None)
)
_TIMED = Statement(
    select(message_table.c.id)
    .where(
        message_table.c.request_id == bindparam("request"),
        message_table.c.signer_id == bindparam("signer"),
        message_table.c.escalate_at.is_not(None),
        message_table.c.event_id.in_(
            select(Event.id).where(
                Event.request_id == bindparam("request"), Event.type.in_(list_param("types"))
            )
        ),
    )
    .order_by(message_table.c.id)
    .with_for_update()
)
_CLEAR_TIMER = Statement(
    update(message_table).where(message_table.c.id == bindparam("key")).values(escalate_at=None)
)
_CANCEL = Statement(
    update(message_table)
    .where(message_table.c.id == bindparam("key"))
    .values(status=bindparam("status"), due_at=None, changed_at=bindparam("at"))
)


# if a sender is paused for longer, its expired messages end without waiting for the pause
LONG_PAUSE = timedelta(minutes=1)


def end_waiting(limit: int = 500) -> int:
    """End expired messages of connections that do not send, and all messages of archived ones.

    A connection whose sender is paused for longer than LONG_PAUSE does not send. Returns the number
    of messages, at most `limit`. They are searched without locks, because of the long queue of a
    disabled connection mostly none has expired.
    """
    not_sending = (
        select(Connection.id, Connection.archived_at)
        .outerjoin(Throttle, Throttle.name == Connection.throttle)
        .where(
            or_(
                Connection.state != ConnectionState.ENABLED,
                Connection.archived_at.is_not(None),
                Throttle.ready_at > now() + LONG_PAUSE,
            )
        )
    )
    ids: list[str] = []
    for connection_id, archived_at in db.session.execute(not_sending).all():
        waiting = select(Message.id).where(
            Message.connection_id == connection_id,
            Message.status == Status.QUEUED,
            Message.due_at.is_not(None),  # NULL: it is set aside
        )
        if archived_at is None:
            waiting = waiting.where(Message.expires_at <= now())
        ids += db.session.scalars(waiting.order_by(Message.id).limit(limit - len(ids)))
    db.session.rollback()
    return _end_each(ids) if ids else 0


def _end_each(ids: Sequence[str]) -> int:
    """End messages together. If that fails, end them one by one and set aside those that fail."""
    try:
        return _end_messages(ids)
    except Exception as error:
        if unreadable_rows.is_transient(error):
            raise
        db.session.rollback()
        if len(ids) == 1:
            unreadable_rows.hold_message(ids[0], error)
            return 0
    return sum(_end_each([message_id]) for message_id in ids)


@transaction
def _end_messages(ids: Sequence[str]) -> int:
    waiting = (
        select(Message)
        .where(Message.id.in_(ids), Message.status == Status.QUEUED)
        .order_by(Message.id)
    )
    ended = 0
    for message in db.session.scalars(waiting.with_for_update(skip_locked=True)).all():
        if message.connection.archived_at is not None:
            _end(message, Status.CANCELED, "canceled", "its connection was archived")
            _follow(message)
        elif message.expires_at is not None and message.expires_at <= now():
            _end(message, Status.EXPIRED, "expired")
            _follow(message)
        else:
            continue  # it has just changed
        ended += 1
    return ended


def take_back(message: Message) -> None:
    """Cancel a locked message that waits for its connection, because the next step follows."""
    _end(message, Status.CANCELED, "taken back")


def _end(message: Message, status: Status, word: str, reason: str = "") -> None:
    spending.release_estimates([message.id])
    db.session.expire(message, ["estimate"])
    message.status = status.value
    message.due_at = None
    message.escalate_at = None
    message.changed_at = now()
    outbox.record_fact(message, word, status, reason=reason)


def _follow(message: Message) -> None:
    """Let the next step of a message's route follow now, if there is one."""
    if fallback_timers.may_follow(message):
        message.escalate_at = now()
        wake("chores")
