"""Conversations: what a contact and a connection have said to each other, for people to read and to
answer.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select, update

from hub import integrations
from hub.core.errors import Conflict, NotFound, Refused
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import is_id, now
from hub.lib.text import readable
from hub.messaging.compose import outbox
from hub.messaging.compose.fitting import refuse_too_long
from hub.messaging.contacts import opt_out_status
from hub.messaging.contacts.opt_out_status import OptOut
from hub.messaging.policy import session_windows
from hub.messaging.policy.policy import sender_key
from hub.messaging.state import unreadable_rows
from hub.models import Connection, Contact, Conversation, InboundMessage, Message, MessageBody
from hub.shared import audit, integration_instances

SHOWN = 100  # of either side
COUNT_TO = 1000


@dataclass(frozen=True)
class ConversationSummary:
    """A conversation and whom it is with.

    `asks`: free text may go only until `window`, and not where that is None.
    """

    row: Conversation
    contact: Contact | None  # None: an unknown sender
    connection: Connection
    asks: bool
    window: datetime | None

    @property
    def id(self) -> str:
        return self.row.last_id


@dataclass(frozen=True)
class ConversationEntry:
    """One thing that was said: by them, or by us in a message. `body` may be gone."""

    at: datetime
    theirs: bool
    body: MessageBody | None
    message: Message | None = None
    row_id: str | None = None  # of what they sent
    keyword: str = ""


def newest_conversations(
    limit: int, before: str = "", after: str = "", *, unread: bool = False
) -> list[ConversationSummary]:
    """Return conversations by what was written to us last, newest first; oldest first of those
    `after` an id.
    """
    query = (
        select(Conversation)
        .limit(limit)
        .order_by(Conversation.last_id if after else Conversation.last_id.desc())
    )
    if after or before:
        query = query.where(
            Conversation.last_id > after if after else Conversation.last_id < before
        )
    if unread:
        query = query.where(Conversation.unread > 0)
    return _talks(list(db.session.scalars(query)))


def get(conversation_id: str) -> ConversationSummary:
    """Return a conversation. Raises NotFound."""
    row = db.session.get(Conversation, conversation_id) if is_id("cnv", conversation_id) else None
    if row is None:
        raise NotFound("no_such_conversation", "This conversation does not exist.")
    return _talks([row])[0]


def conversations_of_contact(contact_id: str, connection_id: str) -> Conversation | None:
    """Return what a contact and a connection have said to each other, if the contact ever wrote."""
    query = select(Conversation).where(
        Conversation.contact_id == contact_id, Conversation.connection_id == connection_id
    )
    return db.session.scalar(query)


def count_unread() -> int:
    """Count the conversations with something new, up to COUNT_TO."""
    some = select(Conversation.id).where(Conversation.unread > 0).limit(COUNT_TO).subquery()
    return db.session.scalar(select(func.count()).select_from(some)) or 0


def conversation_entries(talk: ConversationSummary) -> list[ConversationEntry]:
    """Return what was said last, oldest first."""
    pair = {"contact_id": talk.row.contact_id, "connection_id": talk.row.connection_id}
    came = list(
        db.session.scalars(
            select(InboundMessage)
            .where(*_theirs(talk.row))
            .order_by(InboundMessage.id.desc())
            .limit(SHOWN)
        )
    )
    query = select(Message).filter_by(**pair).order_by(Message.id.desc()).limit(SHOWN)
    went = list(db.session.scalars(query)) if talk.contact else []
    bodies = _bodies([one.id for one in came] + [one.id for one in went])
    said = [
        ConversationEntry(
            one.at, True, bodies.get(_number(one.id)), row_id=one.id, keyword=one.keyword
        )
        for one in came
    ]
    said += [
        ConversationEntry(one.created_at, False, bodies.get(_number(one.id)), one) for one in went
    ]
    return sorted(said, key=lambda line: line.at)[-SHOWN:]


def _theirs(row: Conversation) -> list[ColumnElement[bool]]:
    """Return the conditions of what a person wrote in a conversation; of an unknown sender, the one
    message.
    """
    if row.contact_id is None:
        return [InboundMessage.id == row.last_id]
    return [
        InboundMessage.contact_id == row.contact_id,
        InboundMessage.connection_id == row.connection_id,
    ]


def last_words(talks: Collection[ConversationSummary]) -> dict[str, MessageBody]:
    """Return what each person wrote last, by conversation."""
    bodies = _bodies([talk.row.last_id for talk in talks])
    return {
        talk.row.id: bodies[_number(talk.row.last_id)]
        for talk in talks
        if _number(talk.row.last_id) in bodies
    }


def inbound_file(inbound_id: str, n: int) -> tuple[str, bytes]:
    """Fetch a file that came along from the provider; return its content type and content.

    Raises NotFound, SendError, Unreadable.
    """
    row = db.session.get(InboundMessage, inbound_id) if is_id("inb", inbound_id) else None
    body = _bodies([inbound_id]).get(_number(inbound_id)) if row is not None else None
    files = body.content.get("media", ()) if body is not None else ()
    if row is None or n >= len(files):
        raise NotFound(
            "no_such_file",
            "This file does not exist, or it was deleted at the end of its retention period.",
        )
    integration = integration_instances.instance(db.session.get_one(Connection, row.connection_id))
    db.session.rollback()  # no transaction is open while the provider thinks
    return integration.fetch_file(files[n]["url"])


@transaction
def mark_read(conversation_id: str) -> None:
    """Note that what a person wrote was read. Raises NotFound."""
    row = get(conversation_id).row
    # what comes in at this moment waits, and counts anew
    db.session.refresh(row, with_for_update=True)
    row.unread = 0
    db.session.execute(
        update(InboundMessage)
        .where(*_theirs(row), InboundMessage.read_at.is_(None))
        .values(read_at=now())
    )


@transaction
def send_reply(conversation_id: str, text: str) -> str:
    """Answer a person with free text; return the message's id.

    Raises Refused that names the field, Conflict.
    """
    talk = get(conversation_id)
    connection = talk.connection
    said = readable(text).strip()
    cls = integrations.get(connection.integration)
    if not said:
        raise Refused("empty_text", "Enter the text of the reply.", field="text")
    refuse_too_long(cls, said)
    if not connection.enabled:
        raise Conflict(
            "connection_off",
            f"The connection {connection.title} is not enabled. Enable it first.",
        )
    if talk.contact is None:
        raise Conflict(
            "unknown_sender", "The sender of this message is not known, so you cannot reply."
        )
    if talk.contact.erased_at is not None:
        raise Conflict("erased", "This person was erased, so you cannot reply.")
    if talk.asks and talk.window is None:
        raise Conflict(
            "window_closed",
            "The 24-hour window is closed, so free text is not allowed. You can reply"
            " when this person writes again.",
        )
    sent = outbox.add(
        outbox.Draft(
            connection=connection.info,
            recipient=talk.contact.recipient,
            text=said,
            manual=True,
            source_id=_source_of(talk),
        )
    )
    mark_read(conversation_id)
    audit.record("conversation.answered", sent.id, connection.title)
    return sent.id


def opt_out(talk: ConversationSummary) -> OptOut | None:
    """Return what stops answers in a conversation, or None."""
    if talk.contact is None:
        return None
    return opt_out_status.opt_out_of_recipient(
        talk.contact, talk.connection, source_id=_source_of(talk)
    )


def _source_of(talk: ConversationSummary) -> str | None:
    """Return the source that the last message belongs to: an answer belongs to it too."""
    asked = db.session.get(InboundMessage, talk.row.last_id)
    return asked.source_id if asked else None


def _talks(rows: list[Conversation]) -> list[ConversationSummary]:
    contacts = _by_id(Contact, {row.contact_id for row in rows if row.contact_id})
    connections = _by_id(Connection, {row.connection_id for row in rows})
    asking = {
        one.id: integrations.get(one.integration).session_window > 0
        for one in connections.values()
        if _installed(one)
    }
    open_until = {
        one.id: session_windows.closing_times(
            sender_key(one.info),
            {row.contact_id for row in rows if row.contact_id and row.connection_id == one.id},
        )
        for one in connections.values()
        if asking.get(one.id)
    }

    def talk(row: Conversation) -> ConversationSummary:
        return ConversationSummary(
            row,
            contacts.get(row.contact_id or ""),
            connections[row.connection_id],
            asking.get(row.connection_id, False),
            open_until.get(row.connection_id, {}).get(row.contact_id or ""),
        )

    return unreadable_rows.readable_rows("conversations", rows, talk)


def _installed(connection: Connection) -> bool:
    return connection.integration in integrations.registry()


def _by_id(model: type[Any], ids: set[str]) -> dict[str, Any]:
    return {row.id: row for row in db.session.scalars(select(model).where(model.id.in_(ids)))}


def _bodies(ids: Collection[str]) -> dict[str, MessageBody]:
    """Return bodies by the number in their owner's id."""
    return {
        body.owner_id: body
        for body in db.session.scalars(
            select(MessageBody).where(MessageBody.owner_id.in_(list(ids)))
        )
    }


def _number(some_id: str) -> str:
    return some_id.partition("_")[2]
