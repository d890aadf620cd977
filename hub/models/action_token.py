"""Action tokens: single-use links for new users, buttons, and links that open a chat."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.engine import Base
from hub.db.types import Time, foreign_key, now, partial_index


class ActionToken(Base):
    """A token that performs one action once; only its digest is stored."""

    __tablename__ = "action_tokens"
    __table_args__ = (
        partial_index("ix_action_tokens_event_id", "event_id", where=text("event_id IS NOT NULL")),
        partial_index(
            "ix_action_tokens_used", "subject", "used_at", where=text("used_at IS NOT NULL")
        ),
    )

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    kind: Mapped[str]
    subject: Mapped[str] = mapped_column(default="")  # the ID of the object that it acts on
    # the connection that it is limited to, if any
    connection_id: Mapped[str | None] = foreign_key("con", "connections.id")
    # of a button: the event whose posts contain it
    event_id: Mapped[str | None] = foreign_key("evt", "events.id")
    created_at: Mapped[datetime] = mapped_column(Time, default=now)
    expires_at: Mapped[datetime] = mapped_column(Time)
    used_at: Mapped[datetime | None] = mapped_column(Time)
    # the person who used the button, by the provider's name
    used_by: Mapped[str] = mapped_column(default="")
    outcome: Mapped[str] = mapped_column(default="")  # `done`, or the reason why not
