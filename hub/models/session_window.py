"""Session windows: until when free text is allowed after a contact's last message."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from hub.db.engine import Base
from hub.db.types import Time, foreign_key


class SessionWindow(Base):
    """The time until which a contact's last message to a sender allows free text."""

    __tablename__ = "session_windows"

    sender: Mapped[str] = mapped_column(primary_key=True)
    contact_id: Mapped[str] = foreign_key("ctc", "contacts.id", primary_key=True, index=True)
    opened_at: Mapped[datetime] = mapped_column(Time)
    closes_at: Mapped[datetime] = mapped_column(Time)
