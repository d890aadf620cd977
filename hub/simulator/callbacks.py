"""Status callbacks: what Twilio posts, how it signs it, and when it tries again.

https://www.twilio.com/docs/messaging/guides/track-outbound-message-status
https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
"""

from __future__ import annotations

import http.client
import logging
import time
import uuid
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from hub.config import is_loopback
from hub.simulator import signing
from hub.simulator.account import Account
from hub.simulator.errors import later
from hub.simulator.store import Message

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Overrides:
    """How to post, from the URL's fragment (`#rc=3&rp=all`); seconds, except `retries`."""

    connect: float = 5.0
    read: float = 15.0
    total: float = 15.0
    retries: int = 1
    on: frozenset[str] = frozenset({"ct"})

    def retries_after(self, failure: str) -> bool:
        return failure in self.on or "all" in self.on


def overrides(url: str) -> Overrides:
    """Read the connection overrides of a callback URL; a value out of range counts as not given."""
    given = {key: values[-1] for key, values in parse_qs(urlsplit(url).fragment).items()}

    def number(key: str, low: int, high: int, default: int) -> int:
        text = given.get(key, "")
        return int(text) if text.isdecimal() and low <= int(text) <= high else default

    policy = frozenset(given.get("rp", "ct").split(","))
    return Overrides(
        connect=number("ct", 100, 10_000, 5_000) / 1000,
        read=number("rt", 100, 15_000, 15_000) / 1000,
        total=number("tt", 100, 15_000, 15_000) / 1000,
        retries=number("rc", 0, 5, 1),
        on=policy if policy <= {"ct", "rt", "4xx", "5xx", "all"} else frozenset({"ct"}),
    )


def reachable(url: str) -> bool:
    """Tell whether the simulator may post there: to this machine only."""
    return is_loopback(urlsplit(url).hostname or "")


def form(message: Message, word: str, account: Account) -> dict[str, str]:
    """Write the fields that report a status."""
    fields = {
        "AccountSid": account.sid,
        "ApiVersion": "2010-04-01",
        "From": message.sender or account.credentials.phone_number,
        "MessageSid": message.sid,
        "MessageStatus": word,
        "SmsSid": message.sid,
        "SmsStatus": word,
        "To": message.recipient,
    }
    if message.service:
        fields["MessagingServiceSid"] = message.service
    if word in ("failed", "undelivered") and message.error:
        fields |= {"ErrorCode": str(message.error), "ErrorMessage": later(message.error)}
    if word in ("delivered", "undelivered"):
        fields["RawDlrDoneDate"] = time.strftime("%y%m%d%H%M", time.gmtime(message.updated))
    return fields


def idempotency_token(message: Message, word: str) -> str:
    """Name one webhook: the same when it is tried again, also after a restart."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{message.sid}:{word}"))


def post(message: Message, word: str, account: Account, limits: Overrides) -> str:
    """Post one callback; return '' when it was taken, else what went wrong: ct, rt, 3xx, 4xx or 5xx."""
    request = signing.post(message.callback.partition("#")[0], form(message, word, account).items(), account.key, account.dialect)
    parts = urlsplit(request.url)
    headers = {
        "User-Agent": "TwilioProxy/1.1",
        "Accept": "*/*",
        "I-Twilio-Idempotency-Token": idempotency_token(message, word),
        "Connection": "close",
        **request.headers,
    }
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=limits.connect)
    try:
        connection.connect()
    except OSError as problem:
        log.warning("Status callback of %s: could not connect to %s: %s", message.sid, parts.netloc, problem)
        return "ct"
    try:
        connection.sock.settimeout(limits.read)
        # the request target goes out byte by byte as it was given, since the signature covers it
        connection.request("POST", _target(request.url), request.body, headers)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as problem:
        log.warning("Status callback of %s: no answer from %s: %r", message.sid, parts.netloc, problem)
        return "rt"
    finally:
        connection.close()
    if 200 <= status < 300:
        return ""
    log.warning("Status callback of %s: %s answered %s to %r", message.sid, parts.netloc, status, word)
    return f"{status // 100}xx"  # a redirect is not followed: the form would be lost on the way


def _target(url: str) -> str:
    rest = url.split("://", 1)[1]
    start = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    return rest[start:] if rest[start:].startswith("/") else "/" + rest[start:]
