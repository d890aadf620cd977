"""Summarize a signing request in the notice at the top of its page: its progress and reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hub.admin.view.datetimes import format_datetime
from hub.admin.view.filters import plural
from hub.core.errors import DecryptionError
from hub.core.vocabulary import RequestState, SignerState, Status
from hub.models import Message, Signer, SigningRequest
from hub.signing import scheduled_invitations
from hub.signing.reminder_settings import read_source_reminders
from hub.signing.scheduled_invitations import NOBODY, ScheduledInvitation

ENDINGS = {
    RequestState.COMPLETED: "Everyone has signed.",
    RequestState.DECLINED: "A signer declined to sign.",
    RequestState.EXPIRED: "The request expired.",
    RequestState.CANCELED: "The sender canceled the request.",
}


@dataclass(frozen=True)
class SigningSummary:
    """The tone, title and text of the notice."""

    tone: str
    title: str
    text: str = ""


def summarize(request: SigningRequest, messages: Sequence[Message]) -> SigningSummary:
    """Return the notice about a request's progress, from its signers and messages."""
    if request.state != RequestState.OPEN:
        completed = request.state == RequestState.COMPLETED
        return SigningSummary("good" if completed else "info", _ending(request))
    owing = _pending_signers(request)
    if not owing and request.signers:
        text = "The signing app has not reported yet that the document is complete."
        return SigningSummary("good", "Everyone has signed.", text)
    if request.expired and owing:
        missing = plural(len(owing), "signature is", "signatures are")
        text = f"{missing} missing. No more reminders are sent."
        return SigningSummary("info", "The request has expired.", text)
    if invitation := _read_invitation(request, owing, messages):
        return _summarize_invitation(invitation)
    title = f"Waiting for {plural(len(owing), 'signature')}."
    return _summarize_reach(title, owing, messages)


def _read_invitation(
    request: SigningRequest, owing: Sequence[Signer], messages: Sequence[Message]
) -> ScheduledInvitation | None:
    """Return the scheduled or canceled invitation if no pending signer was asked to sign before."""
    invitation = scheduled_invitations.find_invitation(request)
    if invitation is None or any(
        signer.invited_at is not None or _statuses(signer, messages) for signer in owing
    ):
        return None
    return invitation


def _summarize_invitation(invitation: ScheduledInvitation) -> SigningSummary:
    if invitation.send_at is None:
        return SigningSummary("info", f"{NOBODY}.", "The scheduled signing request was canceled.")
    time = format_datetime(invitation.send_at)
    return SigningSummary("info", f"The signing request is scheduled for {time}.")


def _ending(request: SigningRequest) -> str:
    """Return how a request ended, with the name of the only signer who declined."""
    state = RequestState(request.state)
    declined = [signer for signer in request.signers if signer.state == SignerState.DECLINED]
    if state == RequestState.DECLINED and len(declined) == 1:
        return f"{signer_name(declined[0])} declined to sign."
    return ENDINGS[state]


def signer_name(signer: Signer) -> str:
    """Return the name of a signer, or the ID in the app without a readable name."""
    try:
        return (signer.details or {}).get("name") or signer.external_id
    except DecryptionError:
        return signer.external_id


def _summarize_reach(
    title: str, owing: Sequence[Signer], messages: Sequence[Message]
) -> SigningSummary:
    """Return the notice about delivery to the remaining signers."""
    asked = [signer for signer in owing if signer.invited_at or _statuses(signer, messages)]
    unreached = [signer for signer in asked if not _was_reached(signer, messages)]
    failed = sum(_all_failed(signer, messages) for signer in unreached)
    if failed:
        entries = "Their entry below says why." if failed == 1 else "Their entries below say why."
        text = f"{plural(failed, 'signer')} could not be notified. {entries}"
        return SigningSummary("bad", title, text)
    all_reached = owing and not unreached and len(asked) == len(owing)
    text = "All pending signers have been notified." if all_reached else ""
    return SigningSummary("info", title, text)


def _pending_signers(request: SigningRequest) -> list[Signer]:
    return [signer for signer in request.signers if SignerState.read(signer.state).has_not_signed]


def _was_reached(signer: Signer, messages: Sequence[Message]) -> bool:
    return any(status.is_delivered for status in _statuses(signer, messages))


def _all_failed(signer: Signer, messages: Sequence[Message]) -> bool:
    """Return whether no message reached a signer, and none is in progress."""
    return all(status.final and not status.is_delivered for status in _statuses(signer, messages))


def _statuses(signer: Signer, messages: Sequence[Message]) -> list[Status]:
    return [Status.read(message.status) for message in messages if message.signer_id == signer.id]


def reason_not_to_remind(request: SigningRequest) -> str:
    """Return why no signer can be reminded now, or '' if one can be."""
    if request.state != RequestState.OPEN:
        if request.state == RequestState.COMPLETED:
            return "Everyone has signed."
        return f"The request is {request.state}. No more reminders are sent."
    if request.expired and request.expires_at is not None:
        return f"The request expired on {format_datetime(request.expires_at)}."
    pending = _pending_signers(request)
    return _reason_not_invited(request, pending) if pending else "Everyone has signed or declined."


def reason_not_automatic(request: SigningRequest) -> str:
    """Return why Signpost sends no reminders by itself while signatures are missing, or ''."""
    if request.state != RequestState.OPEN or request.expired or not _pending_signers(request):
        return ""
    source = read_source_reminders(request.source_id, test=request.test)
    if not source.by_hub:
        return "The app sends the reminders of this source."
    if not source.schedule(request.reminders).enabled:
        return "Automatic reminders are switched off for this request."
    return ""


def _reason_not_invited(request: SigningRequest, pending: Sequence[Signer]) -> str:
    """Return that all pending signers wait for a scheduled invitation, or ''."""
    invitation = scheduled_invitations.find_invitation(request)
    uninvited = scheduled_invitations.find_uninvited(request)
    if invitation is None or any(signer.id not in uninvited for signer in pending):
        return ""
    time = format_datetime(invitation.send_at) if invitation.send_at else ""
    names = [signer_name(signer) for signer in pending]
    return scheduled_invitations.describe_invitation(invitation, names, time)
