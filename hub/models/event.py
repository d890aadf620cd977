"""Events that sources posted."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.encrypted_fields import EVENT_PAYLOAD, EVENT_SKIPPED
from hub.db.engine import Base
from hub.db.types import EncryptedJson, Time, foreign_key, now, partial_index, primary_key


class Event(Base):
    """An event of a source as it was posted, and the steps that could not be planned."""

    __tablename__ = "events"
    __table_args__ = (
        Index(None, "request_id", "id"),
        partial_index(None, "due_at", where=text("due_at IS NOT NULL")),
    )

    id: Mapped[str] = primary_key("evt")
    request_id: Mapped[str] = foreign_key("req", "requests.id")
    source_id: Mapped[str] = foreign_key("src", "sources.id")
    external_id: Mapped[str] = mapped_column(default="")
    type: Mapped[str]
    occurred_at: Mapped[datetime] = mapped_column(Time)
    received_at: Mapped[datetime] = mapped_column(Time, default=now)
    # when a scheduled event is to be planned; NULL: it was planned or canceled
    due_at: Mapped[datetime | None] = mapped_column(Time)
    planned_at: Mapped[datetime | None] = mapped_column(Time)  # of a scheduled event
    canceled_at: Mapped[datetime | None] = mapped_column(Time)
    _payload: Mapped[bytes | None] = mapped_column("payload")
    _skipped: Mapped[bytes | None] = mapped_column("skipped")

    payload = EncryptedJson(EVENT_PAYLOAD)
    skipped = EncryptedJson(EVENT_SKIPPED)  # [{"signer", "step", "reason"}]
