"""Requests and signers, kept as events tell of them, in whatever order: `occurred_at` decides."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select

from hub.extensions import db
from hub.messaging import outbox
from hub.models import Signer, SigningRequest
from hub.models.types import new_id
from hub.signing.events import EventIn, SignerIn
from hub.store import transaction
from hub.vocabulary import EventType, RequestState, SignerState

ASKS_TO_SIGN = (EventType.SENT, EventType.REMINDER)  # pointless once there is nothing left to sign
NOTICES = (EventType.VIEWED, EventType.SIGNED)
CLOSES = {
    EventType.COMPLETED: RequestState.COMPLETED, EventType.DECLINED: RequestState.DECLINED,
    EventType.EXPIRED: RequestState.EXPIRED, EventType.CANCELED: RequestState.CANCELED,
}  # fmt: skip
ACTS = {EventType.VIEWED: SignerState.VIEWED, EventType.SIGNED: SignerState.SIGNED, EventType.DECLINED: SignerState.DECLINED}
# details that are plain columns or sealed apart; the rest of a signer is one sealed value
APART = ("id", "order", "signing_url")


@transaction
def apply(event: EventIn, source_id: str, *, test: bool) -> tuple[SigningRequest, Signer | None]:
    """Bring a request and its signers up to date with an event; return it and the signer whom the event is about."""
    request = _request(event, source_id, test)
    signers = {signer.external_id: signer for signer in request.signers}
    for told in event.signers:
        _signer(request, signers, told, event.occurred_at)
    actor = _signer(request, signers, event.actor, event.occurred_at) if event.actor else None
    if actor is not None and event.type in ACTS:
        _act(actor, ACTS[event.type], event.occurred_at)
    if event.type in CLOSES and (request.state == RequestState.OPEN or event.occurred_at > request.state_at):
        request.state, request.state_at = CLOSES[event.type].value, event.occurred_at
    db.session.flush()
    _stop(event.type, request, actor)
    return request, actor


def _request(event: EventIn, source_id: str, test: bool) -> SigningRequest:
    told = event.request
    request = db.session.scalar(
        select(SigningRequest).where(
            SigningRequest.source_id == source_id, SigningRequest.external_id == told.id, SigningRequest.test == test
        ).with_for_update()
    )  # fmt: skip
    if request is None:
        request = SigningRequest(
            id=new_id("req"), source_id=source_id, external_id=told.id, test=test, told_at=event.occurred_at, state_at=event.occurred_at,
            state=RequestState.OPEN.value,
        )  # fmt: skip
        db.session.add(request)
    newer = event.occurred_at >= request.told_at
    given = told.given()
    for field in ("title", "sender"):
        if field in given and (newer or getattr(request, field) is None):
            setattr(request, field, given[field])
    if "expires_at" in given and (newer or request.expires_at is None):
        request.expires_at = told.expires_at
    request.told_at = max(request.told_at, event.occurred_at)
    db.session.flush()
    return request


def _signer(request: SigningRequest, known: dict[str, Signer], told: SignerIn, at: datetime) -> Signer:
    signer = known.get(told.id)
    if signer is None:
        signer = known[told.id] = Signer(
            id=new_id("sgn"), request_id=request.id, external_id=told.id, told_at=at, state_at=at, turn=1, reminders=0,
            state=SignerState.PENDING.value,
        )  # fmt: skip
        signer.details = {}
        request.signers.append(signer)
    newer = at >= signer.told_at
    given = told.given()
    details: dict[str, Any] = dict(signer.details or {})
    for field, value in given.items():
        if field not in APART and (newer or details.get(field) is None):
            details[field] = value
    signer.details = details
    if "signing_url" in given and (newer or signer.signing_url is None):
        signer.signing_url = told.signing_url
    if told.order is not None and newer:
        signer.turn = told.order
    signer.told_at = max(signer.told_at, at)
    return signer


def _act(signer: Signer, state: SignerState, at: datetime) -> None:
    """Move a signer on. Having signed or declined is never taken back by an event that says less, or is older."""
    now_owes, before = state.owes, SignerState(signer.state)
    if before == state or (now_owes and not before.owes):
        return
    if before.owes or at > signer.state_at:
        signer.state, signer.state_at = state.value, at


def _stop(event_type: EventType, request: SigningRequest, actor: Signer | None) -> None:
    """Stop messages that ask for what is done: a signer's own, or all of a closed request."""
    if event_type == EventType.SIGNED and actor is not None:
        outbox.stop("signed", event_types=ASKS_TO_SIGN, request_id=request.id, signer_id=actor.id)
    elif event_type == EventType.COMPLETED:
        outbox.stop("completed", event_types=ASKS_TO_SIGN, request_id=request.id)
    elif event_type in CLOSES:
        outbox.stop(CLOSES[event_type].value, event_types=(*ASKS_TO_SIGN, *NOTICES), request_id=request.id)


def remaining(request: SigningRequest) -> int:
    """Count the signatures that are missing."""
    return sum(SignerState(signer.state).owes for signer in request.signers)
