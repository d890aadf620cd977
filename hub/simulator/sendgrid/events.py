"""The Event Webhook: events are collected for a moment, signed and posted to the hub together.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
"""

from __future__ import annotations

import heapq
import itertools
import json
import secrets
import threading
import time
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from hub.core.data_dir import SimulatorCredentials
from hub.simulator import posting
from hub.simulator.posting import HubResponse

PATH = "/api/rpc/webhooks/sendgrid"
SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"
PACE = 0.3  # seconds between two events of one email
MAX_BATCH = 1000
RETRY_PAUSES = (1.0, 5.0, 25.0)  # seconds
POST_SECONDS = 10.0
Event = dict[str, Any]
Waiting = tuple[float, int, int, Event]  # due time, number, number of attempts, event


class EventWebhook:
    """Posts events in a thread that begins with the first one."""

    def __init__(self, credentials: SimulatorCredentials, hub_url: str) -> None:
        self._credentials = credentials
        self._url = f"{hub_url}{PATH}"
        self._waiting: list[Waiting] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopping = False

    def add(self, events: Sequence[Event], *, repeats: bool = False) -> None:
        """Post events one after the other, each in a separate request at the earliest."""
        due_at = time.monotonic()
        with self._changed:
            for event in events:
                due_at += PACE
                self._put(due_at, 0, event)
                if repeats:
                    self._put(due_at + PACE / 2, 0, event)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name="events")
                self._thread.start()
            self._changed.notify()

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify()

    def post(self, events: Sequence[Event]) -> HubResponse:
        """Sign events and post them now."""
        body = json.dumps(events).encode()
        signed_at = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "SendGrid Event API",
            TIMESTAMP: signed_at,
            SIGNATURE: sign(self._credentials, signed_at.encode() + body),
        }
        return posting.post(self._url, body, headers, timeout=POST_SECONDS)

    def _put(self, due_at: float, tries: int, event: Event) -> None:
        heapq.heappush(self._waiting, (due_at, next(self._numbers), tries, event))

    def _run(self) -> None:
        while batch := self._next_batch():
            events = [event for _, _, _, event in batch]
            if self.post(events).is_accepted:
                continue
            with self._changed:
                for _, _, tries, event in batch:
                    if tries < len(RETRY_PAUSES):
                        self._put(time.monotonic() + RETRY_PAUSES[tries], tries + 1, event)

    def _next_batch(self) -> list[Waiting]:
        """Wait for due events and return them, or [] once the simulator stops."""
        with self._changed:
            while not self._stopping:
                now = time.monotonic()
                batch: list[Waiting] = []
                while self._waiting and self._waiting[0][0] <= now and len(batch) < MAX_BATCH:
                    batch.append(heapq.heappop(self._waiting))
                if batch:
                    return batch
                self._changed.wait(self._waiting[0][0] - now if self._waiting else None)
        return []


def new_event(
    kind: dict[str, Any], recipient: str, provider_id: str, arguments: dict[str, str]
) -> Event:
    """Return an event of an email, with its arguments."""
    return {
        **arguments,
        "email": recipient,
        "timestamp": int(time.time()),
        "smtp-id": f"<{secrets.token_hex(8)}@geopod-ismtpd-1>",
        "sg_event_id": secrets.token_urlsafe(24),
        "sg_message_id": f"{provider_id}.recvd-5f54b5d587-pczjm-1-67BADEEA-6.0",
        **kind,
    }


def sign(credentials: SimulatorCredentials, content: bytes) -> str:
    """Return the signature of the simulated account."""
    secret = int(credentials.derive("sendgrid signature", 62), 16)
    key = ec.derive_private_key(secret, ec.SECP256R1())
    return b64encode(key.sign(content, ec.ECDSA(SHA256()))).decode()
