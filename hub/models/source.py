"""Sources, which are the apps that post events, and their API keys."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.core.vocabulary import RemindedBy
from hub.db.engine import Base
from hub.db.types import Time, foreign_key, now, primary_key


class Source(Base):
    """A signing app or brand that posts events."""

    __tablename__ = "sources"
    __table_args__ = (UniqueConstraint("slug"),)

    id: Mapped[str] = primary_key("src")
    slug: Mapped[str]
    name: Mapped[str]
    # opt-outs and consents that its keys record apply to the messages of every source
    applies_to_all: Mapped[bool] = mapped_column(default=False)
    reminded_by: Mapped[str] = mapped_column(default=RemindedBy.HUB.value)
    # requests that were open at this time count their reminders from it
    reminders_since: Mapped[datetime | None] = mapped_column(Time)
    # the same for requests of test keys
    test_reminded_by: Mapped[str] = mapped_column(default=RemindedBy.HUB.value)
    test_reminders_since: Mapped[datetime | None] = mapped_column(Time)
    reminders: Mapped[str | None]  # settings of the schedule as JSON, see signing/reminder_settings
    # after this request, signers are to be checked because of changed settings; '': after none;
    # NULL: all are checked. See signing/reminder_rechecks.py
    reminders_position: Mapped[str | None]
    time_zone: Mapped[str] = mapped_column(default="")  # of signers whose zone is unknown
    # the language of posts to its team; '': that of HUB_LOCALE
    locale: Mapped[str] = mapped_column(default="", server_default="")
    created_at: Mapped[datetime] = mapped_column(Time, default=now)


class ApiKey(Base):
    """A key of a source; only its digest is stored."""

    __tablename__ = "api_keys"
    __table_args__ = (UniqueConstraint("digest"),)

    id: Mapped[str] = primary_key("key")
    source_id: Mapped[str] = foreign_key("src", "sources.id")
    name: Mapped[str]
    digest: Mapped[bytes]
    test: Mapped[bool]
    scopes: Mapped[str] = mapped_column(default="*")  # separated by spaces; *: all scopes
    per_minute: Mapped[int | None]  # requests; None: HUB_API_PER_MINUTE
    created_at: Mapped[datetime] = mapped_column(Time, default=now)
    expires_at: Mapped[datetime | None] = mapped_column(Time)
    revoked_at: Mapped[datetime | None] = mapped_column(Time)
    used_at: Mapped[datetime | None] = mapped_column(Time)
