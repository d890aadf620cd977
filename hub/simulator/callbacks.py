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

from hub.core.bind_address import is_loopback
from hub.simulator import signing, whatsapp
from hub.simulator.account import Account
from hub.simulator.errors import later
from hub.simulator.store import Message

log = logging.getLogger(__name__)
FIRST_RETRY = 0.2  # seconds, doubled each time
LARGEST_ANSWER = 64 * 1024  # bytes, as much TwiML as Twilio reads


@dataclass(frozen=True)
class Overrides:
    """Options of a callback from the URL's fragment (`#rc=3&rp=all`); seconds, except `retries`."""

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
        "From": message.sent_from(account.credentials.phone_number),
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
    if message.whatsapp:
        return fields | whatsapp.callback_fields(
            message.recipient, word, fields.get("ErrorMessage", "")
        )
    if word in ("delivered", "undelivered"):
        fields["RawDlrDoneDate"] = time.strftime("%y%m%d%H%M", time.gmtime(message.updated))
    return fields


def idempotency_token(message: Message, word: str) -> str:
    """Name one webhook: the same when it is tried again, also after a restart."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{message.sid}:{word}"))


def post(message: Message, word: str, account: Account, limits: Overrides) -> str:
    """Post one callback; return '' when it was taken, else what went wrong: ct, rt, 3xx, 4xx or
    5xx.
    """
    fields = form(message, word, account)
    token = idempotency_token(message, word)
    return _exchange(
        message.callback, fields, account, limits, token=token, subject=f"{word!r} of {message.sid}"
    )[0]


def call(
    url: str, fields: dict[str, str], account: Account, *, token: str, subject: str
) -> tuple[str, int, bytes]:
    """Post fields now, again as the URL's overrides say; return what went wrong ('' for nothing),
    HTTP status and answer.
    """
    if not reachable(url):
        log.warning(
            "%s: not sent, because %s is not on this machine", subject, urlsplit(url).netloc
        )
        return "elsewhere", 0, b""
    limits = overrides(url)
    began = time.monotonic()
    for tries in range(limits.retries + 1):
        answer = _exchange(url, fields, account, limits, token=token, subject=subject)
        pause = FIRST_RETRY * 2**tries
        if (
            not (answer[0] and limits.retries_after(answer[0]))
            or time.monotonic() + pause > began + limits.total
        ):
            break
        time.sleep(pause)
    return answer


def _exchange(
    url: str,
    fields: dict[str, str],
    account: Account,
    limits: Overrides,
    *,
    token: str,
    subject: str,
) -> tuple[str, int, bytes]:
    request = signing.post(url.partition("#")[0], fields.items(), account.key, account.dialect)
    parts = urlsplit(request.url)
    headers = {
        "User-Agent": "TwilioProxy/1.1",
        "Accept": "*/*",
        "I-Twilio-Idempotency-Token": token,
        "Connection": "close",
        **request.headers,
    }
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=limits.connect)
    try:
        connection.connect()
    except OSError as problem:
        log.warning("Webhook %s: could not connect to %s: %s", subject, parts.netloc, problem)
        return "ct", 0, b""
    try:
        connection.sock.settimeout(limits.read)
        # the request target goes out byte by byte as it was given, since the signature covers it
        connection.request("POST", _target(request.url), request.body, headers)
        answer = connection.getresponse()
        status = answer.status
        body = answer.read(LARGEST_ANSWER)
    except (OSError, http.client.HTTPException) as problem:
        log.warning("Webhook %s: no response from %s: %r", subject, parts.netloc, problem)
        return "rt", 0, b""
    finally:
        connection.close()
    if 200 <= status < 300:
        return "", status, body
    log.warning("Webhook %s: %s returned %s", subject, parts.netloc, status)
    # a redirect is not followed: the form would be lost on the way
    return f"{status // 100}xx", status, body


def _target(url: str) -> str:
    rest = url.split("://", 1)[1]
    start = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    return rest[start:] if rest[start:].startswith("/") else "/" + rest[start:]
