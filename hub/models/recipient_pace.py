"""Recipient paces: the earliest next message from a sender to a recipient."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from hub.db.engine import Base
from hub.db.types import Time, foreign_key


class RecipientPace(Base):
    """The earliest time of the next message from a sender to a recipient, where the provider limits
    that.
    """

    __tablename__ = "recipient_paces"

    name: Mapped[str] = mapped_column(primary_key=True)  # Connection.throttle
    contact_id: Mapped[str] = foreign_key("ctc", "contacts.id", primary_key=True, index=True)
    next_at: Mapped[datetime] = mapped_column(Time)
