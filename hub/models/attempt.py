"""Attempts: calls to a provider."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.engine import Base
from hub.db.types import Time, foreign_key, now


class Attempt(Base):
    """One call to a provider for one message, stored before the call begins.

    Without a row, the message was provably not sent.

    `outcome` is NULL while the call runs, then accepted, transient, unreachable, slowed, unknown,
    failed or broken.
    """

    __tablename__ = "attempts"
    __table_args__ = (UniqueConstraint("connection_id", "provider_id"),)

    message_id: Mapped[str] = foreign_key("msg", "messages.id", primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    connection_id: Mapped[str] = foreign_key("con", "connections.id")
    started_at: Mapped[datetime] = mapped_column(Time, default=now)
    ended_at: Mapped[datetime | None] = mapped_column(Time)
    outcome: Mapped[str | None]
    code: Mapped[str] = mapped_column(default="")
    reason: Mapped[str] = mapped_column(default="")
    http_status: Mapped[int | None]
    request_ref: Mapped[str] = mapped_column(default="")  # the provider's ID of the HTTP request
    milliseconds: Mapped[int | None]
    # the account of the connection at that time; None: not recorded
    account: Mapped[str | None]
    # the number or service that the provider was asked to send from
    sender: Mapped[str] = mapped_column(default="")
    provider_id: Mapped[str | None]
    # the approved template that was sent, or '' for free text
    template: Mapped[str] = mapped_column(default="")
