"""List conversations, read them, and reply: the messages between a contact and a connection."""

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
from hub.shared import audit

SHOWN = 100  # messages of a conversation
COUNT_TO = 1000


@dataclass(frozen=True)
class ConversationSummary:
    """A conversation with its contact and connection.

    `has_window`: the provider allows free text only until `window_closes_at`, or None if the window
    is closed.
    """

    row: Conversation
    contact: Contact | None  # None: an unknown sender
    connection: Connection
    has_window: bool
    window_closes_at: datetime | None

    @property
    def id(self) -> str:
        return self.row.last_id


@dataclass(frozen=True)
class ConversationEntry:
    """One message of a conversation, received or sent; None as `body` if it was deleted."""

    at: datetime
    is_incoming: bool
    body: MessageBody | None
    message: Message | None = None  # of a sent message
    row_id: str | None = None  # of a received message
    keyword: str = ""


def newest_conversations(
    limit: int, before: str = "", after: str = "", *, unread: bool = False
) -> list[ConversationSummary]:
    """Return conversations by their last received message, newest first.

    `before` and `after` are IDs of received messages; those after one are returned oldest first.
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
    return _summaries(list(db.session.scalars(query)))


def get_conversation(conversation_id: str) -> ConversationSummary:
    """Return a conversation. Raises NotFound."""
    row = db.session.get(Conversation, conversation_id) if is_id("cnv", conversation_id) else None
    if row is None:
        raise NotFound("no_such_conversation", "This conversation does not exist.")
    return _summaries([row])[0]


def count_unread() -> int:
    """Count the conversations with unread messages, up to COUNT_TO."""
    unread = select(Conversation.id).where(Conversation.unread > 0).limit(COUNT_TO).subquery()
    return db.session.scalar(select(func.count()).select_from(unread)) or 0


def conversation_entries(conversation: ConversationSummary) -> list[ConversationEntry]:
    """Return the last SHOWN messages of a conversation, oldest first."""
    pair = {
        "contact_id": conversation.row.contact_id,
        "connection_id": conversation.row.connection_id,
    }
    received = list(
        db.session.scalars(
            select(InboundMessage)
            .where(*_received_in(conversation.row))
            .order_by(InboundMessage.id.desc())
            .limit(SHOWN)
        )
    )
    query = select(Message).filter_by(**pair).order_by(Message.id.desc()).limit(SHOWN)
    sent = list(db.session.scalars(query)) if conversation.contact else []
    bodies = _bodies([inbound.id for inbound in received] + [message.id for message in sent])
    entries = [
        ConversationEntry(
            inbound.at,
            True,
            bodies.get(_owner_id(inbound.id)),
            row_id=inbound.id,
            keyword=inbound.keyword,
        )
        for inbound in received
    ]
    entries += [
        ConversationEntry(message.created_at, False, bodies.get(_owner_id(message.id)), message)
        for message in sent
    ]
    return sorted(entries, key=lambda entry: entry.at)[-SHOWN:]


def _received_in(row: Conversation) -> list[ColumnElement[bool]]:
    """Return the conditions of the messages received in a conversation.

    A conversation with an unknown sender has only one.
    """
    if row.contact_id is None:
        return [InboundMessage.id == row.last_id]
    return [
        InboundMessage.contact_id == row.contact_id,
        InboundMessage.connection_id == row.connection_id,
    ]


def last_bodies(conversations: Collection[ConversationSummary]) -> dict[str, MessageBody]:
    """Return the body of the last received message of each conversation, by conversation ID."""
    bodies = _bodies([talk.row.last_id for talk in conversations])
    return {
        talk.row.id: bodies[_owner_id(talk.row.last_id)]
        for talk in conversations
        if _owner_id(talk.row.last_id) in bodies
    }


@transaction
def mark_read(conversation_id: str) -> None:
    """Mark the received messages of a conversation as read. Raises NotFound."""
    row = get_conversation(conversation_id).row
    # a message that arrives now waits for this lock, so it is counted as unread
    db.session.refresh(row, with_for_update=True)
    row.unread = 0
    db.session.execute(
        update(InboundMessage)
        .where(*_received_in(row), InboundMessage.read_at.is_(None))
        .values(read_at=now())
    )


@transaction
def send_reply(conversation_id: str, text: str) -> str:
    """Reply to a contact with free text; return the message's ID.

    Raises Refused with the field, Conflict.
    """
    conversation = get_conversation(conversation_id)
    connection = conversation.connection
    reply = readable(text).strip()
    if not reply:
        raise Refused("empty_text", "Enter the text of the reply.", field="text")
    refuse_too_long(integrations.get(connection.integration), reply)
    if not connection.enabled:
        raise Conflict(
            "connection_off",
            f"The connection {connection.title} is not enabled. Enable it first.",
        )
    if conversation.contact is None:
        raise Conflict(
            "unknown_sender", "The sender of this message is unknown, so you cannot reply."
        )
    if conversation.contact.erased_at is not None:
        raise Conflict("erased", "This person was erased, so you cannot reply.")
    if conversation.has_window and conversation.window_closes_at is None:
        raise Conflict(
            "window_closed",
            "The 24-hour window is closed, so free text is not allowed. You can reply"
            " when this person messages you again.",
        )
    message_id = outbox.add_message(
        outbox.Draft(
            connection=connection.info,
            recipient=conversation.contact.recipient,
            text=reply,
            manual=True,
            source_id=_find_source(conversation),
        )
    )
    mark_read(conversation_id)
    audit.record("conversation.answered", message_id, connection.title)
    return message_id


def find_opt_out(conversation: ConversationSummary) -> OptOut | None:
    """Return the opt-out that blocks replies in a conversation, or None."""
    if conversation.contact is None:
        return None
    return opt_out_status.opt_out_of_recipient(
        conversation.contact, conversation.connection, source_id=_find_source(conversation)
    )


def _find_source(conversation: ConversationSummary) -> str | None:
    """Return the source of the last received message, which a reply also belongs to."""
    last_received = db.session.get(InboundMessage, conversation.row.last_id)
    return last_received.source_id if last_received else None


def _summaries(rows: list[Conversation]) -> list[ConversationSummary]:
    contacts = _rows_by_id(Contact, {row.contact_id for row in rows if row.contact_id})
    connections = _rows_by_id(Connection, {row.connection_id for row in rows})
    has_window = {
        connection.id: integrations.get(connection.integration).session_window > 0
        for connection in connections.values()
        if _is_installed(connection)
    }
    closing_times = {
        connection.id: session_windows.closing_times(
            sender_key(connection.info),
            {
                row.contact_id
                for row in rows
                if row.contact_id and row.connection_id == connection.id
            },
        )
        for connection in connections.values()
        if has_window.get(connection.id)
    }

    def summarize(row: Conversation) -> ConversationSummary:
        return ConversationSummary(
            row,
            contacts.get(row.contact_id or ""),
            connections[row.connection_id],
            has_window.get(row.connection_id, False),
            closing_times.get(row.connection_id, {}).get(row.contact_id or ""),
        )

    return unreadable_rows.readable_rows("conversations", rows, summarize)


def _is_installed(connection: Connection) -> bool:
    return connection.integration in integrations.registry()


def _rows_by_id(model: type[Any], ids: set[str]) -> dict[str, Any]:
    return {row.id: row for row in db.session.scalars(select(model).where(model.id.in_(ids)))}


def _bodies(ids: Collection[str]) -> dict[str, MessageBody]:
    """Return the bodies of messages, by `_owner_id`."""
    return {
        body.owner_id: body
        for body in db.session.scalars(
            select(MessageBody).where(MessageBody.owner_id.in_(list(ids)))
        )
    }


def _owner_id(message_id: str) -> str:
    """Return an ID without its prefix, as bodies store it."""
    return message_id.partition("_")[2]
