"""Apply an event to a request and its signers, in whatever order events arrive: `occurred_at`
decides.
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
REPORTED_AT = (
    "reported_at"  # in a signer's details: field → when the event happened that spoke of it last
)


@transaction
def apply_event(
    event: EventIn, source_id: str, *, test: bool
) -> tuple[RequestRecord, SignerRecord | None]:
    """Bring a request and its signers up to date with an event; return it and the signer whom the
    event is about.
    """
    at = event.occurred_at
    request = signing_batch.find_request(
        source_id, event.request.id, test=test
    ) or signing_batch.new_request(source_id, event.request.id, at, test=test)
    known = not request.new
    _describe(request, event)
    for told in event.signers:
        _signer(request, told, at)
    actor = _signer(request, event.actor, at) if event.actor else None
    if actor is not None and event.type in ACTS:
        _act(actor, ACTS[event.type], at)
    if event.type in CLOSES and (request.state == RequestState.OPEN or at > request.state_at):
        request.state = CLOSES[event.type].value
        request.state_at = at
    request.write()
    if known:
        _stop(event.type, request, actor)
    return request, actor


def _describe(request: RequestRecord, event: EventIn) -> None:
    newer = event.occurred_at >= request.reported_at
    given = event.request.given()
    if "title" in given and (newer or request.title is None):
        request.title = given["title"]
    if "sender" in given and (newer or request.sender is None):
        request.sender = given["sender"]
    if "url" in given and (newer or request.url is None):
        request.url = given["url"]
    if "expires_at" in given and (newer or request.expires_at is None):
        request.expires_at = event.request.expires_at
    request.reported_at = max(request.reported_at, event.occurred_at)


def _signer(request: RequestRecord, told: SignerIn, at: datetime) -> SignerRecord:
    """Bring a signer up to date, field by field: an older event that comes late fills only what no
    newer one spoke of.
    """
    signer = request.signer(told.id) or request.add_signer(told.id, at)
    moment = at.astimezone(UTC).isoformat(timespec="microseconds")
    # a new one, so that the change is noticed
    times = signer.details[REPORTED_AT] = dict(signer.details.get(REPORTED_AT, {}))
    for field, value in told.given().items():
        if field == "id" or moment < times.get(field, ""):
            continue
        times[field] = moment
        if field == "signing_url":
            signer.signing_url = value
        elif field != "order":
            signer.details[field] = value
        elif value is not None:
            signer.turn = value
    signer.reported_at = max(signer.reported_at, at)
    return signer


def _act(signer: SignerRecord, state: SignerState, at: datetime) -> None:
    """Move a signer on.

    Having signed or declined is never taken back by an event that says less, or is older.
    """
    before = SignerState.read(signer.state)
    if state.owes and not before.owes:
        return
    if before.owes or at > signer.state_at:  # the same said again counts from when it was said last
        signer.state = state.value
        signer.state_at = at


def _stop(event_type: EventType, request: RequestRecord, actor: SignerRecord | None) -> None:
    """Stop messages that ask for what is done: a signer's own, or all of a closed request."""
    if event_type == EventType.SIGNED and actor is not None:
        cancellation.stop_request(
            "signed", event_types=ASKS_TO_SIGN, request_id=request.id, signer_id=actor.id
        )
    elif event_type == EventType.COMPLETED:
        cancellation.stop_request("completed", event_types=ASKS_TO_SIGN, request_id=request.id)
    elif event_type in CLOSES:
        cancellation.stop_request(
            CLOSES[event_type].value, event_types=(*ASKS_TO_SIGN, *NOTICES), request_id=request.id
        )
