"""Withdrawals: stopped messages that their provider has, and is to cancel."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.engine import Base
from hub.db.types import Time, foreign_key


class Withdrawal(Base):
    """A stopped message whose provider is to be asked to cancel it. The row ends with the result.

    See messaging/track/withdraw_messages.py.
    """

    __tablename__ = "withdrawals"
    __table_args__ = (Index(None, "due_at"),)

    message_id: Mapped[str] = foreign_key("msg", "messages.id", primary_key=True)
    tries: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime] = mapped_column(Time)  # when the provider is asked
