"""Deliveries of platform events to webhook endpoints, and the attempts of each."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from hub.core.vocabulary import DeliveryState
from hub.db.engine import Base
from hub.db.types import Id, Time, foreign_key, now, partial_index

DUE = text("due_at IS NOT NULL")
ORDERED = text("order_key IS NOT NULL")


class WebhookDelivery(Base):
    """A platform event for one endpoint. `due_at` is when it is sent next; NULL means never.

    The event has no foreign key, because retention and erasure may delete it first.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        partial_index(None, "endpoint_id", "due_at", where=DUE),
        Index(None, "endpoint_id", "state", "event_id"),
        partial_index(None, "endpoint_id", "order_key", "position", where=ORDERED),
    )

    endpoint_id: Mapped[str] = foreign_key("whk", "webhook_endpoints.id", primary_key=True)
    event_id: Mapped[str] = mapped_column(Id("pev"), primary_key=True)
    type: Mapped[str]
    example: Mapped[bool] = mapped_column(default=False)  # a test event, without a platform event
    state: Mapped[str] = mapped_column(default=DeliveryState.PENDING.value)
    tries: Mapped[int] = mapped_column(default=0)  # in the present schedule; a resend begins at 0
    attempts: Mapped[int] = mapped_column(default=0)  # in total
    due_at: Mapped[datetime | None] = mapped_column(Time)
    changed_at: Mapped[datetime] = mapped_column(Time, default=now)
    # deliveries with the same key are sent one after the other, by their position; NULL: any order
    order_key: Mapped[str | None]
    position: Mapped[int | None]


class WebhookAttempt(Base):
    """One request to an endpoint, with its outcome."""

    __tablename__ = "webhook_attempts"

    endpoint_id: Mapped[str] = foreign_key("whk", "webhook_endpoints.id", primary_key=True)
    event_id: Mapped[str] = mapped_column(Id("pev"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(Time)
    milliseconds: Mapped[int | None]  # NULL without a connection: the time would reveal firewalls
    http_status: Mapped[int | None]
    problem: Mapped[str] = mapped_column(default="")
    # encrypted: the first 2 kB, masked
    response: Mapped[bytes | None] = mapped_column("answer")
