"""Accept the events that signing apps post."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request

from hub.api.guard import current_caller
from hub.api.operations import operation
from hub.api.request_shapes import (
    EventOut,
    PreviewOut,
    ScheduledEventOut,
    serialize_scheduled_event,
)
from hub.api.shapes import parse_body, store_and_respond
from hub.core.vocabulary import Scope
from hub.shared import idempotency
from hub.signing import scheduled_events
from hub.signing.accept import accept_event
from hub.signing.events import EventIn
from hub.signing.preview import preview_event

blueprint = Blueprint("events", __name__)

EVENT_EXAMPLE = {
    "type": "request.sent",
    "id": "evt-771",
    "occurred_at": "2026-11-21T09:30:00Z",
    "request": {
        "id": "agr-1001",
        "title": "Employment Agreement",
        "sender": {"name": "Acme HR", "email": "hr@acme.example"},
        "expires_at": "2026-12-24T00:00:00Z",
    },
    "signers": [
        {
            "id": "eric",
            "name": "Eric Smith",
            "email": "eric@example.com",
            "mobile_number": "+13175551234",
            "locale": "en",
            "time_zone": "America/Indiana/Indianapolis",
            "order": 1,
            "signing_url": "https://sign.example/r/agr-1001/eric",
            "send_to": {"mobile_number": True, "email": True},
            "preference": ["whatsapp", "sms"],
        }
    ],
}


@blueprint.post("/events")
@operation(
    id="postEvent",
    tag="Events",
    summary="Post an event",
    description=(
        "Stores the event and its messages in one transaction, then responds. A field"
        " that you leave out stays unchanged, and null clears it. Events can arrive in any"
        " order, because `occurred_at` determines which is newer."
    ),
    scope=Scope.EVENTS_WRITE,
    status=202,
    response=EventOut,
    errors="400 401 409 413 415 422 503",
    body=EventIn,
    example=EVENT_EXAMPLE,
    idempotent=True,
)
def post_event() -> tuple[dict[str, Any], int, dict[str, str]]:
    """Accept an event about a document."""
    client = current_caller()
    event = parse_body(EventIn)
    response, repeated = idempotency.run_once_per_key(
        client.key_id,
        request.path,
        request.headers.get("Idempotency-Key", ""),
        request.get_data(),
        202,
        lambda: accept_event(event, client.source_id, test=client.test),
        prepare_ahead=True,
    )
    return response, 202, {"Idempotency-Replayed": "true"} if repeated else {}


@blueprint.post("/preview")
@operation(
    id="previewEvent",
    tag="Events",
    summary="Preview an event",
    description=(
        "Shows what the same body would do if you posted it to `/events` now: for each person, the"
        " steps with their times, texts and prices, and why other steps are skipped. Nothing is"
        " stored or sent."
    ),
    scope=Scope.EVENTS_WRITE,
    status=200,
    response=PreviewOut,
    errors="400 401 413 415 422 503",
    body=EventIn,
    example=EVENT_EXAMPLE,
)
def preview() -> dict[str, Any]:
    """Preview an event about a document."""
    client = current_caller()
    return preview_event(parse_body(EventIn), client.source_id, test=client.test)


@blueprint.post("/events/<path:event_id>/cancel")
@operation(
    id="cancelEvent",
    tag="Events",
    summary="Cancel a scheduled event",
    description=(
        "Cancels an event whose `send_at` has not come, so that it notifies nobody. Accepts the"
        " Signpost ID or your own ID. What the event reported, such as a signature, stays."
    ),
    scope=Scope.EVENTS_WRITE,
    status=200,
    response=ScheduledEventOut,
    errors="401 404 409 503",
)
def cancel_event(event_id: str) -> dict[str, Any]:
    """Cancel a scheduled event."""
    client = current_caller()
    event = scheduled_events.find_event(event_id, client.source_id, test=client.test)
    return store_and_respond(lambda: scheduled_events.cancel(event.id), serialize_scheduled_event)
