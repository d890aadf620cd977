"""Find the signers who sign next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from sqlalchemy import select

from hub.core.vocabulary import EventType, RequestState
from hub.db.engine import db
from hub.db.types import now
from hub.models import Event, Message, Signer
from hub.signing.signing_batch import NOT_SIGNED, RequestRecord, SignerRecord

AnySigner = TypeVar("AnySigner", Signer, SignerRecord)


def signers_in_turn(signers: Sequence[AnySigner]) -> list[AnySigner]:
    """Return the pending signers with the lowest turn."""
    owing = [signer for signer in signers if signer.state in NOT_SIGNED]
    turn = min((signer.turn for signer in owing), default=0)
    return [signer for signer in owing if signer.turn == turn]


def find_asked(request: RequestRecord) -> set[str]:
    """Return the IDs of signers for whom an invitation was stored since their turn began."""
    query = (
        select(Message.signer_id, Event.received_at)
        .join(Event, Event.id == Message.event_id)
        .where(Message.request_id == request.id, Event.type == EventType.SENT)
    )
    invited_at = {signer.id: signer.invited_at for signer in request.signers}
    return {
        signer_id
        for signer_id, received_at in db.session.execute(query)
        if signer_id and (began := invited_at.get(signer_id)) and received_at >= began
    }


def begin_turns(request: RequestRecord) -> list[SignerRecord]:
    """Mark the signers whose turn has come as invited, and return them.

    The turn is decided from the whole request, not from the last signature, so that nobody is
    skipped when someone signs out of turn. No turn begins before the app posts that the request
    was sent, or after the request ended.
    """
    if request.sent_at is None or request.state != RequestState.OPEN or request.expired:
        return []
    begun = [signer for signer in signers_in_turn(request.signers) if signer.invited_at is None]
    for signer in begun:
        signer.invited_at = now()
        signer.turn_began = True
    return begun
