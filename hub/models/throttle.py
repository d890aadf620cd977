"""Rates and amounts: throttles, paces, usage and counters."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import Numeric
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.engine import Base
from hub.db.types import Time, foreign_key


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
    bulk_at: Mapped[datetime | None] = mapped_column(Time)  # nor of the bulk lane until then
    # the rate
    tokens: Mapped[float] = mapped_column(default=0.0)
    filled_at: Mapped[datetime | None] = mapped_column(Time)
    # the provider asked for this pause; the rate rises from its end on
    held_until: Mapped[datetime | None] = mapped_column(Time)
    rate: Mapped[float | None]  # messages a second at that moment
    full: Mapped[float | None]  # and the rate at which nothing of it is left
    # the circuit
    failures: Mapped[int] = mapped_column(default=0)  # outages in a row
    pauses: Mapped[int] = mapped_column(default=0)  # between probes, since it last worked
    opened_at: Mapped[datetime | None] = mapped_column(Time)
    # the last outage, or what the provider said when it asked for less
    why: Mapped[str] = mapped_column(default="")


class Pace(Base):
    """The earliest time of the next message from a sender to a recipient, where the provider limits
    that.
    """

    __tablename__ = "paces"

    name: Mapped[str] = mapped_column(primary_key=True)  # Connection.throttle
    contact_id: Mapped[str] = foreign_key("ctc", "contacts.id", primary_key=True, index=True)
    next_at: Mapped[datetime] = mapped_column(Time)


class Usage(Base):
    """The messages that one connection sent on one day (UTC)."""

    __tablename__ = "usage"

    connection_id: Mapped[str] = foreign_key("con", "connections.id", primary_key=True)
    day: Mapped[str] = mapped_column(primary_key=True)
    messages: Mapped[int] = mapped_column(default=0)
    segments: Mapped[int] = mapped_column(default=0)
    # what they cost, corrected by what the provider says
    estimate: Mapped[Decimal] = mapped_column(Numeric(14, 5), default=0)
    # as far as the provider has said
    price: Mapped[Decimal] = mapped_column(Numeric(14, 5), default=0)


class Counter(Base):
    """A number that pages show, kept so that they need not count."""

    __tablename__ = "counters"

    name: Mapped[str] = mapped_column(primary_key=True)
    bucket: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[int] = mapped_column(default=0)
