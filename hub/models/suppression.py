"""Suppressions: addresses that receive no messages."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.engine import Base
from hub.db.types import Id, Time, foreign_key, now, partial_index, primary_key


class Suppression(Base):
    """An address that receives no messages, on one channel and sender or on all ('').

    It never expires. `source_id` names the source whose messages it stops; NULL: every source.
    It is no foreign key: sources are never deleted, and SQLite would have to copy whole tables
    to add one.
    """

    __tablename__ = "suppressions"
    __table_args__ = (
        # one open suppression each; lifted ones are kept as history. Two indexes, because NULLs are
        # never equal in one
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
    # in the words of the provider or the admin who added it
    explanation: Mapped[str] = mapped_column(default="")
    lift_reason: Mapped[str] = mapped_column(default="")
    message_id: Mapped[str | None] = foreign_key("msg", "messages.id")
    since: Mapped[datetime] = mapped_column(Time, default=now)
    lifted_at: Mapped[datetime | None] = mapped_column(Time)
