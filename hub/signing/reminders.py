"""Reminding those who have not signed, now, because somebody asked for it; and putting their
reminders off.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from hub.core.errors import Conflict, NotFound
from hub.core.vocabulary import EventType, RequestState, Status
from hub.db.store import transaction
from hub.db.types import new_id, now
from hub.messaging.compose import cancellation
from hub.models import Signer
from hub.shared import audit
from hub.signing import planning, signing_batch, team_posts
from hub.signing.accept import EventRecord, notify
from hub.signing.cards import card_time, name_of
from hub.signing.signing_batch import RequestRecord, SignerRecord

SNOOZED_FOR = timedelta(days=1)


@transaction
def remind(request_id: str, signer: str | None = None) -> dict[str, Any]:
    """Remind every signer who still owes a signature, or the one with this id (ours or the
    source's).

    Those whose reminders are put off are skipped. Returns the same answer as an event. Raises
    NotFound; Conflict when nobody is left to remind.
    """
    request, owing = _owing(request_id, signer)
    awake = [one for one in owing if not snoozed_until(one)]
    if not awake:
        until = max(one.snoozed_until or now() for one in owing)
        who = name_of(owing[0]) if len(owing) == 1 else "all signers who have not signed"
        raise Conflict(
            "snoozed",
            f"Reminders to {who} are snoozed until {card_time(until)}. End the snooze first.",
        )
    at = now()
    for one in awake:
        one.reminders = one.reminders + 1
        one.reminded_at = at
    request.write()
    audit.record("request.reminded", request.id, request.title or "", signers=len(awake))
    return notify(
        EventRecord(new_id("evt"), "", EventType.REMINDER, at, {"by": audit.actor().who}),
        request,
        None,
        only=owing,
    )


def reachable_signers(answer: dict[str, Any]) -> int:
    """Return how many reminders are on their way to signers, by the answer of `remind`."""
    return sum(
        one["signer"] is not None and one["status"] == Status.QUEUED for one in answer["messages"]
    )


@transaction
def snooze(request_id: str, signer: str | None = None) -> datetime:
    """Put off reminders to those who owe a signature, or to one of them, for a day; return until
    when.

    Reminders to them that wait to be sent are not sent. Raises NotFound; Conflict when nobody owes
    one.
    """
    request, owing = _owing(request_id, signer)
    until = now() + SNOOZED_FOR
    for one in owing:
        one.snoozed_until = until
        cancellation.stop_request(
            "snoozed", event_types=(EventType.REMINDER,), request_id=request.id, signer_id=one.id
        )
    return _put_off(request, owing, "request.snoozed", until)


@transaction
def unsnooze(request_id: str, signer: str | None = None) -> None:
    """Let those whose reminders were put off, or one of them, be reminded again.

    Raises NotFound; Conflict when there are none.
    """
    request, owing = _owing(request_id, signer)
    asleep = [one for one in owing if snoozed_until(one)]
    if not asleep:
        raise Conflict("not_snoozed", "Reminders are not snoozed.")
    for one in asleep:
        one.snoozed_until = None
    _put_off(request, asleep, "request.unsnoozed", now())


def _put_off(
    request: RequestRecord, signers: Sequence[SignerRecord], action: str, until: datetime
) -> datetime:
    request.write()
    audit.record(action, request.id, request.title or "", signers=len(signers))
    team_posts.refresh_posts(request, planning.usable_connections(test=request.test))
    return until


def snoozed_until(one: SignerRecord | Signer) -> bool:
    """Tell whether reminders to a signer are put off."""
    return one.snoozed_until is not None and one.snoozed_until > now()


def _owing(request_id: str, signer: str | None) -> tuple[RequestRecord, list[SignerRecord]]:
    """Return a request, and those who owe a signature: all, or one. Raises NotFound, Conflict."""
    request = signing_batch.get_request(request_id)
    if request is None:
        raise NotFound("no_such_request", "There is no signing request with this ID.")
    if request.state != RequestState.OPEN:
        raise Conflict(
            "request_closed",
            f"The request is {request.state}, so no reminder can be sent.",
        )
    if request.expired and request.expires_at is not None:
        why = f"The request expired on {card_time(request.expires_at)}, so no reminder can be sent."
        raise Conflict("request_expired", why)
    chosen = [one for one in request.signers if signer in (None, one.id, one.external_id)]
    if not chosen:
        raise NotFound("no_such_signer", "The request has no signer with this ID.", field="signer")
    owing = [one for one in chosen if one.owes]
    if not owing:
        raise Conflict(
            "already_signed", "No reminder is needed, because every signer has signed or declined."
        )
    return request, owing
