"""Rows that are set aside: what could not be read or acted on, and why."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.engine import Base
from hub.db.types import Time, now, primary_key


class SetAside(Base):
    """One stored row that holds a value which cannot be read.

    `next_at` is when it is tried again by itself.
    """

    __tablename__ = "set_aside"
    __table_args__ = (UniqueConstraint("kind", "row"),)

    id: Mapped[str] = primary_key("sas")
    kind: Mapped[str]  # its table
    row: Mapped[str]  # its id
    error: Mapped[str]
    times: Mapped[int] = mapped_column(default=1)
    since: Mapped[datetime] = mapped_column(Time, default=now)
    next_at: Mapped[datetime] = mapped_column(Time, default=now)
