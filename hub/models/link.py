"""Short signing links."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.encrypted_fields import LINK_URL
from hub.db.engine import Base
from hub.db.types import EncryptedJson, Time, foreign_key, now, primary_key


class Link(Base):
    """A short code for a signing link; only the digest of the code is stored."""

    __tablename__ = "links"

    id: Mapped[str] = primary_key("lnk")
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    signer_id: Mapped[str | None] = foreign_key("sgn", "signers.id")
    _url: Mapped[bytes] = mapped_column("url")
    created_at: Mapped[datetime] = mapped_column(Time, default=now)
    expires_at: Mapped[datetime | None] = mapped_column(Time)
    opened_at: Mapped[datetime | None] = mapped_column(Time)

    url = EncryptedJson(LINK_URL)
