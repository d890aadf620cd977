"""Usage: messages and costs of a connection on one day."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import Numeric
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.engine import Base
from hub.db.types import foreign_key


class Usage(Base):
    """The messages that one connection sent on one day (UTC)."""

    __tablename__ = "usage"

    connection_id: Mapped[str] = foreign_key("con", "connections.id", primary_key=True)
    day: Mapped[str] = mapped_column(primary_key=True)
    messages: Mapped[int] = mapped_column(default=0)
    segments: Mapped[int] = mapped_column(default=0)
    # estimated cost, corrected by the provider's prices
    estimate: Mapped[Decimal] = mapped_column(Numeric(14, 5), default=0)
    # cost as far as the provider reported it
    price: Mapped[Decimal] = mapped_column(Numeric(14, 5), default=0)
