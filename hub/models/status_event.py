"""Status events: facts about messages."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.engine import Base
from hub.db.types import Id, Time, foreign_key, now, primary_key


class StatusEvent(Base):
    """One fact about a message, the hub's (`source` hub) or the provider's (callback, poll, find);
    append-only.
    """

    __tablename__ = "status_events"
    __table_args__ = (
        UniqueConstraint("message_id", "attempt", "source", "provider_status", "code"),
    )

    id: Mapped[str] = primary_key("sev")
    message_id: Mapped[str] = foreign_key("msg", "messages.id")
    attempt: Mapped[int] = mapped_column(default=0)
    at: Mapped[datetime] = mapped_column(Time, default=now)
    status: Mapped[str | None]
    provider_status: Mapped[str]  # in the provider's own words, or the hub's
    code: Mapped[str] = mapped_column(default="")
    reason: Mapped[str] = mapped_column(default="")
    source: Mapped[str]
    callback_id: Mapped[str | None] = mapped_column(Id("rcp"))  # no foreign key
    provider_at: Mapped[datetime | None] = mapped_column(Time)
