"""Settings that the hub stores in its database."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from hub.db.encrypted_fields import SETTING_VALUE
from hub.db.engine import Base
from hub.db.types import EncryptedJson, Time, now


class Setting(Base):
    """A named, encrypted value."""

    __tablename__ = "settings"
    __seal_by__ = "name"

    name: Mapped[str] = mapped_column(primary_key=True)
    _value: Mapped[bytes] = mapped_column("value")
    changed_at: Mapped[datetime] = mapped_column(Time, default=now, onupdate=now)

    value = EncryptedJson(SETTING_VALUE)
