"""Random values, many of them hostile, and the hub for which webhooks are created."""

from __future__ import annotations

import random
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.core.data_dir import SimulatorCredentials

PREFIX = "/api/rpc/webhooks/"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
# texts that broke something somewhere: https://github.com/minimaxir/big-list-of-naughty-strings has
# more
TEXTS = (
    "",
    " ",
    "\0",
    "a\0b",
    "ST\0OP",
    "STOP",
    "start",
    "help",
    "é" * 500,
    "x" * 9000,
    "🛑",
    "👩‍👩‍👧‍👦",
    "\u202eevil",
    "\u2066x\u2069",
    "' OR 1=1 --",
    "<script>alert(1)</script>",
    "{{ 7*7 }}",
    "%s%n",
    "\r\nX-Injected: 1",
    "\x1b[31m",
    "\ufeff",
    "\uffff",
    "null",
    "-1",
    "NaN",
    "1e999",
    "9" * 400,
    "0001-01-01T00:00:00Z",
    "../../etc/passwd",
    "msg_1",
    "msg_019aa5c2-71f8-7b3e-9c40-2d6f8a1be41c",
    "+13175550142",
    "+4901701234567",
    "whatsapp:",
    "whatsapp:+5215512345678",
    "rcs:+13175550142",
    "anonymous",
    "+266696687",
    "22395",
    "US.13491208655302741918",
    "messenger:123",
    "https://api.twilio.com/m/0",
    "javascript:alert(1)",
    "received",
    "delivered",
    "read",
    "failed",
    "30003",
    "21610",
    "63016",
    "٣",
    "ß",
    "İ",
    "ﬁ",
)
HALVES = ("\ud800", "a\udfffb", "\udc00\ud800")  # JSON can write them, a form cannot
SCALARS = (
    None,
    True,
    False,
    0,
    -1,
    2**31,
    2**63,
    -(2**63),
    10**40,
    0.5,
    -1e308,
    float("nan"),
    float("inf"),
    [],
    {},
    [[]],
)


@dataclass(frozen=True)
class Webhook:
    """A webhook request.

    `genuine` means that the provider signed it, and `what` names it in a failure.
    """

    target: str
    body: bytes
    kind: str
    headers: Mapping[str, str]
    genuine: bool
    what: str
    method: str = "POST"


@dataclass
class RandomValues:
    """A generator of random values with the `secrets` and the `public` address of a demo hub."""

    random: random.Random
    public: str
    account: str
    number: str
    token: str  # of Twilio
    slack: Mapping[str, str]
    telegram: str  # the bot's token
    telegram_slug: str
    mail_token: str  # of received emails
    mail_slug: str
    credentials: SimulatorCredentials  # whose keys sign the events of emails
    messages: list[str] = field(default_factory=list)  # ids of messages that the hub sent
    buttons: list[str] = field(default_factory=list)  # tokens of buttons that the hub made

    def text(self) -> str:
        if self.random.random() < 0.2:
            return "".join(self.random.choices(string.printable, k=self.random.randrange(12)))
        return self.random.choice(TEXTS)

    def value(self, deep: int = 3) -> Any:
        """Return any JSON value."""
        if deep and self.random.random() < 0.25:
            return {self.text(): self.value(deep - 1) for _ in range(self.random.randrange(3))}
        if deep and self.random.random() < 0.2:
            return [self.value(deep - 1) for _ in range(self.random.randrange(3))]
        return self.random.choice((*SCALARS, *HALVES, *TEXTS))

    def hex(self, count: int = 32) -> str:
        return f"{self.random.getrandbits(count * 4):0{count}x}"
