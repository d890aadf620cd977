"""Remind pending signers on request, and snooze their reminders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from hub.core.errors import Conflict, NotFound
from hub.core.vocabulary import EventType, RequestState, SignerState, Status
from hub.db.store import transaction
from hub.db.types import new_id, now
from hub.messaging.compose import cancellation
from hub.models import Signer
from hub.shared import audit
from hub.signing import (
    planning,
    reminder_times,
    scheduled_invitations,
    signing_batch,
    team_posts,
    turns,
)
from hub.signing.accept import notify
from hub.signing.cards import card_time, signer_name
from hub.signing.message_texts import EventRecord
from hub.signing.reminder_schedule import BETWEEN_REMINDERS
from hub.signing.signing_batch import RequestRecord, SignerRecord

SNOOZED_FOR = timedelta(days=1)


@transaction
def remind(request_id: str, signer: str | None = None) -> dict[str, Any]:
    """Remind every signer whose turn it is, or one of them, and return the response of an event.

    `signer`: a Signpost ID or an ID in the app. Signers whose reminders are snoozed, or who were
    reminded within the last hour, are skipped, and so are those whose invitation is only scheduled.
    Raises NotFound; Conflict when no signer can be reminded.
    """
    request, pending = find_owing(request_id, signer, "No reminder was sent.")
    pending = _invited(request, pending)
    in_turn = {row.id for row in turns.signers_in_turn(request.signers)}
    owing = [row for row in pending if row.id in in_turn]
    if not owing:
        reason = f"Other signers sign before {signer_name(pending[0])}. Remind them instead."
        raise Conflict("not_their_turn", reason)
    remindable = [row for row in owing if not is_snoozed(row)]
    if not remindable:
        raise _snoozed(owing)
    if all(reminder_times.was_reminded_recently(row) for row in remindable):
        raise _reminded_recently(remindable)
    audit.record("request.reminded", request.id, request.title or "", signers=len(remindable))
    at = now()
    event = EventRecord(new_id("evt"), "", EventType.REMINDER, at, {"by": audit.actor().name})
    response = notify(event, request, None, only=owing)
    reminder_times.count_reminders(request, response, at)
    team_posts.refresh_posts(request, planning.usable_connections(test=request.test))
    return response


def _invited(request: RequestRecord, pending: list[SignerRecord]) -> list[SignerRecord]:
    """Return the signers who do not wait for a scheduled invitation. Raises Conflict if all do."""
    invitation = scheduled_invitations.find_invitation(request)
    if invitation is None:
        return pending
    uninvited = scheduled_invitations.find_uninvited(request)
    invited = [row for row in pending if row.id not in uninvited]
    if not invited:
        names = [signer_name(row) for row in pending]
        time = card_time(invitation.send_at) if invitation.send_at else ""
        reason = scheduled_invitations.describe_invitation(invitation, names, time)
        raise Conflict("not_invited", reason)
    return invited


def _snoozed(owing: Sequence[SignerRecord]) -> Conflict:
    until = max(row.snoozed_until or now() for row in owing)
    return Conflict(
        "snoozed",
        f"Reminders to {_names(owing)} are snoozed until {card_time(until)}. End the snooze first.",
    )


def _reminded_recently(signers: Sequence[SignerRecord]) -> Conflict:
    latest = max(row.reminded_at or now() for row in signers)
    return Conflict(
        "reminded_recently",
        f"{_were_reminded(signers)} reminded less than an hour ago. Try again after"
        f" {card_time(latest + BETWEEN_REMINDERS)}.",
    )


def _were_reminded(signers: Sequence[SignerRecord]) -> str:
    return f"{signer_name(signers[0])} was" if len(signers) == 1 else "All pending signers were"


def _names(signers: Sequence[SignerRecord]) -> str:
    return signer_name(signers[0]) if len(signers) == 1 else "all pending signers"


def reachable_signers(response: dict[str, Any]) -> int:
    """Return the number of queued reminders to signers in a response of `remind`."""
    return sum(
        message["signer"] is not None and message["status"] == Status.QUEUED
        for message in response["messages"]
    )


@transaction
def snooze(request_id: str, signer: str | None = None) -> datetime:
    """Snooze reminders for a day, to all pending signers or one; return the end.

    Reminders to them that wait to be sent are canceled. Raises NotFound; Conflict when every
    signer has signed or declined.
    """
    request, owing = find_owing(request_id, signer, "No reminders were snoozed.")
    until = now() + SNOOZED_FOR
    for row in owing:
        row.snoozed_until = until
        if row.remind_at is not None:
            row.remind_at = max(row.remind_at, until)
        cancellation.stop_request(
            "snoozed", event_types=(EventType.REMINDER,), request_id=request.id, signer_id=row.id
        )
    _store_snooze(request, owing, "request.snoozed")
    return until


@transaction
def unsnooze(request_id: str, signer: str | None = None) -> None:
    """Resume reminders to all signers, or to one, that are snoozed or stopped.

    Raises NotFound; Conflict when no reminders are snoozed or stopped.
    """
    request, owing = find_owing(request_id, signer, "No reminders were resumed.")
    snoozed = [row for row in owing if is_snoozed(row) or row.reminders_stopped_at is not None]
    if not snoozed:
        raise Conflict("not_snoozed", "Reminders are not snoozed or stopped.")
    for row in snoozed:
        row.snoozed_until = None
        row.reminders_stopped_at = None
    reminder_times.set_checks(request, changed=True)
    _store_snooze(request, snoozed, "request.unsnoozed")


def _store_snooze(request: RequestRecord, signers: Sequence[SignerRecord], action: str) -> None:
    request.write()
    audit.record(action, request.id, request.title or "", signers=len(signers))
    team_posts.refresh_posts(request, planning.usable_connections(test=request.test))


def is_snoozed(signer: SignerRecord | Signer) -> bool:
    """Return whether reminders to a signer are snoozed."""
    return signer.snoozed_until is not None and signer.snoozed_until > now()


def find_owing(
    request_id: str, signer: str | None, not_done: str
) -> tuple[RequestRecord, list[SignerRecord]]:
    """Return a request and its pending signers, or one of them.

    `not_done`: a sentence for the error that a signer has signed or declined. Raises NotFound,
    Conflict.
    """
    request = signing_batch.get_request(request_id)
    if request is None:
        raise NotFound("no_such_request", "There is no signing request with this ID.")
    if request.state != RequestState.OPEN:
        raise Conflict(
            "request_closed",
            f"The request is {request.state}, so no reminder can be sent.",
        )
    if request.expired and request.expires_at is not None:
        expiry = card_time(request.expires_at)
        raise Conflict(
            "request_expired", f"The request expired on {expiry}, so no reminder can be sent."
        )
    signers = [row for row in request.signers if signer in (None, row.id, row.external_id)]
    if not signers:
        raise NotFound("no_such_signer", "The request has no signer with this ID.", field="signer")
    owing = [row for row in signers if row.has_not_signed]
    if not owing:
        raise Conflict("already_signed", f"{_describe_done(signers)} {not_done}")
    return request, owing


def _describe_done(signers: Sequence[SignerRecord]) -> str:
    """Return that signers have signed or declined, with the name of the only one."""
    if len(signers) > 1:
        return "Every signer has signed or declined."
    verb = "signed" if signers[0].state == SignerState.SIGNED else "declined to sign"
    return f"{signer_name(signers[0])} has already {verb}."
