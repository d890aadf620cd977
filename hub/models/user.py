"""Users of the admin pages and their sessions."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.core.vocabulary import Role
from hub.db.engine import Base
from hub.db.types import Time, foreign_key, now, primary_key


class User(Base):
    """A person who can sign in."""

    __tablename__ = "users"
    __table_args__ = (UniqueConstraint("email"),)

    id: Mapped[str] = primary_key("usr")
    email: Mapped[str]  # lower case
    name: Mapped[str]
    role: Mapped[int]
    password_hash: Mapped[str] = mapped_column(default="")  # empty: not set yet, so no sign-in
    time_zone: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(Time, default=now)
    signed_in_at: Mapped[datetime | None] = mapped_column(Time)
    disabled_at: Mapped[datetime | None] = mapped_column(Time)

    @property
    def rank(self) -> Role:
        return Role(self.role)


class UserSession(Base):
    """One signed-in browser; its cookie contains the token whose digest this is."""

    __tablename__ = "sessions"
    __table_args__ = (Index(None, "user_id"),)

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    user_id: Mapped[str] = foreign_key("usr", "users.id")
    created_at: Mapped[datetime] = mapped_column(Time, default=now)
    seen_at: Mapped[datetime] = mapped_column(Time, default=now)
    expires_at: Mapped[datetime] = mapped_column(Time)
