"""Idempotency keys: stored responses, so that a repeated request gets the same response."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.encrypted_fields import IDEMPOTENT_RESPONSE
from hub.db.engine import Base
from hub.db.types import EncryptedJson, Id, Time, now


class IdempotencyKey(Base):
    """The response to a request with an Idempotency-Key, written in the request's own transaction;
    kept for 7 days.
    """

    __tablename__ = "idempotency_keys"
    __seal_by__ = "seal_by"

    api_key_id: Mapped[str] = mapped_column(Id("key"), primary_key=True)
    path: Mapped[str] = mapped_column(primary_key=True)
    key_digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    body_hmac: Mapped[bytes] = mapped_column(LargeBinary(32))
    status: Mapped[int]
    _response: Mapped[bytes | None] = mapped_column("answer")
    created_at: Mapped[datetime] = mapped_column(Time, default=now, index=True)

    response = EncryptedJson(IDEMPOTENT_RESPONSE)

    @property
    def seal_by(self) -> str:
        return f"{self.api_key_id}{self.path}{self.key_digest.hex()}"
