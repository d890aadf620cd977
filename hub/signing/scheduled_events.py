"""Events whose messages are planned later: at `send_at`, as people, routes and texts are then.

The facts that an event reports, such as a signature, apply at once.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from hub.core.errors import Conflict, NotFound, Refused
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import is_id
from hub.messaging.state import database_clock
from hub.models import Event, SigningRequest
from hub.shared import audit
from hub.signing import signing_batch
from hub.signing.cards import card_time
from hub.signing.events import EventIn
from hub.signing.signing_batch import RequestRecord

MAX_DAYS_AHEAD = 90


def time_to_plan(posted: EventIn, request: RequestRecord) -> datetime | None:
    """Return when to plan an event that is to be sent later, or None for an event to plan now.

    Raises Refused that names the field.
    """
    send_at = posted.send_at
    if send_at is None:
        return None
    current_time = database_clock.read_clock()
    if send_at <= current_time:
        return None
    if send_at > current_time + timedelta(days=MAX_DAYS_AHEAD):
        reason = f"Use a time at most {MAX_DAYS_AHEAD} days ahead."
        raise Refused("too_far_ahead", reason, field="send_at")
    if request.expires_at is not None and send_at >= request.expires_at:
        reason = f"Use a time before the request expires on {card_time(request.expires_at)}."
        raise Refused("after_expiry", reason, field="send_at")
    return send_at


def list_scheduled(request_id: str) -> list[Event]:
    """Return the events of a request that wait for their time, the next one first."""
    waiting = select(Event).where(Event.request_id == request_id, Event.due_at.is_not(None))
    return list(db.session.scalars(waiting.order_by(Event.due_at, Event.id)))


def find_event(event_id: str, source_id: str, *, test: bool) -> Event:
    """Return an event by its Signpost ID, or the newest one with an ID in the app.

    Raises NotFound.
    """
    own = (
        select(Event)
        .join(SigningRequest, SigningRequest.id == Event.request_id)
        .where(Event.source_id == source_id, SigningRequest.test == test)
        .order_by(Event.id.desc())
        .limit(1)
    )
    event = db.session.scalar(own.where(Event.external_id == event_id)) if event_id else None
    if event is None and is_id("evt", event_id):
        event = db.session.scalar(own.where(Event.id == event_id))
    if event is None:
        raise NotFound("no_such_event", "No event with this ID is accessible to this key.")
    return event


def find_event_of(request_id: str, event_id: str) -> Event:
    """Return an event of a request by its Signpost ID. Raises NotFound."""
    event = db.session.get(Event, event_id) if is_id("evt", event_id) else None
    if event is None or event.request_id != request_id:
        raise NotFound("no_such_event", "This request has no event with this ID.")
    return event


@transaction
def cancel(event_id: str) -> Event:
    """Cancel a scheduled event, so that it notifies nobody. Raises NotFound, Conflict."""
    locked = lock_event(event_id)
    if locked is None:
        raise NotFound("no_such_event", "There is no event with this ID.")
    request, event = locked
    if event.due_at is None:
        raise Conflict("not_scheduled", _reason_not_scheduled(event))
    event.due_at = None
    event.canceled_at = database_clock.read_clock()
    audit.record("request.unscheduled", request.id, request.title or "", event=event.type)
    db.session.flush()
    return event


def _reason_not_scheduled(event: Event) -> str:
    if event.canceled_at is not None:
        return f"The event was already canceled on {card_time(event.canceled_at)}."
    return "The messages of this event are already planned. Cancel each message instead."


def lock_event(event_id: str) -> tuple[RequestRecord, Event] | None:
    """Return an event and its request, locked in the order in which events are accepted."""
    request_id = db.session.scalar(select(Event.request_id).where(Event.id == event_id))
    request = signing_batch.get_request(request_id) if request_id else None
    locked = select(Event).where(Event.id == event_id).with_for_update()
    event = db.session.scalar(locked.execution_options(populate_existing=True))
    return None if request is None or event is None else (request, event)
