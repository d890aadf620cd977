"""What recipients allow: suppressing an address, and lifting that."""

from __future__ import annotations

from sqlalchemy import select

from hub import audit
from hub.errors import NotFound
from hub.extensions import db
from hub.messaging import policy
from hub.models import Message, Suppression
from hub.models.types import now
from hub.store import transaction


@transaction
def suppress(message_id: str, *, reason: str, code: str) -> None:
    """Close a message's channel and sender for its recipient, because the provider said so."""
    message = db.session.get_one(Message, message_id)
    contact, connection = message.contact, message.connection
    open_one = select(Suppression.id).where(
        Suppression.address_key == contact.address_key, Suppression.channel == message.channel,
        Suppression.sender == connection.sender, Suppression.test == message.test, Suppression.lifted_at.is_(None),
    )  # fmt: skip
    if db.session.scalar(open_one) is None:
        db.session.add(Suppression(
            address_key=contact.address_key, channel=message.channel, sender=connection.sender, test=message.test,
            reason=reason, code=code, message_id=message.id,
        ))  # fmt: skip


@transaction
def lift(message_id: str) -> None:
    """Lift what stops messages like this one. Raises NotFound when nothing does."""
    message = db.session.get_one(Message, message_id)
    contact = message.contact
    found = policy.suppression(contact.address_key, message.channel, message.connection.sender, test=message.test)
    if found is None:
        raise NotFound("not_suppressed", "Nothing stops messages to this recipient any more.")
    found.lifted_at = now()
    audit.record("suppression.lifted", found.id, contact.address, reason=found.reason, code=found.code)
