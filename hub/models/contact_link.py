"""Contact links: pairs of contacts that are one person, as a provider showed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.engine import Base
from hub.db.types import Id, Time, foreign_key, now, primary_key


class ContactLink(Base):
    """Two contacts of one person: opt-outs, consents and windows of one apply to the other.

    An admin can undo the link.
    """

    __tablename__ = "contact_links"
    __table_args__ = (UniqueConstraint("contact_id", "other_id"), Index(None, "other_id"))

    id: Mapped[str] = primary_key("ctl")
    contact_id: Mapped[str] = foreign_key("ctc", "contacts.id")  # the smaller ID of the two
    other_id: Mapped[str] = foreign_key("ctc", "contacts.id")
    # the webhook that shows the link; no foreign key, since callbacks are deleted first
    callback_id: Mapped[str | None] = mapped_column(Id("rcp"))
    linked_at: Mapped[datetime] = mapped_column(Time, default=now)
    undone_at: Mapped[datetime | None] = mapped_column(Time)  # an undone link stays undone
