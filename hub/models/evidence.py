"""Evidence of requests, legal holds, and the keys that sign exported evidence."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.encrypted_fields import EVIDENCE_HOLD_REASON, EVIDENCE_PRIVATE_KEY, EVIDENCE_VALUES
from hub.db.engine import Base
from hub.db.types import (
    EncryptedJson,
    Id,
    Time,
    foreign_key,
    now,
    partial_index,
    primary_key,
)


class EvidenceRow(Base):
    """Entries about one subject of a request, such as a message; append-only.

    The entries hold hashes of personal values. The values and their salts are stored apart, so that
    an erasure can remove them without a change to the entries.
    """

    __tablename__ = "evidence_rows"
    __table_args__ = (
        UniqueConstraint("request_id", "number"),
        partial_index(None, "contact_id", where=text("contact_id IS NOT NULL")),
        partial_index(None, "address_key", where=text("address_key IS NOT NULL")),
        partial_index(None, "other_key", where=text("other_key IS NOT NULL")),
    )

    id: Mapped[str] = primary_key("evd")
    request_id: Mapped[str] = foreign_key("req", "requests.id")
    number: Mapped[int]  # the position in the evidence of the request
    # the person whom the values are about. No foreign key, because contacts are deleted earlier
    contact_id: Mapped[str | None] = mapped_column(Id("ctc"))
    address_key: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    other_key: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    last_at: Mapped[datetime] = mapped_column(Time)  # the time of the newest entry
    content: Mapped[bytes] = mapped_column(LargeBinary)  # a JSON list, compressed with zlib
    _values: Mapped[bytes | None] = mapped_column("values")

    # {hash: {"salt", "value"}}; without "value" for texts, which are stored with their messages
    values = EncryptedJson(EVIDENCE_VALUES)


class EvidenceHold(Base):
    """A legal hold: nothing about the request is deleted by age, and no person is erased."""

    __tablename__ = "evidence_holds"
    __seal_by__ = "request_id"

    request_id: Mapped[str] = foreign_key("req", "requests.id", primary_key=True)
    placed_at: Mapped[datetime] = mapped_column(Time, default=now)
    placed_by: Mapped[str]
    _reason: Mapped[bytes] = mapped_column("reason")

    reason = EncryptedJson(EVIDENCE_HOLD_REASON)


class EvidenceKey(Base):
    """An Ed25519 key that signs exported evidence. The private half of a retired key is deleted."""

    __tablename__ = "evidence_keys"

    id: Mapped[str] = primary_key("evk")
    name: Mapped[str]  # in signed notes
    public: Mapped[bytes] = mapped_column(LargeBinary(32))
    created_at: Mapped[datetime] = mapped_column(Time, default=now)
    retired_at: Mapped[datetime | None] = mapped_column(Time)
    compromised: Mapped[bool] = mapped_column(default=False)
    succession: Mapped[str] = mapped_column(default="")  # a note in which it names the next key
    _private: Mapped[bytes | None] = mapped_column("private")

    private = EncryptedJson(EVIDENCE_PRIVATE_KEY)  # 32 bytes in hex
