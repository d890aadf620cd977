"""Paused destinations: channels and chats of a team that accept no posts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from hub.db.engine import Base
from hub.db.types import Time, foreign_key


class PausedDestination(Base):
    """A channel or chat of a connection that its provider refuses, or refused until it was
    reopened.
    """

    __tablename__ = "paused_destinations"

    connection_id: Mapped[str] = foreign_key("con", "connections.id", primary_key=True)
    contact_id: Mapped[str] = foreign_key("ctc", "contacts.id", primary_key=True, index=True)
    code: Mapped[str]
    reason: Mapped[str]  # what is wrong and how to fix it, in sentences
    since: Mapped[datetime] = mapped_column(Time)
    reopened_at: Mapped[datetime | None] = mapped_column(Time)  # NULL while posts wait
