"""Throttles: the rate of each sender and the state of its circuit breaker."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from hub.db.engine import Base
from hub.db.types import Time


class Throttle(Base):
    """The rate of a sender and the state of its circuit; changed only in the claiming transaction,
    on the database's clock.

    A sender without a limit has a row only while something is wrong.
    """

    __tablename__ = "throttles"

    name: Mapped[str] = mapped_column(primary_key=True)  # Connection.throttle
    # grows when it is slowed or its circuit opens: what began before says nothing new
    epoch: Mapped[int] = mapped_column(default=0)
    ready_at: Mapped[datetime | None] = mapped_column(Time)  # until then nothing is claimed
    bulk_ready_at: Mapped[datetime | None] = mapped_column(Time)  # nor of the bulk lane until then
    # the rate
    tokens: Mapped[float] = mapped_column(default=0.0)
    refilled_at: Mapped[datetime | None] = mapped_column(Time)
    # the provider asked for this pause; the rate rises from its end on
    paused_until: Mapped[datetime | None] = mapped_column(Time)
    rate: Mapped[float | None]  # messages a second at that moment
    full_rate: Mapped[float | None]  # and the rate at which nothing of it is left
    # the circuit
    failures: Mapped[int] = mapped_column(default=0)  # outages in a row
    pauses: Mapped[int] = mapped_column(default=0)  # between probes, since it last worked
    opened_at: Mapped[datetime | None] = mapped_column(Time)
    # the last outage, or what the provider said when it asked for less
    reason: Mapped[str] = mapped_column(default="")
