"""Consents, opt-outs and session windows of contacts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.engine import Base
from hub.db.types import EncryptedJson, Id, Time, foreign_key, now, partial_index, primary_key


class Consent(Base):
    """A recorded yes or no; append-only."""

    __tablename__ = "consents"
    __table_args__ = (Index(None, "contact_id", "id"),)

    id: Mapped[str] = primary_key("cns")
    contact_id: Mapped[str] = foreign_key("ctc", "contacts.id")
    channel: Mapped[str]
    purpose: Mapped[str] = mapped_column(default="")
    given: Mapped[bool]
    source: Mapped[str]  # how it is known: api, import, keyword, admin or link
    # whose messages it holds for; NULL: every source's. No foreign key, as in Suppression
    source_id: Mapped[str | None] = mapped_column(Id("src"))
    at: Mapped[datetime] = mapped_column(Time, default=now)
    ip: Mapped[str] = mapped_column(default="")
    agent: Mapped[str] = mapped_column(default="")
    _proof: Mapped[bytes | None] = mapped_column("proof")

    proof = EncryptedJson()


class Suppression(Base):
    """An address we must not send to, on a channel and sender or everywhere ('' = all).

    It never expires by itself. `source_id` says whose messages it stops; NULL: every source's.
    It is no foreign key: sources are never deleted, and SQLite would have to copy whole tables
    to add one.
    """

    __tablename__ = "suppressions"
    __table_args__ = (
        # one open suppression for each; lifted ones stay as history. Two indexes, since one
        # would not take two NULLs for equal
        partial_index(
            "uq_suppressions_open",
            "address_key",
            "channel",
            "sender",
            "test",
            unique=True,
            where=text("lifted_at IS NULL AND source_id IS NULL"),
        ),
        partial_index(
            "uq_suppressions_open_of_source",
            "source_id",
            "address_key",
            "channel",
            "sender",
            "test",
            unique=True,
            where=text("lifted_at IS NULL AND source_id IS NOT NULL"),
        ),
        Index("ix_suppressions_source_id", "source_id", "id"),
        Index("ix_suppressions_message_id", "message_id"),
        Index("ix_suppressions_address_key", "address_key"),
    )

    id: Mapped[str] = primary_key("sup")
    address_key: Mapped[bytes] = mapped_column(LargeBinary(32))
    channel: Mapped[str] = mapped_column(default="")
    sender: Mapped[str] = mapped_column(default="")
    source_id: Mapped[str | None] = mapped_column(Id("src"))
    test: Mapped[bool]
    reason: Mapped[str]  # provider, keyword, admin, complaint, import, api
    code: Mapped[str] = mapped_column(default="")
    why: Mapped[str] = mapped_column(default="")  # in the words of who closed it
    lifted_why: Mapped[str] = mapped_column(default="")
    message_id: Mapped[str | None] = foreign_key("msg", "messages.id")
    since: Mapped[datetime] = mapped_column(Time, default=now)
    lifted_at: Mapped[datetime | None] = mapped_column(Time)


class Window(Base):
    """Until when a contact's last message to a sender allows free text."""

    __tablename__ = "windows"

    sender: Mapped[str] = mapped_column(primary_key=True)
    contact_id: Mapped[str] = foreign_key("ctc", "contacts.id", primary_key=True, index=True)
    opened_at: Mapped[datetime] = mapped_column(Time)
    closes_at: Mapped[datetime] = mapped_column(Time)
