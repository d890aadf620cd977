"""Connections: integrations set up with an admin's settings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Index, UniqueConstraint, and_, case
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

from hub.core.vocabulary import ConnectionState
from hub.db.encrypted_fields import CONNECTION_CHECK, CONNECTION_SETTINGS
from hub.db.engine import Base
from hub.db.types import EncryptedJson, Time, foreign_key, now, primary_key


@dataclass(frozen=True, slots=True)
class ConnectionInfo:
    """The columns of a connection that planning, rules, sending and the inbox need."""

    id: str
    integration: str
    channel: str
    sender: str
    account: str
    destination: str  # where a team reads its posts; "": nowhere
    rules: str
    test: bool
    state: str
    archived: bool
    settings_version: int

    @property
    def enabled(self) -> bool:
        return self.state == ConnectionState.ENABLED and not self.archived


class Connection(Base):
    """An integration with settings.

    Several of one integration may exist; archived ones still verify callbacks.
    """

    __tablename__ = "connections"
    __table_args__ = (UniqueConstraint("slug"), Index(None, "integration", "account"))

    id: Mapped[str] = primary_key("con")
    integration: Mapped[str]
    slug: Mapped[str]
    title: Mapped[str]
    # the source that the events of a signing app belong to; NULL: it sends messages
    source_id: Mapped[str | None] = foreign_key("src", "sources.id")
    channel: Mapped[str]
    test: Mapped[bool]
    state: Mapped[str] = mapped_column(default=ConnectionState.NEW.value)
    state_reason: Mapped[str] = mapped_column(default="")
    state_at: Mapped[datetime] = mapped_column(Time, default=now)
    _settings: Mapped[bytes | None] = mapped_column("settings")
    settings_version: Mapped[int] = mapped_column(default=0)
    account: Mapped[str] = mapped_column(default="")
    sender: Mapped[str] = mapped_column(default="")
    # the team's channel or chat, in the integration's notation; '': none
    destination: Mapped[str] = mapped_column(default="")
    # messages per second that the admin allows; None: the integration's rate
    per_second: Mapped[float | None]
    # its sending rules (messaging/policy/rules.py); '': the integration's defaults
    rules: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(Time, default=now)
    archived_at: Mapped[datetime | None] = mapped_column(Time)
    # the last verified callback, to the minute
    last_callback_at: Mapped[datetime | None] = mapped_column(Time)
    # the next time to fetch the provider's templates; NULL: now
    templates_due_at: Mapped[datetime | None] = mapped_column(Time)
    # the last check: the version of the settings, the time, and the result
    checked_version: Mapped[int | None]
    checked_at: Mapped[datetime | None] = mapped_column(Time)
    checked_ok: Mapped[bool | None]
    _check: Mapped[bytes | None] = mapped_column("check_result")

    settings = EncryptedJson(CONNECTION_SETTINGS)
    check = EncryptedJson(CONNECTION_CHECK)

    @hybrid_property
    def throttle(self) -> str:
        """The name of its throttle, which connections of one sender share.

        A connection without a sender has its own throttle.
        """
        owner = f"{self.account} {self.sender}" if self.account or self.sender else self.slug
        return f"{self.integration} {owner} {'test' if self.test else 'live'}"

    @throttle.inplace.expression
    @classmethod
    def _throttle(cls) -> ColumnElement[str]:
        owner = case(
            (and_(cls.account == "", cls.sender == ""), cls.slug),
            else_=cls.account + " " + cls.sender,
        )
        return cls.integration + " " + owner + " " + case((cls.test, "test"), else_="live")

    @property
    def info(self) -> ConnectionInfo:
        """The columns that messages need, apart from the row."""
        return ConnectionInfo(
            id=self.id,
            integration=self.integration,
            channel=self.channel,
            sender=self.sender,
            account=self.account,
            destination=self.destination,
            rules=self.rules,
            test=self.test,
            state=self.state,
            archived=self.archived_at is not None,
            settings_version=self.settings_version,
        )

    @property
    def enabled(self) -> bool:
        return self.state == ConnectionState.ENABLED and self.archived_at is None

    @property
    def ready(self) -> bool:
        """True if the present settings passed their check."""
        return bool(self.checked_ok) and self.checked_version == self.settings_version

    def settings_or_none(self) -> dict[str, Any] | None:
        """Return the settings, or None if none were stored yet. Raises DecryptionError."""
        return None if self._settings is None else self.settings
