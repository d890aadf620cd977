"""The one bot of the simulated Telegram, derived from the simulator's credentials, and its
webhook.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

from hub.core.bind_address import is_loopback
from hub.core.data_dir import SimulatorCredentials
from hub.simulator.record_store import RecordStore
from hub.simulator.telegram.errors import TelegramError

USERNAME = "SignpostDemoBot"
NAME = "Signpost"
TOKEN = re.compile(r"\d+:[A-Za-z0-9_-]{35}")
SECRET = re.compile(r"[A-Za-z0-9_-]*")
PORTS = (443, 80, 88, 8443)


@dataclass(frozen=True)
class Webhook:
    """The webhook for updates: its URL ('' for none) and its options."""

    url: str = ""
    secret: str = field(default="", repr=False)
    allowed: tuple[str, ...] = ()  # kinds of updates; empty: all of them
    max_connections: int = 40
    error: str = ""  # of the last failure
    error_at: int = 0  # Unix seconds


class Bot:
    """A bot and its webhook."""

    def __init__(self, credentials: SimulatorCredentials, records: RecordStore) -> None:
        derive = credentials.derive
        self._records = records
        self.id = int(derive("telegram bot", 12), 16) % 9_000_000_000 + 1_000_000_000
        self.token = f"{self.id}:{derive('telegram token', 35)}"
        self.team_chat = -int(
            f"100{int(derive('telegram team', 12), 16) % 9_000_000_000 + 1_000_000_000}"
        )
        self.username = USERNAME
        self.name = NAME

    @property
    def user(self) -> dict[str, Any]:
        return {"id": self.id, "is_bot": True, "first_name": NAME, "username": USERNAME}

    @property
    def webhook(self) -> Webhook:
        stored = self._records.get("telegram webhook", "") or {}
        return Webhook(**{**stored, "allowed": tuple(stored.get("allowed", ()))})

    def save_webhook(self, webhook: Webhook) -> None:
        self._records.put("telegram webhook", "", asdict(webhook))

    def accepts_update(self, kind: str) -> bool:
        allowed = self.webhook.allowed
        return not allowed or kind in allowed


def check_webhook(url: str, secret: str) -> None:
    """Refuse a URL or a secret as Telegram does.

    An address of this machine is allowed without https and on any port.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port
    except ValueError:
        raise TelegramError(400, "Bad Request: bad webhook: invalid URL specified") from None
    if parts.scheme not in ("http", "https") or not host:
        raise TelegramError(400, "Bad Request: bad webhook: invalid URL specified")
    if not is_loopback(host):
        if parts.scheme != "https":
            raise TelegramError(
                400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook"
            )
        if (port or 443) not in PORTS:
            raise TelegramError(
                400,
                "Bad Request: bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443",
            )
    if len(secret) > 256:
        raise TelegramError(400, "Bad Request: secret token is too long")
    if not SECRET.fullmatch(secret):
        raise TelegramError(400, "Bad Request: secret token contains unallowed characters")
