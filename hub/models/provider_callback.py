"""Provider callbacks: webhooks of providers as they were received."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.encrypted_fields import CALLBACK_REQUEST
from hub.db.engine import Base
from hub.db.types import EncryptedJson, Time, foreign_key, now, partial_index, primary_key


class ProviderCallback(Base):
    """One verified webhook.

    Unique by its subject, so that a repeat stores nothing. `due_at` NULL: processed. `fetch_at`:
    when the events of a signing app in it are completed by calls; NULL: it has none that wait.
    """

    __tablename__ = "provider_callbacks"
    __table_args__ = (
        UniqueConstraint("subject", "detail", "endpoint", "scope"),
        partial_index(None, "due_at", where=text("due_at IS NOT NULL")),
        partial_index(None, "fetch_at", where=text("fetch_at IS NOT NULL")),
        partial_index("ix_provider_callbacks_error", "id", where=text("error <> ''")),
    )

    id: Mapped[str] = primary_key("rcp")
    subject: Mapped[str]
    detail: Mapped[str]
    endpoint: Mapped[str]
    scope: Mapped[str]
    # NULL: not verified by a connection's secret
    connection_id: Mapped[str | None] = foreign_key("con", "connections.id")
    _request: Mapped[bytes | None] = mapped_column("request")
    received_at: Mapped[datetime] = mapped_column(Time, default=now)
    due_at: Mapped[datetime | None] = mapped_column(Time, default=now)
    fetch_at: Mapped[datetime | None] = mapped_column(Time)
    tries: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(default="")

    request = EncryptedJson(CALLBACK_REQUEST)

    @property
    def encrypted_request(self) -> bytes | None:
        """The content as it is stored."""
        return self._request
