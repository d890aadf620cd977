"""Calls of providers: claimed before they begin, and their outcomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from hub.core.errors import SendError
from hub.integrations.base import Accepted, Integration, Outbound
from hub.lib.provider_http import uptime


@dataclass(frozen=True)
class Claim:
    """A message whose call begins now."""

    message_id: str
    n: int
    connection_id: str
    integration: Integration
    outbound: Outbound
    bulk: bool = False
    epoch: int = 0  # of its sender's throttle
    begun: float = field(default_factory=uptime)
    sender: str = ""  # of the connection, when it began
    looks: Callable[[], None] | None = None  # at files that others serve; raises a SendError


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
    def named(self) -> SendError | None:
        """The error of a refused call, or the error in the answer to an accepted one."""
        return self.accepted.error if self.accepted else self.error
