"""Continue asking to sign after the expiry of a request was moved to a later time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from hub.core.vocabulary import EventType, Goal, RequestState, Status
from hub.db.engine import db
from hub.db.store import transaction, wake
from hub.db.types import creation_time, now
from hub.messaging.compose.message_expiry import find_expiry
from hub.messaging.state import fallback_timers
from hub.models import Event, Message
from hub.signing.signing_batch import RequestRecord

EXPIRED = "request_expired"  # the code of messages that were not sent before the request expired


@transaction
def follow_expiry(request: RequestRecord, former: datetime | None) -> None:
    """Let messages that ask to sign follow an expiry that is later than the previous one.

    Messages that wait may wait longer. If the request had expired, the steps that it stopped follow
    now, and invitations that were not sent in time are sent.
    """
    current_time = now()
    if former is None or request.state != RequestState.OPEN or request.expired:
        return
    if request.expires_at is not None and request.expires_at <= former:
        return
    rows = _read_messages(request)
    followed = {message.after_id for message, _ in rows}
    for message, event_type in rows:
        if message.status == Status.QUEUED:
            message.expires_at = find_expiry(
                request.expires_at,
                message.connection.integration,
                creation_time(message.id),
                night_of_recipient=message.night,
            )
        elif former <= current_time and message.id not in followed:
            _continue(message, event_type, current_time)
    wake("chores")


def _read_messages(request: RequestRecord) -> Sequence[tuple[Message, EventType]]:
    """Return the messages that ask pending signers to sign, locked, the oldest first."""
    owing = [signer.id for signer in request.signers if signer.has_not_signed]
    query = (
        select(Message, Event.type)
        .join(Event, Event.id == Message.event_id)
        .where(
            Message.request_id == request.id,
            Message.signer_id.in_(owing),
            Message.stop_reason.is_(None),
            Event.type.in_([EventType.SENT.value, EventType.REMINDER.value]),
        )
        .order_by(Message.id)
        .with_for_update(of=Message)
    )
    rows = db.session.execute(query).all()
    return [(message, EventType(event_type)) for message, event_type in rows]


def _continue(message: Message, event_type: EventType, current_time: datetime) -> None:
    """Let the next step follow the last message of a ladder, or the message itself be sent."""
    status = Status.read(message.status)
    if message.code == EXPIRED and status == Status.EXPIRED and event_type == EventType.SENT:
        # the chore of ladders sends it, also if its route has no other step
        message.fallback_goal = message.fallback_goal or Goal.DELIVERED.value
    elif message.fallback_goal is None or message.escalate_at is not None:
        return
    elif status not in fallback_timers.LOST and message.fallback_minutes is None:
        return  # only its failure lets a step follow
    message.escalate_at = current_time
