"""Reminding those who have not signed, now, because an admin or the signing app asked for it."""

from __future__ import annotations

from typing import Any

from hub import audit
from hub.errors import Conflict, NotFound
from hub.models.types import new_id, now
from hub.signing import records
from hub.signing.accept import Happened, tell
from hub.store import transaction
from hub.vocabulary import EventType, RequestState


@transaction
def remind(request_id: str, signer: str | None = None) -> dict[str, Any]:
    """Remind every signer who still owes a signature, or the one with this id (ours or the source's).

    Returns the same answer as an event. Raises NotFound; Conflict when nobody is left to remind.
    """
    request = records.get(request_id)
    if request is None:
        raise NotFound("no_such_request", "There is no signing request with this id.")
    if request.state != RequestState.OPEN:
        raise Conflict("request_closed", f"The request is {request.state}, so there is nothing to remind anybody of.")
    chosen = [one for one in request.signers if signer in (None, one.id, one.external_id)]
    if not chosen:
        raise NotFound("no_such_signer", "The request has no signer with this id.", field="signer")
    owing = [one for one in chosen if one.owes]
    if not owing:
        raise Conflict("already_signed", "Nobody is left to remind: everybody asked has signed or declined.")
    moment = now()
    for one in owing:
        one.reminders, one.reminded_at = one.reminders + 1, moment
    request.write()
    audit.record("request.reminded", request.id, request.title or "", signers=len(owing))
    return tell(Happened(new_id("evt"), "", EventType.REMINDER, moment, {"by": audit.actor().who}), request, None, only=owing)
