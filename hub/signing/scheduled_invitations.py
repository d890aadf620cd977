"""Find signers who were not invited, because the signing request is scheduled or was canceled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select

from hub.core.vocabulary import EventType
from hub.db.engine import db
from hub.models import Event, SigningRequest
from hub.signing.signing_batch import NOT_SIGNED, RequestRecord
from hub.signing.turns import signers_in_turn


@dataclass(frozen=True)
class ScheduledInvitation:
    """The invitation of signers who were not invited."""

    send_at: datetime | None  # None: it was canceled


def find_invitation(request: RequestRecord | SigningRequest) -> ScheduledInvitation | None:
    """Return the scheduled invitation of a request, or the canceled one if none was sent.

    Returns None if no signer waits for one.
    """
    if all(signer.invited_at is not None for signer in request.signers):
        return None
    query = (
        select(Event.due_at)
        .where(
            Event.request_id == request.id,
            Event.type == EventType.SENT.value,
            or_(Event.due_at.is_not(None), Event.canceled_at.is_not(None)),
        )
        .order_by(Event.due_at.is_(None), Event.due_at)
    )
    send_at = db.session.execute(query.limit(1)).first()
    if send_at is None or (send_at.due_at is None and request.sent_at is not None):
        return None
    return ScheduledInvitation(send_at.due_at)


def find_uninvited(request: RequestRecord | SigningRequest) -> frozenset[str]:
    """Return the IDs of the pending signers who wait for the invitation of `find_invitation`.

    Signers who wait for others to sign first are among them only if nobody was invited.
    """
    signers: list[Any] = [signer for signer in request.signers if signer.state in NOT_SIGNED]
    in_turn = {signer.id for signer in signers_in_turn(signers)}
    return frozenset(
        signer.id
        for signer in signers
        if signer.invited_at is None and (request.sent_at is None or signer.id in in_turn)
    )


def describe_invitation(invitation: ScheduledInvitation, names: Sequence[str], time: str) -> str:
    """Return why signers are not reminded. `time`: when the invitation is sent, in words."""
    if invitation.send_at is None:
        subject = f"{names[0]} has not been invited" if len(names) == 1 else NOBODY
        return f"{subject}. The scheduled signing request was canceled."
    subject = f"{names[0]} has" if len(names) == 1 else "The pending signers have"
    return f"{subject} not been invited yet. The invitation is scheduled for {time}."


NOBODY = "Nobody has been invited"
