"""Signing requests and their signers, as the source reported them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from hub.core.vocabulary import RequestState, SignerState
from hub.db.encrypted_fields import (
    REQUEST_SENDER,
    REQUEST_TITLE,
    REQUEST_URL,
    SIGNER_DETAILS,
    SIGNER_SIGNING_URL,
)
from hub.db.engine import Base
from hub.db.types import EncryptedJson, Time, foreign_key, now, partial_index, primary_key


class SigningRequest(Base):
    """A document out for signature. `reported_at`: when the newest event about it happened."""

    __tablename__ = "requests"
    __table_args__ = (
        UniqueConstraint("source_id", "external_id", "test"),
        Index(None, "state", "id"),
    )

    id: Mapped[str] = primary_key("req")
    source_id: Mapped[str] = foreign_key("src", "sources.id")
    external_id: Mapped[str]
    test: Mapped[bool]
    _title: Mapped[bytes | None] = mapped_column("title")
    _sender: Mapped[bytes | None] = mapped_column("sender")
    _url: Mapped[bytes | None] = mapped_column("url")
    state: Mapped[str] = mapped_column(default=RequestState.OPEN.value)
    state_at: Mapped[datetime] = mapped_column(Time, default=now)
    reported_at: Mapped[datetime] = mapped_column(Time, default=now)
    created_at: Mapped[datetime] = mapped_column(Time, default=now)
    expires_at: Mapped[datetime | None] = mapped_column(Time)
    reminders: Mapped[str | None]  # settings of the schedule as JSON, see signing/reminder_settings

    title = EncryptedJson(REQUEST_TITLE)
    sender = EncryptedJson(REQUEST_SENDER)  # {"name", "email"}
    url = EncryptedJson(REQUEST_URL)  # the page where the sender sees the document
    signers: Mapped[list[Signer]] = relationship(
        order_by="(Signer.turn, Signer.id)", back_populates="request"
    )

    @property
    def expired(self) -> bool:
        """Return whether the time to sign has ended, after which no signer is asked."""
        return self.expires_at is not None and self.expires_at <= now()


class Signer(Base):
    """A person who is asked to sign one request."""

    __tablename__ = "signers"
    __table_args__ = (
        UniqueConstraint("request_id", "external_id"),
        partial_index(None, "remind_at", where=text("remind_at IS NOT NULL")),
    )

    id: Mapped[str] = primary_key("sgn")
    request_id: Mapped[str] = foreign_key("req", "requests.id")
    external_id: Mapped[str]
    _details: Mapped[bytes | None] = mapped_column("details")
    _signing_url: Mapped[bytes | None] = mapped_column("signing_url")
    turn: Mapped[int] = mapped_column(default=1)
    state: Mapped[str] = mapped_column(default=SignerState.PENDING.value)
    state_at: Mapped[datetime] = mapped_column(Time, default=now)
    reported_at: Mapped[datetime] = mapped_column(Time, default=now)
    # when to check whether an automatic reminder is due; NULL: none will be
    remind_at: Mapped[datetime | None] = mapped_column(Time)
    # automatic reminders that were due before this time are done
    reminders_handled_at: Mapped[datetime | None] = mapped_column(Time)
    reminded_at: Mapped[datetime | None] = mapped_column(Time)
    reminders: Mapped[int] = mapped_column(default=0)
    snoozed_until: Mapped[datetime | None] = mapped_column(Time)  # no reminders before

    # {"name", "email", "mobile_number", "locale", "time_zone", "send_to", "preference",
    # "download_url", "reported_at": {field: time}}
    details = EncryptedJson(SIGNER_DETAILS)
    signing_url = EncryptedJson(SIGNER_SIGNING_URL)
    request: Mapped[SigningRequest] = relationship(back_populates="signers")
