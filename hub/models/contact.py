"""Contacts: the addresses of people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.encrypted_fields import CONTACT_NAME
from hub.db.engine import Base
from hub.db.types import EncryptedJson, Time, now, primary_key


@dataclass(frozen=True, slots=True)
class Recipient:
    """The columns of a contact that rules and messages need."""

    id: str
    address: str
    address_key: bytes
    time_zone: str = ""
    has_opt_out_line: bool = False  # an SMS told the person how to opt out
    # the row of a new contact that its first message stores; nothing refers to the contact yet
    new_row: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)


class Contact(Base):
    """One address; SMS, WhatsApp and voice share one phone contact.

    `address_key` identifies the address even after erasure.
    """

    __tablename__ = "contacts"
    __table_args__ = (UniqueConstraint("kind", "address_key", "test"), Index(None, "kind", "id"))

    id: Mapped[str] = primary_key("ctc")
    kind: Mapped[str]
    address: Mapped[str]
    address_key: Mapped[bytes] = mapped_column(LargeBinary(32))
    test: Mapped[bool]
    _name: Mapped[bytes | None] = mapped_column("name")
    time_zone: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(Time, default=now)
    erased_at: Mapped[datetime | None] = mapped_column(Time)
    # when an SMS with the opt-out line of its connection was stored
    opt_out_line_at: Mapped[datetime | None] = mapped_column(Time)

    name = EncryptedJson(CONTACT_NAME)

    @property
    def recipient(self) -> Recipient:
        """The columns that messages need, apart from the row."""
        has_line = self.opt_out_line_at is not None
        return Recipient(self.id, self.address, self.address_key, self.time_zone, has_line)
