"""How fast and how much: throttles, usage, counters."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import Numeric
from sqlalchemy.orm import Mapped, mapped_column

from hub.extensions import Base
from hub.models.types import Time, ref


class Throttle(Base):
    """A sender's tokens and circuit; changed only in the claiming transaction, on the database's clock."""

    __tablename__ = "throttles"

    name: Mapped[str] = mapped_column(primary_key=True)
    tokens: Mapped[float] = mapped_column(default=0.0)
    filled_at: Mapped[datetime | None] = mapped_column(Time)
    held_until: Mapped[datetime | None] = mapped_column(Time)
    failures: Mapped[int] = mapped_column(default=0)
    opened_at: Mapped[datetime | None] = mapped_column(Time)


class Usage(Base):
    """What one connection sent on one day (UTC)."""

    __tablename__ = "usage"

    connection_id: Mapped[str] = ref("con", "connections.id", primary_key=True)
    day: Mapped[str] = mapped_column(primary_key=True)
    messages: Mapped[int] = mapped_column(default=0)
    segments: Mapped[int] = mapped_column(default=0)
    estimate: Mapped[Decimal] = mapped_column(Numeric(14, 5), default=0)
    price: Mapped[Decimal] = mapped_column(Numeric(14, 5), default=0)


class Counter(Base):
    """A number that pages show, kept so that they need not count."""

    __tablename__ = "counters"

    name: Mapped[str] = mapped_column(primary_key=True)
    bucket: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[int] = mapped_column(default=0)
