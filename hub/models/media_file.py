"""Media files that were uploaded to be attached to messages."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.engine import Base
from hub.db.types import Time, foreign_key, now, primary_key


class MediaFile(Base):
    """An encrypted file, deleted when it expires."""

    __tablename__ = "media_files"
    __table_args__ = (Index(None, "expires_at"),)

    id: Mapped[str] = primary_key("med")
    source_id: Mapped[str | None] = foreign_key("src", "sources.id")  # the source that may send it
    test: Mapped[bool]
    name: Mapped[str]
    content_type: Mapped[str]
    size: Mapped[int]  # bytes
    content: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(Time, default=now)
    expires_at: Mapped[datetime] = mapped_column(Time)
