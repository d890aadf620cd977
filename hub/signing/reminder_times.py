"""Keep the time at which each signer is checked for an automatic reminder.

`signers.remind_at` is when a chore checks the signer. It is computed without time zones, so that
events are accepted quickly. The chore computes the exact time, which it checks again when it comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from hub.core.vocabulary import PersonRole, RequestState, Status
from hub.db.types import now
from hub.lib import phones
from hub.messaging.policy.quiet_hours import recipient_zones
from hub.models import Signer, SigningRequest
from hub.signing import reminder_schedule
from hub.signing.reminder_schedule import (
    BETWEEN_REMINDERS,
    SignerTimes,
    earliest_check,
    first_allowed,
    next_reminder,
)
from hub.signing.reminder_settings import SourceReminders, source_reminders
from hub.signing.signing_batch import RequestRecord, SignerRecord

DEFAULT_ZONE = "UTC"


def set_checks(request: RequestRecord, *, changed: bool) -> None:
    """Set when each signer of a request is checked, or clear it where no reminder can be due.

    `changed`: the expiry, the schedule or the state of the request has changed.
    """
    is_open = request.state == RequestState.OPEN and not request.expired
    source = source_reminders(request.source_id, test=request.test) if is_open else None
    for person in request.people:
        if person.turn_began:
            person.reminders_stopped_at = None
        if source is None or not source.by_hub or not can_be_reminded(person):
            person.remind_at = None
        elif changed or person.turn_began or _was_never_checked(person):
            schedule = source.schedule(request.reminders)
            person.remind_at = earliest_check(schedule, _times(request, person, source))


def _was_never_checked(person: SignerRecord) -> bool:
    return person.remind_at is None and person.reminders_handled_at is None


def can_be_reminded(person: SignerRecord) -> bool:
    """Return whether a person was asked to sign, has not signed and was not erased.

    Nobody is reminded automatically after a user stopped the reminders.
    """
    return (
        person.is_signer
        and person.has_not_signed
        and person.reminders_stopped_at is None
        and person.invited_at is not None
        and bool(person.details)
    )


def next_automatic(
    request: RequestRecord | SigningRequest,
    signer: SignerRecord | Signer,
    source: SourceReminders,
    current_time: datetime,
) -> datetime | None:
    """Return when the next automatic reminder of an invited signer is due, or None."""
    schedule = source.schedule(request.reminders)
    return next_reminder(schedule, signer_times(request, signer, source), current_time)


def next_reminder_at(signer: Signer) -> datetime | None:
    """Return when a signer is reminded automatically next, if nothing changes, or None."""
    request = signer.request
    if signer.remind_at is None or signer.invited_at is None or request.expired:
        return None
    source = source_reminders(request.source_id, test=request.test)
    return next_automatic(request, signer, source, now()) if source.by_hub else None


def end_of_night(
    request: RequestRecord, signer: SignerRecord, current_time: datetime
) -> datetime | None:
    """Return when an automatic reminder may be sent to a signer, or None if it may be sent now."""
    if signer.invited_at is None:
        return None
    source = source_reminders(request.source_id, test=request.test)
    schedule = source.schedule(request.reminders)
    allowed_at = first_allowed(schedule, signer_times(request, signer, source), current_time)
    return None if allowed_at == current_time else allowed_at


def stored_night(request: RequestRecord, signer: SignerRecord) -> str | None:
    """Return the night of an invited signer as a reminder stores it."""
    if signer.invited_at is None:
        return None
    source = source_reminders(request.source_id, test=request.test)
    schedule = source.schedule(request.reminders)
    return reminder_schedule.stored_night(schedule, signer_times(request, signer, source))


def signer_times(
    request: RequestRecord | SigningRequest, signer: SignerRecord | Signer, source: SourceReminders
) -> SignerTimes:
    """Return the facts about an invited signer on which the reminders depend, with the zones."""
    details = signer.details or {}
    number = details.get("mobile_number") or ""
    zones = recipient_zones(details.get("time_zone") or "", number) if details else ()
    return _times(
        request,
        signer,
        source,
        zones or (source.time_zone or DEFAULT_ZONE,),
        phones.country(number) if number else "",
    )


def _times(
    request: RequestRecord | SigningRequest,
    signer: SignerRecord | Signer,
    source: SourceReminders,
    zones: tuple[str, ...] = (),
    country: str = "",
) -> SignerTimes:
    counted_from = [at for at in (signer.invited_at, source.since) if at is not None]
    return SignerTimes(
        max(counted_from),
        expires_at=request.expires_at,
        reminders=signer.reminders,
        reminded_at=signer.reminded_at,
        handled_until=signer.reminders_handled_at,
        snoozed_until=signer.snoozed_until,
        zones=zones,
        country=country,
    )


def was_reminded_recently(signer: SignerRecord | Signer) -> bool:
    """Return whether a signer was reminded within the time that is left between two reminders."""
    return signer.reminded_at is not None and now() - signer.reminded_at < BETWEEN_REMINDERS


def reason_not_to_remind(signer: SignerRecord) -> str:
    """Return the reason why a signer cannot be reminded now, or ''."""
    if signer.snoozed_until is not None and signer.snoozed_until > now():
        return "snoozed"
    return "reminded_recently" if was_reminded_recently(signer) else ""


def count_reminders(request: RequestRecord, response: Mapping[str, Any], at: datetime) -> int:
    """Count a reminder of the signers to whom a response's messages are queued.

    Writes the request, and returns the number of signers.
    """
    reached = {
        message["signer"]
        for message in response["messages"]
        if message["role"] == PersonRole.SIGNER and message["status"] == Status.QUEUED
    }
    for signer in request.signers:
        if signer.external_id in reached:
            signer.reminders += 1
            signer.reminded_at = at
    request.write()
    return len(reached)
