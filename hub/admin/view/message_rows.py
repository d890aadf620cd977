"""Messages as rows of a list: what each says, and why it did not arrive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from hub.core.errors import DecryptionError
from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.integrations.base import Problem
from hub.lib.redaction import mask
from hub.messaging.track import timeline
from hub.models import Connection, Contact, Message, MessageBody

SHOWN = 90  # characters of what a message says
# which place that is, the connection tells better than the provider's name for it
TEAM = "The team"
UNREADABLE = "Unreadable"  # instead of a recipient, where the row is damaged
BAD = (Status.FAILED, Status.UNDELIVERED)


@dataclass(frozen=True)
class Row:
    """One message of a list."""

    id: str
    status: str
    to: str
    address: str
    says: str
    note: str
    bad: bool
    channel: str
    via: str
    slug: str
    at: datetime
    test: bool
    change: bool  # of an earlier post, which stands there


def rows(messages: Sequence[Message]) -> list[Row]:
    """Return what a list shows of messages; a value that does not open is said to be sealed, and
    breaks nothing.
    """
    bodies = {
        row[0].owner_id: row[0]
        for row in db.session.execute(
            select(MessageBody).where(
                MessageBody.owner_id.in_([message.id for message in messages])
            )
        )
    }
    contacts = _by_id(Contact, {message.contact_id for message in messages})
    connections = _by_id(Connection, {message.connection_id for message in messages})
    problems = timeline.problems_of(messages)
    return [
        _row(
            message,
            contacts.get(message.contact_id),
            connections.get(message.connection_id),
            bodies.get(message.id.partition("_")[2]),
            problems.get(message.id),
        )
        for message in messages
    ]


def _row(
    message: Message,
    contact: Contact | None,
    connection: Connection | None,
    body: MessageBody | None,
    problem: Problem | None,
) -> Row:
    if contact is None or connection is None:  # what it refers to is damaged
        to = UNREADABLE
        via = connection.title if connection else ""
        slug = connection.slug if connection else ""
    else:
        to = recipient(contact, connection)
        via = connection.title
        slug = connection.slug
    note = problem.text if problem else ""
    if problem and problem.code:
        note = f"{problem.text} ({problem.code})"
    return Row(
        id=message.id,
        status=message.status,
        to=to,
        address="" if to in (TEAM, UNREADABLE) or contact is None else contact.address,
        says=says(body),
        note=note,
        bad=message.status in BAD,
        channel=message.channel,
        via=via,
        slug=slug,
        at=message.created_at,
        test=message.test,
        change=message.edits_id is not None,
    )


def _by_id(model: type[Any], ids: set[str]) -> dict[str, Any]:
    return {row.id: row for row in db.session.scalars(select(model).where(model.id.in_(ids)))}


def name_of(contact: Contact) -> str:
    """Return whom a contact is, or the address where no name is known or readable."""
    try:
        return (
            contact.name or contact.address or ("Erased" if contact.erased_at else "Unknown sender")
        )
    except DecryptionError:
        return contact.address


def recipient(contact: Contact, connection: Connection) -> str:
    """Return whom a message is for: a person, or the team that reads where its connection posts."""
    named = name_of(contact)
    return (
        TEAM
        if named == contact.address != "" and contact.address == connection.destination
        else named
    )


def says(body: MessageBody | None) -> str:
    """Return the first words of a message."""
    if body is None:
        return "The text was deleted."
    try:
        content = body.content
    except DecryptionError as problem:
        return f"Encrypted with the key {problem.key_id!r}, which is missing."
    return first_words(content["subject"] or content["text"])


def first_words(text: str) -> str:
    """Return as much of a text as a list shows, without one-time codes."""
    text = mask(text)
    return text if len(text) <= SHOWN else text[:SHOWN].rsplit(" ", 1)[0] + "…"
