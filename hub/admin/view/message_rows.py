"""Build the rows of message lists: recipient, first words, status, and the reason of a failure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from hub.core.errors import DecryptionError
from hub.core.quotes import quoted
from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.integrations.base import Problem
from hub.lib.redaction import mask
from hub.messaging.compose.sent_text import SentText, find_sent_texts
from hub.messaging.track import timeline
from hub.models import Connection, Contact, Message, MessageBody, SigningRequest

MAX_CHARACTERS = 90  # of a message's text
# instead of a destination, whose ID at the provider means little to people
TEAM = "Team channel"
UNREADABLE = "Unreadable"  # instead of a recipient whose row is damaged
BAD = (Status.FAILED, Status.UNDELIVERED)


@dataclass(frozen=True)
class MessageListRow:
    """One message of a list."""

    id: str
    status: str
    recipient: str
    address: str
    preview: str
    note: str
    has_problem: bool
    channel: str
    connection_title: str
    connection_slug: str
    created_at: datetime
    test: bool
    is_update: bool  # whether it updates an earlier post


def rows(messages: Sequence[Message]) -> list[MessageListRow]:
    """Return the rows of a list of messages. A value that cannot be decrypted is named as such."""
    ids = [message.id for message in messages]
    query = select(MessageBody).where(MessageBody.owner_id.in_(ids))
    bodies = {body.owner_id: body for body in db.session.scalars(query)}
    contacts = _by_id(Contact, {message.contact_id for message in messages})
    connections = _by_id(Connection, {message.connection_id for message in messages})
    problems = timeline.explain_failures(messages)
    sent_texts = find_sent_texts(messages)
    return [
        _row(
            message,
            contacts.get(message.contact_id),
            connections.get(message.connection_id),
            bodies.get(message.id.partition("_")[2]),
            problems.get(message.id),
            sent_texts.get(message.id),
        )
        for message in messages
    ]


def _row(
    message: Message,
    contact: Contact | None,
    connection: Connection | None,
    body: MessageBody | None,
    problem: Problem | None,
    sent_text: SentText | None,
) -> MessageListRow:
    name = recipient(contact, connection) if contact and connection else UNREADABLE
    note = problem.text if problem else ""
    if problem and problem.code:
        note = f"{problem.text} ({problem.code})"
    return MessageListRow(
        id=message.id,
        status=message.status,
        recipient=name,
        address=contact.address if contact and name not in (TEAM, UNREADABLE) else "",
        preview=preview_text(body, sent_text),
        note=note,
        has_problem=message.status in BAD,
        channel=message.channel,
        connection_title=connection.title if connection else "",
        connection_slug=connection.slug if connection else "",
        created_at=message.created_at,
        test=message.test,
        is_update=message.edits_id is not None,
    )


def _by_id(model: type[Any], ids: set[str]) -> dict[str, Any]:
    return {row.id: row for row in db.session.scalars(select(model).where(model.id.in_(ids)))}


def contact_name(contact: Contact) -> str:
    """Return a contact's name, or the address if the name is missing or cannot be decrypted."""
    fallback = "Erased" if contact.erased_at else "Unknown sender"
    try:
        return contact.name or contact.address or fallback
    except DecryptionError:
        return contact.address


def request_title(request: SigningRequest) -> str:
    """Return the title of a request's document, or its ID if the title is missing or unreadable."""
    try:
        return request.title or request.external_id
    except DecryptionError:
        return request.external_id


def recipient(contact: Contact, connection: Connection) -> str:
    """Return the name of a message's recipient: a person, or the team of its connection."""
    name = contact_name(contact)
    is_team = name == contact.address != "" and contact.address == connection.destination
    return TEAM if is_team else name


def preview_text(body: MessageBody | None, sent_text: SentText | None = None) -> str:
    """Return the first words of a message. `sent_text`: the provider's template that was sent."""
    if body is None:
        return "The text was deleted."
    try:
        content = body.content
    except DecryptionError as error:
        return f"Encrypted with the key {quoted(error.key_id)}, which is missing."
    if sent_text is not None:
        return first_words(sent_text.filled(content))
    return first_words(content["subject"] or content["text"])


def first_words(text: str) -> str:
    """Return the first words of a message, without one-time codes."""
    text = mask(text)
    if len(text) <= MAX_CHARACTERS:
        return text
    return text[:MAX_CHARACTERS].rsplit(" ", 1)[0] + "…"
