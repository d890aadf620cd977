"""Single-use links: the first admin's, a new user's, and buttons in messages."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from hub.extensions import Base
from hub.models.types import Time, now


class Action(Base):
    """A token that does one thing once; only its digest is stored."""

    __tablename__ = "actions"

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    kind: Mapped[str]
    subject: Mapped[str] = mapped_column(default="")  # the id of what it acts on
    created_at: Mapped[datetime] = mapped_column(Time, default=now)
    expires_at: Mapped[datetime] = mapped_column(Time)
    used_at: Mapped[datetime | None] = mapped_column(Time)
