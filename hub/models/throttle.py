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
    # increases when the rate drops or the circuit opens: older attempts then change nothing
    epoch: Mapped[int] = mapped_column(default=0)
    ready_at: Mapped[datetime | None] = mapped_column(Time)  # no claims until then
    bulk_ready_at: Mapped[datetime | None] = mapped_column(Time)  # nor of the bulk lane until then
    # rate
    tokens: Mapped[float] = mapped_column(default=0.0)
    refilled_at: Mapped[datetime | None] = mapped_column(Time)
    # end of the pause that the provider asked for; the rate rises from then on
    paused_until: Mapped[datetime | None] = mapped_column(Time)
    rate: Mapped[float | None]  # messages per second at that time
    full_rate: Mapped[float | None]  # the rate at which the slowdown is over
    # circuit breaker
    failures: Mapped[int] = mapped_column(default=0)  # outages in a row
    pauses: Mapped[int] = mapped_column(default=0)  # between probes, since the last success
    opened_at: Mapped[datetime | None] = mapped_column(Time)
    # the last outage, or the provider's reason for the lower rate
    reason: Mapped[str] = mapped_column(default="")
