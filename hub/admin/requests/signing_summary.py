"""The sentence at the top of a request's page: how far signing is, and who was reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hub.admin.view.datetimes import exact
from hub.admin.view.filters import plural
from hub.core.vocabulary import RequestState, SignerState, Status
from hub.models import Message, Signer, SigningRequest

ENDINGS = {
    RequestState.COMPLETED: "Everyone has signed.",
    RequestState.DECLINED: "A signer declined.",
    RequestState.EXPIRED: "The request expired.",
    RequestState.CANCELED: "The sender canceled it.",
}


@dataclass(frozen=True)
class SigningSummary:
    """A notice."""

    tone: str
    title: str
    text: str = ""


def summarize(request: SigningRequest, messages: Sequence[Message]) -> SigningSummary:
    """Say how far a request is, from its signers and the messages about it."""
    if request.state != RequestState.OPEN:
        completed = request.state == RequestState.COMPLETED
        return SigningSummary("good" if completed else "info", ENDINGS[RequestState(request.state)])
    owing = _owing(request)
    if not owing and request.signers:
        text = "The signing app has not reported yet that the document is complete."
        return SigningSummary("good", "Everyone has signed.", text)
    missing = plural(len(owing), "signature is", "signatures are")
    if request.expired and owing:
        text = f"{missing} missing. No more reminders are sent."
        return SigningSummary("info", "The request has expired.", text)
    return _summarize_reach(f"{missing} missing.", owing, messages)


def _summarize_reach(
    title: str, owing: Sequence[Signer], messages: Sequence[Message]
) -> SigningSummary:
    """Say whether those who owe a signature were reached."""
    unreached = [signer for signer in owing if not _was_reached(signer, messages)]
    lost = sum(_was_lost(signer, messages) for signer in unreached)
    if lost:
        subject = "One of these signers was" if lost == 1 else f"{lost} of these signers were"
        text = f"{subject} not reached. The reasons are below."
        return SigningSummary("bad", title, text)
    all_reached = owing and not unreached
    text = "Everyone who has not signed has been notified." if all_reached else ""
    return SigningSummary("info", title, text)


def _owing(request: SigningRequest) -> list[Signer]:
    return [signer for signer in request.signers if SignerState.read(signer.state).owes]


def _was_reached(signer: Signer, messages: Sequence[Message]) -> bool:
    return any(status.is_delivered for status in _statuses(signer, messages))


def _was_lost(signer: Signer, messages: Sequence[Message]) -> bool:
    """Return whether nothing reached a signer, and nothing on its way will."""
    return all(status.final and not status.is_delivered for status in _statuses(signer, messages))


def _statuses(signer: Signer, messages: Sequence[Message]) -> list[Status]:
    return [Status.read(message.status) for message in messages if message.signer_id == signer.id]


def why_not_remind(request: SigningRequest) -> str:
    """Return why nobody can be reminded now; '' if somebody can."""
    if request.state != RequestState.OPEN:
        return "No signatures are missing."
    if request.expired and request.expires_at is not None:
        return f"The request expired on {exact(request.expires_at)}."
    return "" if _owing(request) else "Everyone has signed or declined."
