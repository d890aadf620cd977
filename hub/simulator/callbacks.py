"""Post status callbacks as Twilio does: their fields, signature and retries.

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
from hub.core.quotes import quoted
from hub.simulator import signing, whatsapp
from hub.simulator.account import Account
from hub.simulator.errors import failure_message
from hub.simulator.store import Message

log = logging.getLogger(__name__)
FIRST_RETRY = 0.2  # seconds, doubled each time
MAX_RESPONSE_SIZE = 64 * 1024  # bytes of TwiML that Twilio reads


@dataclass(frozen=True)
class Overrides:
    """Options of a callback from the URL's fragment (`#rc=3&rp=all`); seconds, except `retries`."""

    connect_timeout: float = 5.0
    read_timeout: float = 15.0
    total_timeout: float = 15.0
    retries: int = 1
    retried_failures: frozenset[str] = frozenset({"ct"})

    def retries_after(self, failure: str) -> bool:
        return failure in self.retried_failures or "all" in self.retried_failures


def overrides(url: str) -> Overrides:
    """Read the connection overrides of a callback URL. A value out of range is ignored."""
    options = {key: values[-1] for key, values in parse_qs(urlsplit(url).fragment).items()}

    def number(key: str, low: int, high: int, default: int) -> int:
        text = options.get(key, "")
        return int(text) if text.isdecimal() and low <= int(text) <= high else default

    policy = frozenset(options.get("rp", "ct").split(","))
    return Overrides(
        connect_timeout=number("ct", 100, 10_000, 5_000) / 1000,
        read_timeout=number("rt", 100, 15_000, 15_000) / 1000,
        total_timeout=number("tt", 100, 15_000, 15_000) / 1000,
        retries=number("rc", 0, 5, 1),
        retried_failures=policy
        if policy <= {"ct", "rt", "4xx", "5xx", "all"}
        else frozenset({"ct"}),
    )


def is_reachable(url: str) -> bool:
    """Return whether the simulator may post to a URL: only to this machine."""
    return is_loopback(urlsplit(url).hostname or "")


def callback_form(message: Message, status: str, account: Account) -> dict[str, str]:
    """Return the form fields that report a status."""
    fields = {
        "AccountSid": account.sid,
        "ApiVersion": "2010-04-01",
        "From": message.sent_from(account.credentials.phone_number),
        "MessageSid": message.sid,
        "MessageStatus": status,
        "SmsSid": message.sid,
        "SmsStatus": status,
        "To": message.recipient,
    }
    if message.service:
        fields["MessagingServiceSid"] = message.service
    if status in ("failed", "undelivered") and message.error:
        fields |= {"ErrorCode": str(message.error), "ErrorMessage": failure_message(message.error)}
    if message.whatsapp:
        return fields | whatsapp.callback_fields(
            message.recipient, status, fields.get("ErrorMessage", "")
        )
    if status in ("delivered", "undelivered"):
        fields["RawDlrDoneDate"] = time.strftime("%y%m%d%H%M", time.gmtime(message.updated))
    return fields


def idempotency_token(message: Message, status: str) -> str:
    """Return the identifier of one webhook. It is the same for each retry, also after a restart."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{message.sid}:{status}"))


def post(message: Message, status: str, account: Account, connection_overrides: Overrides) -> str:
    """Post one callback.

    Return '' if it was accepted, or the kind of failure: ct, rt, 3xx, 4xx or 5xx.
    """
    fields = callback_form(message, status, account)
    token = idempotency_token(message, status)
    return _exchange(
        message.callback,
        fields,
        account,
        connection_overrides,
        token=token,
        subject=f"{quoted(status)} of {message.sid}",
    )[0]


def call(
    url: str, fields: dict[str, str], account: Account, *, token: str, subject: str
) -> tuple[str, int, bytes]:
    """Post fields now, with retries as the URL's overrides say.

    Return the kind of failure ('' for none), the HTTP status and the response body.
    """
    if not is_reachable(url):
        log.warning(
            "%s: not sent, because %s is not on this machine", subject, urlsplit(url).netloc
        )
        return "elsewhere", 0, b""
    connection_overrides = overrides(url)
    started_at = time.monotonic()
    for attempt in range(connection_overrides.retries + 1):
        outcome = _exchange(
            url, fields, account, connection_overrides, token=token, subject=subject
        )
        delay = FIRST_RETRY * 2**attempt
        if (
            not (outcome[0] and connection_overrides.retries_after(outcome[0]))
            or time.monotonic() + delay > started_at + connection_overrides.total_timeout
        ):
            break
        time.sleep(delay)
    return outcome


def _exchange(
    url: str,
    fields: dict[str, str],
    account: Account,
    connection_overrides: Overrides,
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
    connection = kind(
        parts.hostname or "", parts.port, timeout=connection_overrides.connect_timeout
    )
    try:
        connection.connect()
    except OSError as error:
        log.warning("Webhook %s: could not connect to %s: %s", subject, parts.netloc, error)
        return "ct", 0, b""
    try:
        connection.sock.settimeout(connection_overrides.read_timeout)
        # sent byte for byte as given, because the signature covers it
        connection.request("POST", _request_target(request.url), request.body, headers)
        response = connection.getresponse()
        status = response.status
        body = response.read(MAX_RESPONSE_SIZE)
    except (OSError, http.client.HTTPException) as error:
        log.warning("Webhook %s: no response from %s: %r", subject, parts.netloc, error)
        return "rt", 0, b""
    finally:
        connection.close()
    if 200 <= status < 300:
        return "", status, body
    log.warning("Webhook %s: %s returned %s", subject, parts.netloc, status)
    # redirects are not followed, because they would lose the form
    return f"{status // 100}xx", status, body


def _request_target(url: str) -> str:
    """Return the path and query of a URL, unchanged."""
    after_scheme = url.split("://", 1)[1]
    start = min(
        (
            position
            for position in (after_scheme.find("/"), after_scheme.find("?"))
            if position >= 0
        ),
        default=len(after_scheme),
    )
    return (
        after_scheme[start:] if after_scheme[start:].startswith("/") else "/" + after_scheme[start:]
    )
