"""Quarantined rows: rows that could not be read or processed, with their errors."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.engine import Base
from hub.db.types import Time, now, primary_key


class QuarantinedRow(Base):
    """One stored row with a value that cannot be read. `retry_at` is the next automatic retry."""

    __tablename__ = "quarantined_rows"
    __table_args__ = (UniqueConstraint("table_name", "row_id"),)

    id: Mapped[str] = primary_key("sas")
    table_name: Mapped[str]
    row_id: Mapped[str]
    error: Mapped[str]
    failures: Mapped[int] = mapped_column(default=1)
    since: Mapped[datetime] = mapped_column(Time, default=now)
    retry_at: Mapped[datetime] = mapped_column(Time, default=now)
