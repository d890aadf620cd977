"""Inbound messages, and the conversations and threads that they belong to."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.engine import Base
from hub.db.types import Id, Time, foreign_key, now, partial_index, primary_key


class InboundMessage(Base):
    """A message from a person; its content is in `message_bodies`."""

    __tablename__ = "inbound_messages"
    __table_args__ = (
        UniqueConstraint("connection_id", "provider_id"),
        Index(None, "contact_id", "id"),
    )

    id: Mapped[str] = primary_key("inb")
    connection_id: Mapped[str] = foreign_key("con", "connections.id")
    contact_id: Mapped[str | None] = foreign_key("ctc", "contacts.id")  # NULL: an unknown sender
    # the source whose message it replies to; NULL: admins only. No foreign key, as in Suppression
    source_id: Mapped[str | None] = mapped_column(Id("src"))
    callback_id: Mapped[str | None] = mapped_column(Id("rcp"))  # no foreign key
    provider_id: Mapped[str]
    kind: Mapped[str] = mapped_column(default="text")
    keyword: Mapped[str] = mapped_column(default="")  # stop, start, help or empty
    at: Mapped[datetime] = mapped_column(Time, default=now)
    read_at: Mapped[datetime | None] = mapped_column(Time)
    # SHA-256 of the salt and the content, for evidence. An erasure removes the salt
    content_salt: Mapped[bytes | None] = mapped_column(LargeBinary(16))
    content_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))


class Conversation(Base):
    """A conversation between a contact and a connection, as the inbox lists it."""

    __tablename__ = "conversations"
    __table_args__ = (
        UniqueConstraint("connection_id", "contact_id"),
        Index(None, "last_id"),
        Index(None, "contact_id"),
        partial_index("ix_conversations_unread", "last_id", where=text("unread > 0")),
    )

    id: Mapped[str] = primary_key("cnv")
    connection_id: Mapped[str] = foreign_key("con", "connections.id")
    # NULL: one message of an unknown sender
    contact_id: Mapped[str | None] = foreign_key("ctc", "contacts.id")
    test: Mapped[bool]
    last_id: Mapped[str] = mapped_column(Id("inb"))  # the newest inbound message
    last_at: Mapped[datetime] = mapped_column(Time)
    unread: Mapped[int]


class Thread(Base):
    """The provider's thread of the messages about one subject over a connection."""

    __tablename__ = "threads"

    connection_id: Mapped[str] = foreign_key("con", "connections.id", primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    provider_thread: Mapped[str]
    message_id: Mapped[str | None] = foreign_key("msg", "messages.id")
