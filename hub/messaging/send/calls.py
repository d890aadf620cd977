"""Calls of providers: the due message, its claim before the call, and the outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from hub.core.errors import SendError
from hub.integrations.base import Accepted, Integration, Outbound
from hub.lib.provider_http import uptime
from hub.messaging.state.message_batch import MessageRow
from hub.models import Recipient


@dataclass(frozen=True, slots=True)
class DueMessage:
    """A message that may be claimed: its row, and what the claim reads beside it."""

    row: MessageRow
    recipient: Recipient
    erased: bool
    content: bytes | None  # encrypted, or None if it was deleted
    bulk: bool = False
    # of its signing request, for a message that asks to sign
    request_expires_at: datetime | None = None
    after_id: str | None = None  # the message that it follows


@dataclass(frozen=True)
class Claim:
    """A message that is claimed, whose call begins now."""

    message_id: str
    number: int  # of the attempt
    connection_id: str
    integration: Integration
    outbound: Outbound
    bulk: bool = False
    epoch: int = 0  # of the throttle of its sender
    started_at: float = field(default_factory=uptime)
    sender: str = ""  # of the connection, when the call began
    # checks files on other servers; raises SendError
    check_files: Callable[[], None] | None = None


@dataclass(frozen=True)
class Outcome:
    """The outcome of a call: accepted or an error, and the details of the exchange."""

    claim: Claim
    accepted: Accepted | None
    error: SendError | None
    ended_at: datetime
    milliseconds: int
    http_status: int | None = None
    request_ref: str = ""

    @property
    def reported_error(self) -> SendError | None:
        """The error of a refused call, or the error in the response to an accepted one."""
        return self.accepted.error if self.accepted else self.error
