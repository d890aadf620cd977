"""Audit entries: changes, with the user who made them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.engine import Base
from hub.db.types import Details, Time, foreign_key, now, primary_key


class AuditEntry(Base):
    """One change, stored in the transaction of the change. `detail` never holds a secret."""

    __tablename__ = "audit_entries"
    __table_args__ = (Index(None, "subject", "id"),)

    id: Mapped[str] = primary_key("aud")
    at: Mapped[datetime] = mapped_column(Time, default=now)
    user_id: Mapped[str | None] = foreign_key("usr", "users.id")
    actor: Mapped[str]  # the user's name at that time, or "command line", or an API key's name
    action: Mapped[str]  # such as connection.enabled
    subject: Mapped[str] = mapped_column(default="")  # the ID of the changed object
    title: Mapped[str] = mapped_column(default="")  # the name of the changed object at that time
    detail: Mapped[dict[str, Any]] = mapped_column(Details, default=dict)
