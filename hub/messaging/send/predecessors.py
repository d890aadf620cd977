"""Check at the claim whether a message that follows another one is still needed.

A message of a later step is not sent if an earlier one has reached its goal in the meantime.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import aliased

from hub.core.vocabulary import EventType, RequestState, SignerState, Status
from hub.db.engine import db
from hub.db.types import creation_time
from hub.messaging.compose.outbox import ASKING
from hub.messaging.send.calls import DueMessage
from hub.messaging.state.fallback_timers import LOST, has_reached
from hub.models import Event, Message, Route, RouteStep, Signer, SigningRequest

REACHED = "reached"  # the code of messages that are no longer needed because of an earlier one
MAX_STEPS = 50  # more messages than any route leads to


@dataclass(frozen=True)
class Succession:
    """Facts about the message that another one follows.

    `lost_id`: that message, if it was lost, so that it does not count toward limits.
    `is_reached`: an earlier message has reached its goal. `is_obsolete`: nothing is left to sign.
    `is_stopped`: an admin has stopped the fallbacks of its route.
    """

    lost_id: str | None = None
    is_reached: bool = False
    is_obsolete: bool = False
    is_stopped: bool = False


NONE = Succession()


def find_successions(due_messages: Sequence[DueMessage]) -> dict[str, Succession]:
    """Return the succession of each message that follows another one, by the message's ID."""
    ids = [due.row.id for due in due_messages if due.after_id is not None]
    return {row.id: _succession(row) for row in db.session.execute(_query(ids))} if ids else {}


_former = aliased(Message)


def _query(ids: Collection[str]) -> Any:
    return (
        select(
            Message.id,
            Message.step_id,
            _former.id.label("former_id"),
            _former.status.label("former_status"),
            _former.step_id.label("former_step_id"),
            _former.fallback_goal.label("goal"),
            Event.type.label("event_type"),
            SigningRequest.state.label("request_state"),
            SigningRequest.state_at.label("request_state_at"),
            SigningRequest.reopenings,
            Signer.state.label("signer_state"),
            Signer.opened_at,
            Signer.removed_at,
            Route.stopped_at,
        )
        .join(_former, _former.id == Message.after_id)
        .outerjoin(Event, Event.id == Message.event_id)
        .outerjoin(SigningRequest, SigningRequest.id == Message.request_id)
        .outerjoin(Signer, Signer.id == Message.signer_id)
        .outerjoin(RouteStep, RouteStep.id == Message.step_id)
        .outerjoin(Route, Route.id == RouteStep.route_id)
        .where(Message.id.in_(ids))
    )


def _succession(row: Any) -> Succession:
    former_status = Status.read(row.former_status)
    is_ask = row.event_type in ASKING and row.signer_state is not None
    is_obsolete = is_ask and (
        row.request_state != RequestState.OPEN
        or row.removed_at is not None
        or not SignerState.read(row.signer_state).has_not_signed
    )
    # a message of the same step was sent again on purpose
    is_fallback = row.goal is not None and row.step_id != row.former_step_id
    return Succession(
        lost_id=row.former_id if former_status in LOST else None,
        is_reached=is_fallback and _is_reached(row),
        is_obsolete=is_obsolete,
        is_stopped=is_fallback and _is_stopped(row),
    )


def _is_stopped(row: Any) -> bool:
    """Return whether the fallbacks of a message's route were stopped since its first message."""
    if row.stopped_at is None:
        return False
    return bool(creation_time(list_former(row.former_id)[-1].id) <= row.stopped_at)


def _is_reached(row: Any) -> bool:
    former = list_former(row.former_id)
    if any(has_reached(row.goal, Status.read(message.status)) for message in former):
        return True
    reopened_at = row.request_state_at if row.reopenings else None
    return has_opened(row.event_type, row.opened_at, creation_time(former[-1].id), reopened_at)


def find_successor(message_id: str) -> str | None:
    """Return the ID of the message that follows another one, or None."""
    return db.session.scalar(select(Message.id).where(Message.after_id == message_id))


def list_former(message_id: str | None) -> list[Any]:
    """Return a message and those that it follows, the newest first: ID, status, predecessor."""
    columns = Message.__table__.c["id", "status", "after_id", "connection_id", "step_id", "channel"]
    found: list[Any] = []
    while message_id is not None and len(found) < MAX_STEPS:
        row = db.session.execute(select(*columns).where(Message.id == message_id)).one()
        found.append(row)
        message_id = row.after_id
    return found


def has_opened(
    event_type: str | None,
    opened_at: datetime | None,
    created_at: datetime,
    reopened_at: datetime | None,
) -> bool:
    """Return whether a signer has opened the document that a message asks to sign.

    `created_at` is when the first message was created: a reminder asks to open the document again.
    `reopened_at` is when the request was sent out again, if it was.
    """
    if event_type not in ASKING or opened_at is None:
        return False
    since = created_at if event_type == EventType.REMINDER else reopened_at
    return since is None or opened_at >= since
