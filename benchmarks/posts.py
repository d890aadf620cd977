"""The requests of a load as bytes: signed callbacks of Twilio, and events of a signing app."""

from __future__ import annotations

import base64
import hmac
import json
import random
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from benchmarks.hubs import Hub

END = b"\0"  # between requests in a file; no request contains one
CALLBACK = "/api/rpc/webhooks/twilio/sms"


def build_callback(hub: Hub, message_id: str, sid: str, status: str = "delivered") -> bytes:
    """Return a status callback as Twilio posts it, signed with the account's token.

    https://www.twilio.com/docs/messaging/guides/track-outbound-message-status
    """
    form = {
        "AccountSid": hub.account.sid,
        "ApiVersion": "2010-04-01",
        "From": "+13175550100",
        "To": "+13175551234",
        "MessageSid": sid,
        "SmsSid": sid,
        "MessageStatus": status,
        "SmsStatus": status,
        "RawDlrDoneDate": "2611210930",
        "MessagingServiceSid": "MG" + "0" * 32,
        "NumSegments": "1",
    }
    path = f"{CALLBACK}?message={message_id}&attempt=1"
    signed = hub.url + path + "".join(name + form[name] for name in sorted(form))
    signature = base64.b64encode(
        hmac.digest(hub.account.token.encode(), signed.encode(), "sha1")
    ).decode()
    return _build_request(
        hub,
        path,
        urlencode(form),
        "application/x-www-form-urlencoded",
        {
            "X-Twilio-Signature": signature,
            "I-Twilio-Idempotency-Token": secrets.token_hex(16),
            "User-Agent": "TwilioProxy/1.1",
        },
    )


def build_unknown_callbacks(hub: Hub, count: int) -> list[bytes]:
    """Return callbacks about as many messages that no hub has: to be stored, and no more."""
    salt = secrets.token_hex(8)
    return [
        build_callback(hub, f"msg_019aa5c2-71f8-7b3e-9c40-{n:012x}", f"SM{salt}{n:016x}")
        for n in range(count)
    ]


def build_event(hub: Hub) -> tuple[str, bytes]:
    """Return an event about a new request with one signer, and the signer's number."""
    number = f"+1317{random.randrange(2_000_000, 9_999_999)}"
    content = event_content(f"agr-{secrets.token_hex(6)}", [number])
    return number, _build_request(
        hub,
        "/api/v1/events",
        json.dumps(content),
        "application/json",
        {"Authorization": f"Bearer {hub.api_key}"},
    )


def event_content(name: str, numbers: Sequence[str]) -> dict[str, Any]:
    """Return an event about a new request, with a signer for each number."""
    return {
        "type": "request.sent",
        "id": f"evt-{name}",
        "occurred_at": "2026-11-21T09:30:00Z",
        "request": {
            "id": name,
            "title": "Employment Agreement",
            "sender": {"name": "Acme HR", "email": "hr@acme.example"},
        },
        "signers": [
            {
                "id": f"eric{index or ''}",
                "name": "Eric Smith",
                "email": "eric@example.com",
                "mobile_number": number,
                "locale": "en",
                "time_zone": "America/Indiana/Indianapolis",
                "signing_url": f"https://sign.example/r/{name}/eric{index or ''}",
            }
            for index, number in enumerate(numbers)
        ],
    }


def _build_request(hub: Hub, path: str, body: str, kind: str, headers: dict[str, str]) -> bytes:
    lines = {
        "Host": f"127.0.0.1:{hub.port}",
        "Accept": "*/*",
        "Content-Type": kind,
        "Content-Length": str(len(body.encode())),
        **headers,
    }
    head = "\r\n".join(
        [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in lines.items())]
    )
    return f"{head}\r\n\r\n{body}".encode()


def write_requests(path: Path, requests: Iterable[bytes]) -> Path:
    """Write requests into a file that wrk and the pacer read."""
    with path.open("wb") as file:
        for request in requests:
            file.write(request + END)
    return path


def read_requests(path: Path) -> list[bytes]:
    return path.read_bytes().split(END)[:-1]
