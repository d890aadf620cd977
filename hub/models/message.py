"""Messages: the outbox. A row is one message to one recipient over one connection."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import Index, LargeBinary, Numeric, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from hub.core.vocabulary import Lane, Status
from hub.db.engine import Base
from hub.db.types import (
    Time,
    creation_time,
    foreign_key,
    now,
    partial_index,
    primary_key,
)
from hub.models.connection import Connection
from hub.models.contact import Contact

DUE = text("due_at IS NOT NULL")
EDITS = text("edits_id IS NOT NULL")
TIMED = text("escalate_at IS NOT NULL")
PRICED = text("price IS NOT NULL")
FAILED = text("code <> ''")
THREADED = text("thread <> ''")


class Message(Base):
    """One message to one recipient over one connection.

    `due_at` is when the hub must act next; NULL means never.
    """

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("dedup_key"),
        UniqueConstraint("after_id"),
        partial_index(None, "connection_id", "status", "lane", "due_at", where=DUE),
        Index(None, "request_id", "id"),
        Index(None, "contact_id", "id"),
        partial_index("ix_messages_edits_id", "edits_id", where=EDITS),
        partial_index(None, "escalate_at", where=TIMED),
        # finds the newest prices (messaging/track/recorded_prices.py)
        partial_index("ix_messages_priced", "connection_id", "id", where=PRICED),
        # finds the times that a process wrote while its clock was ahead
        partial_index("ix_messages_timed_changed_at", "changed_at", where=TIMED),
        partial_index("ix_messages_thread", "connection_id", "thread", "id", where=THREADED),
        # for lists (messaging/track/message_queries.py), whose branches use one index each
        Index(None, "connection_id", "status", "id"),
        Index(None, "source_id", "test", "id"),
        partial_index(None, "code", "id", where=FAILED),
    )

    id: Mapped[str] = primary_key("msg")
    event_id: Mapped[str | None] = foreign_key("evt", "events.id")
    request_id: Mapped[str | None] = foreign_key("req", "requests.id")
    signer_id: Mapped[str | None] = foreign_key("sgn", "signers.id")
    contact_id: Mapped[str] = foreign_key("ctc", "contacts.id")
    connection_id: Mapped[str] = foreign_key("con", "connections.id")
    source_id: Mapped[str | None] = foreign_key(
        "src", "sources.id"
    )  # the source that may read it through the API
    channel: Mapped[str]
    test: Mapped[bool]
    lane: Mapped[str] = mapped_column(default=Lane.NOW.value)
    # messages of one thread are sent one at a time, oldest first
    thread: Mapped[str] = mapped_column(default="")
    step_id: Mapped[str | None] = foreign_key("stp", "route_steps.id")
    template_version_id: Mapped[str | None] = foreign_key("tpv", "template_versions.id")
    consent_id: Mapped[str | None] = foreign_key("cns", "consents.id")
    status: Mapped[str] = mapped_column(default=Status.QUEUED.value)
    code: Mapped[str] = mapped_column(default="")
    tries: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime | None] = mapped_column(Time)
    expires_at: Mapped[datetime | None] = mapped_column(Time)
    # if another step of the route may follow: the goal that this message must reach (NULL: no step
    # may follow), and the minutes that it has (NULL: only a failure lets the next step follow)
    fallback_goal: Mapped[str | None]
    fallback_minutes: Mapped[int | None]
    # when the next step is due; NULL: not now
    escalate_at: Mapped[datetime | None] = mapped_column(Time)
    # when the provider was asked, once, before the time for the goal ended
    asked_at: Mapped[datetime | None] = mapped_column(Time)
    # sent in spite of an opt-out: the confirmation of the opt-out, or a reply to HELP
    exempt: Mapped[bool] = mapped_column(default=False)
    manual: Mapped[bool] = mapped_column(default=False)  # a user chose to send it now
    stop_reason: Mapped[str | None]  # set when it must no longer be sent
    # when the link in it expires, as the app says; NULL: not known
    link_expires_at: Mapped[datetime | None] = mapped_column(Time)
    # the recipient's night, in which it waits until the morning; NULL: only the rules apply
    night: Mapped[str | None]
    dedup_key: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    # the message that this one follows, as a fallback or a new try
    after_id: Mapped[str | None] = foreign_key("msg", "messages.id")
    edits_id: Mapped[str | None] = foreign_key("msg", "messages.id")
    provider_id: Mapped[str | None]
    body_hmac: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    # SHA-256 of the salt and the content, for evidence. An erasure removes the salt
    content_salt: Mapped[bytes | None] = mapped_column(LargeBinary(16))
    content_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    segments: Mapped[int | None]
    # the expected cost when it was first sent
    estimate: Mapped[Decimal | None] = mapped_column(Numeric(12, 5))
    price: Mapped[Decimal | None] = mapped_column(Numeric(12, 5))  # as the provider reported it
    price_currency: Mapped[str | None]  # NULL: unknown, of prices that version 0.2.0 stored
    changed_at: Mapped[datetime] = mapped_column(Time, default=now)

    contact: Mapped[Contact] = relationship()
    connection: Mapped[Connection] = relationship()

    @property
    def settled(self) -> bool:
        """True if no other status is expected: it is final, or the provider reports none."""
        status = Status.read(self.status)
        return status.final or (status.awaits_report and self.due_at is None)

    @property
    def created_at(self) -> datetime:
        return creation_time(self.id)
