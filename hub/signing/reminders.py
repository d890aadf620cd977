"""Reminding those who have not signed, now, because an admin or the signing app asked for it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from hub import audit
from hub.errors import Conflict, NotFound
from hub.extensions import db
from hub.models import Event, SigningRequest
from hub.models.types import new_id, now
from hub.signing.accept import tell
from hub.store import transaction
from hub.vocabulary import EventType, RequestState, SignerState


@transaction
def remind(request_id: str, signer: str | None = None) -> dict[str, Any]:
    """Remind every signer who still owes a signature, or the one with this id (ours or the source's).

    Returns the same answer as an event. Raises NotFound; Conflict when nobody is left to remind.
    """
    request = db.session.scalar(select(SigningRequest).where(SigningRequest.id == request_id).with_for_update())
    if request is None:
        raise NotFound("no_such_request", "There is no signing request with this id.")
    if request.state != RequestState.OPEN:
        raise Conflict("request_closed", f"The request is {request.state}, so there is nothing to remind anybody of.")
    chosen = [s for s in request.signers if signer in (None, s.id, s.external_id)]
    if not chosen:
        raise NotFound("no_such_signer", "The request has no signer with this id.", field="signer")
    owing = [s for s in chosen if SignerState(s.state).owes]
    if not owing:
        raise Conflict("already_signed", "Nobody is left to remind: everybody asked has signed or declined.")
    moment = now()
    event = Event(
        id=new_id("evt"), request_id=request.id, source_id=request.source_id, type=EventType.REMINDER.value, occurred_at=moment,
        received_at=moment, external_id="",
    )  # fmt: skip
    event.payload = {"by": audit.actor().who}
    event.skipped = []
    db.session.add(event)
    db.session.flush()
    for person in owing:
        person.reminders, person.reminded_at = person.reminders + 1, moment
    audit.record("request.reminded", request.id, signers=len(owing))
    return tell(event, request, None, only=owing)
