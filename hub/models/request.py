"""Signing requests and their signers, as the source reported them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from hub.core.vocabulary import PersonRole, RequestState, SignerState
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
    # the newest request.sent, and the newest event that closed the request, although it may have
    # been reopened since
    sent_at: Mapped[datetime | None] = mapped_column(Time)
    closed_at: Mapped[datetime | None] = mapped_column(Time)
    reopenings: Mapped[int] = mapped_column(default=0, server_default="0")

    title = EncryptedJson(REQUEST_TITLE)
    # {"name", "email", "mobile_number", "locale", "time_zone", "send_to", "preference"}
    sender = EncryptedJson(REQUEST_SENDER)
    url = EncryptedJson(REQUEST_URL)  # the page where the sender sees the document
    people: Mapped[list[Signer]] = relationship(
        order_by="(Signer.turn, Signer.id)", back_populates="request"
    )

    @property
    def signers(self) -> list[Signer]:
        """The people who are asked to sign, in the order of their turns, without removed ones."""
        return [
            person
            for person in self.people
            if person.role == PersonRole.SIGNER and person.removed_at is None
        ]

    @property
    def expired(self) -> bool:
        """Return whether the time to sign has ended, after which no signer is asked."""
        return self.expires_at is not None and self.expires_at <= now()


class Signer(Base):
    """A person of one request: a signer, an observer or the sender. See PersonRole."""

    __tablename__ = "signers"
    __table_args__ = (
        UniqueConstraint("request_id", "role", "external_id"),
        partial_index(None, "remind_at", where=text("remind_at IS NOT NULL")),
    )

    id: Mapped[str] = primary_key("sgn")
    request_id: Mapped[str] = foreign_key("req", "requests.id")
    external_id: Mapped[str]
    role: Mapped[str] = mapped_column(
        default=PersonRole.SIGNER.value, server_default=PersonRole.SIGNER.value
    )
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
    # a user stopped the reminders; NULL: they are sent
    reminders_stopped_at: Mapped[datetime | None] = mapped_column(Time)
    reminded_at: Mapped[datetime | None] = mapped_column(Time)
    reminders: Mapped[int] = mapped_column(default=0)
    snoozed_until: Mapped[datetime | None] = mapped_column(Time)  # no reminders before
    invited_at: Mapped[datetime | None] = mapped_column(Time)  # asked to sign, when the turn came
    opened_at: Mapped[datetime | None] = mapped_column(Time)  # the newest request.viewed
    declined_at: Mapped[datetime | None] = mapped_column(Time)  # the newest request.declined
    removed_at: Mapped[datetime | None] = mapped_column(Time)  # removed from the request

    # {"name", "email", "mobile_number", "locale", "time_zone", "send_to", "preference",
    # "download_url", "reported_at": {field: time}}
    details = EncryptedJson(SIGNER_DETAILS)
    signing_url = EncryptedJson(SIGNER_SIGNING_URL)
    request: Mapped[SigningRequest] = relationship(back_populates="people")
