"""Legal holds: while a request is held, none of its data is deleted by age or erased."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select

from hub.core.errors import Conflict, NotFound, Refused
from hub.db.engine import db
from hub.db.store import transaction
from hub.models import EvidenceHold, InboundMessage, Message, SigningRequest
from hub.shared import audit

MAX_REASON = 500  # characters


def find_hold(request_id: str) -> EvidenceHold | None:
    """Return the legal hold of a request, or None."""
    return db.session.get(EvidenceHold, request_id)


@transaction
def place_hold(request_id: str, reason: str) -> None:
    """Place a legal hold. Raises NotFound, Refused and Conflict."""
    text = reason.strip()
    if not text or len(text) > MAX_REASON:
        raise Refused(
            "no_reason", f"Enter a reason of at most {MAX_REASON} characters.", field="reason"
        )
    _get_request(request_id)
    if find_hold(request_id) is not None:
        raise Conflict("held_already", "This request already has a legal hold.")
    row = EvidenceHold(request_id=request_id, placed_by=audit.actor().name)
    row.reason = text
    db.session.add(row)
    audit.record("request.hold_placed", request_id)


@transaction
def remove_hold(request_id: str) -> None:
    """Remove a legal hold. Retention applies again. Raises NotFound."""
    _get_request(request_id)
    row = find_hold(request_id)
    if row is None:
        raise NotFound("no_hold", "This request has no legal hold.")
    db.session.delete(row)
    audit.record("request.hold_removed", request_id)


def _get_request(request_id: str) -> SigningRequest:
    row = db.session.get(SigningRequest, request_id)
    if row is None:
        raise NotFound("no_such_request", "There is no signing request with this ID.")
    return row


# ── What is held ────────────────────────────────────────────────────────────────────────
def held_requests(request_id: Any) -> ColumnElement[bool]:
    """Select rows whose request is held. Rows without a request are not."""
    return and_(request_id.is_not(None), request_id.in_(select(EvidenceHold.request_id)))


def held_messages(contact_id: Any) -> ColumnElement[bool]:
    """Select rows of contacts who were notified about a held request."""
    return and_(contact_id.is_not(None), contact_id.in_(_held_contacts()))


def held_texts(owner_id: Any) -> ColumnElement[bool]:
    """Select the texts of messages about held requests, and of replies from their recipients."""
    sent = select(Message.id).where(Message.request_id.in_(select(EvidenceHold.request_id)))
    received = select(InboundMessage.id).where(InboundMessage.contact_id.in_(_held_contacts()))
    return or_(owner_id.in_(sent), owner_id.in_(received))


def _held_contacts() -> Select[str]:
    return select(Message.contact_id).where(Message.request_id.in_(select(EvidenceHold.request_id)))
