"""Consents: opt-ins and objections of contacts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.encrypted_fields import CONSENT_PROOF
from hub.db.engine import Base
from hub.db.types import EncryptedJson, Id, Time, foreign_key, now, primary_key


class Consent(Base):
    """A recorded opt-in or objection; append-only."""

    __tablename__ = "consents"
    __table_args__ = (Index(None, "contact_id", "id"),)

    id: Mapped[str] = primary_key("cns")
    contact_id: Mapped[str] = foreign_key("ctc", "contacts.id")
    channel: Mapped[str]
    purpose: Mapped[str] = mapped_column(default="")
    given: Mapped[bool]
    evidence: Mapped[str]  # api, import, keyword, admin or link
    # the source that it applies to; NULL: every source. No foreign key, as in Suppression
    source_id: Mapped[str | None] = mapped_column(Id("src"))
    at: Mapped[datetime] = mapped_column(Time, default=now)
    ip: Mapped[str] = mapped_column(default="")
    user_agent: Mapped[str] = mapped_column(default="")
    _proof: Mapped[bytes | None] = mapped_column("proof")

    proof = EncryptedJson(CONSENT_PROOF)
