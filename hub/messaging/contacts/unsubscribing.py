"""Opt a recipient out who used the unsubscribe link of a message."""

from __future__ import annotations

from dataclasses import dataclass

from hub.db.engine import db
from hub.db.store import transaction
from hub.messaging.contacts import languages, suppressions
from hub.messaging.policy.policy import sender_key
from hub.models import Message
from hub.shared import audit
from hub.shared.unsubscribe_links import message_of_token


@dataclass(frozen=True)
class UnsubscribePage:
    """The sender, the recipient and the channel that an unsubscribe link asks about."""

    sender: str
    address: str
    channel: str
    locale: str | None  # of the message, if it has a text in a language


def preview_unsubscribe(token: str) -> UnsubscribePage | None:
    """Return what a link is about, or None if it is not valid. It changes nothing."""
    message = _find(token)
    if message is None:
        return None
    contact = message.contact
    address = "" if contact.erased_at is not None else contact.address
    return UnsubscribePage(
        message.connection.title, address, message.channel, languages.language_of_message(message)
    )


@transaction
def unsubscribe(token: str) -> bool:
    """Opt the recipient of the link's message out of its channel and sender.

    Return False if the link is not valid. The signing app is notified once.
    """
    message = _find(token)
    if message is None:
        return False
    if suppressions.suppress(message.id, reason=suppressions.BY_UNSUBSCRIBE, code=""):
        audit.record(
            "suppression.added",
            message.contact_id,
            message.contact.address,
            channel=message.channel,
            why="unsubscribe link",
            sender=sender_key(message.connection.info),
        )
    return True


def _find(token: str) -> Message | None:
    message_id = message_of_token(token)
    return db.session.get(Message, message_id) if message_id else None
