"""Platform events, which are reported to the signing app."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.encrypted_fields import PLATFORM_EVENT_PAYLOAD
from hub.db.engine import Base
from hub.db.types import EncryptedJson, Id, Time, foreign_key, now, primary_key


class PlatformEvent(Base):
    """An event such as sms_delivered; `cause` is unique, so each fact is reported once."""

    __tablename__ = "platform_events"
    __table_args__ = (UniqueConstraint("cause"), Index(None, "message_id"))

    id: Mapped[str] = primary_key("pev")
    cause: Mapped[str]
    type: Mapped[str]
    message_id: Mapped[str | None] = foreign_key("msg", "messages.id")
    request_id: Mapped[str | None] = foreign_key("req", "requests.id")
    # the source to notify; NULL: admins only. No foreign key, as in Suppression
    source_id: Mapped[str | None] = mapped_column(Id("src"))
    test: Mapped[bool | None]  # NULL: stored by a previous version
    at: Mapped[datetime] = mapped_column(Time, default=now)
    _payload: Mapped[bytes | None] = mapped_column("payload")

    payload = EncryptedJson(PLATFORM_EVENT_PAYLOAD)
