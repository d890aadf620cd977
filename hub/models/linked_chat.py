"""Linked chats: chats of people who opened an invitation link."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.engine import Base
from hub.db.types import Id, Time, foreign_key, now


class LinkedChat(Base):
    """The chat that reaches an address over one connection, for one source.

    A link that a signer of one signing app opened is valid for that app only. Otherwise an app
    could have messages of other apps sent to itself.
    """

    __tablename__ = "linked_chats"
    __table_args__ = (Index(None, "contact_id"),)

    connection_id: Mapped[str] = foreign_key("con", "connections.id", primary_key=True)
    source_id: Mapped[str] = foreign_key("src", "sources.id", primary_key=True)
    # of the phone number or e-mail address
    address_key: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    contact_id: Mapped[str] = foreign_key("ctc", "contacts.id")  # the chat
    linked_at: Mapped[datetime] = mapped_column(Time, default=now)
    callback_id: Mapped[str | None] = mapped_column(Id("rcp"))  # no foreign key
