"""Inbound: messages that people sent to us."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.extensions import Base
from hub.models.types import Id, Time, key, now, ref


class Inbound(Base):
    """A message from a person; what it says is in `bodies`."""

    __tablename__ = "inbound"
    __table_args__ = (UniqueConstraint("connection_id", "provider_id"), Index(None, "contact_id", "id"))

    id: Mapped[str] = key("inb")
    connection_id: Mapped[str] = ref("con", "connections.id")
    contact_id: Mapped[str] = ref("ctc", "contacts.id")
    receipt_id: Mapped[str | None] = mapped_column(Id("rcp"))  # no foreign key: receipts go first
    provider_id: Mapped[str]
    kind: Mapped[str] = mapped_column(default="text")
    at: Mapped[datetime] = mapped_column(Time, default=now)
    read_at: Mapped[datetime | None] = mapped_column(Time)


class Thread(Base):
    """Where a connection keeps the conversation about one subject, in the provider's words."""

    __tablename__ = "threads"

    connection_id: Mapped[str] = ref("con", "connections.id", primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    provider_thread: Mapped[str]
    message_id: Mapped[str | None] = ref("msg", "messages.id")
