"""Apply events to a request and its signers.

Events may arrive in any order: `occurred_at` decides which one is newer.
"""

from __future__ import annotations

from datetime import UTC, datetime

from hub.core.vocabulary import EventType, RequestState, SignerState
from hub.db.store import transaction
from hub.messaging.compose import cancellation
from hub.signing import signing_batch
from hub.signing.events import EventIn, SignerIn
from hub.signing.signing_batch import RequestRecord, SignerRecord

ASKS_TO_SIGN = tuple(event_type for event_type in EventType if event_type.asks_to_sign)
NOTICES = (EventType.VIEWED, EventType.SIGNED)
CLOSES = {
    EventType.COMPLETED: RequestState.COMPLETED,
    EventType.DECLINED: RequestState.DECLINED,
    EventType.EXPIRED: RequestState.EXPIRED,
    EventType.CANCELED: RequestState.CANCELED,
}
ACTS = {
    EventType.VIEWED: SignerState.VIEWED,
    EventType.SIGNED: SignerState.SIGNED,
    EventType.DECLINED: SignerState.DECLINED,
}
# the key in a signer's details under which the time of the newest event about each field is stored
REPORTED_AT = "reported_at"


@transaction
def apply_event(
    event: EventIn, source_id: str, *, test: bool
) -> tuple[RequestRecord, SignerRecord | None]:
    """Update a request and its signers; return the request and the event's signer, if any."""
    at = event.occurred_at
    request = signing_batch.find_request(
        source_id, event.request.id, test=test
    ) or signing_batch.new_request(source_id, event.request.id, at, test=test)
    existed = not request.is_new
    _update_request(request, event)
    for signer in event.signers:
        _update_signer(request, signer, at)
    actor = _update_signer(request, event.actor, at) if event.actor else None
    if actor is not None and event.type in ACTS:
        _set_state(actor, ACTS[event.type], at)
    if event.type in CLOSES and (request.state == RequestState.OPEN or at > request.state_at):
        request.state = CLOSES[event.type].value
        request.state_at = at
    request.write()
    if existed:
        _cancel_messages(event.type, request, actor)
    return request, actor


def _update_request(request: RequestRecord, event: EventIn) -> None:
    newer = event.occurred_at >= request.reported_at
    fields = event.request.sent_fields()
    if "title" in fields and (newer or request.title is None):
        request.title = fields["title"]
    if "sender" in fields and (newer or request.sender is None):
        request.sender = fields["sender"]
    if "url" in fields and (newer or request.url is None):
        request.url = fields["url"]
    if "expires_at" in fields and (newer or request.expires_at is None):
        request.expires_at = event.request.expires_at
    request.reported_at = max(request.reported_at, event.occurred_at)


def _update_signer(request: RequestRecord, reported: SignerIn, at: datetime) -> SignerRecord:
    """Update a signer's fields, except those that a newer event has set. Add the signer if new."""
    signer = request.signer(reported.id) or request.add_signer(reported.id, at)
    timestamp = at.astimezone(UTC).isoformat(timespec="microseconds")
    # a copy, because changes are detected by comparing with the values that were read
    times = signer.details[REPORTED_AT] = dict(signer.details.get(REPORTED_AT, {}))
    for field, value in reported.sent_fields().items():
        if field == "id" or timestamp < times.get(field, ""):
            continue
        times[field] = timestamp
        if field == "signing_url":
            signer.signing_url = value
        elif field != "order":
            signer.details[field] = value
        elif value is not None:
            signer.turn = value
    signer.reported_at = max(signer.reported_at, at)
    return signer


def _set_state(signer: SignerRecord, state: SignerState, at: datetime) -> None:
    """Change a signer's state, but never from signed or declined back to an earlier state."""
    current = SignerState.read(signer.state)
    if state.has_not_signed and not current.has_not_signed:
        return
    if current.has_not_signed or at > signer.state_at:  # repeated: the newest time counts
        signer.state = state.value
        signer.state_at = at


def _cancel_messages(
    event_type: EventType, request: RequestRecord, actor: SignerRecord | None
) -> None:
    """Cancel waiting messages that an event made obsolete, for its signer or the closed request."""
    if event_type == EventType.VIEWED and actor is not None:
        cancellation.end_fallbacks(request.id, actor.id, ASKS_TO_SIGN)
    elif event_type == EventType.SIGNED and actor is not None:
        cancellation.stop_request(
            "signed", event_types=ASKS_TO_SIGN, request_id=request.id, signer_id=actor.id
        )
    elif event_type == EventType.COMPLETED:
        cancellation.stop_request("completed", event_types=ASKS_TO_SIGN, request_id=request.id)
    elif event_type in CLOSES:
        cancellation.stop_request(
            CLOSES[event_type].value, event_types=(*ASKS_TO_SIGN, *NOTICES), request_id=request.id
        )
