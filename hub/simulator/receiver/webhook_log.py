"""The log of received webhooks, and the secrets that verify them."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from hub.core.data_dir import SimulatorCredentials
from hub.simulator.record_store import Record, RecordStore

REQUESTS = "webhook"
SECRETS = "webhook secret"
MAX_REQUESTS = 500
MAX_SECRETS = 20
KEPT_CHARACTERS = 20_000  # of a body


class WebhookLog:
    """Stores requests, newest last, and verifies each with the known secrets."""

    def __init__(self, credentials: SimulatorCredentials, records: RecordStore) -> None:
        self._records = records
        self._demo_secret = credentials.webhook_secret

    def add_secret(self, secret: str) -> None:
        """Add a secret of an endpoint. Raises ValueError if it is not one."""
        clean = secret.strip()
        try:
            Webhook(clean)
        except Exception:
            raise ValueError("Enter a secret that begins with whsec_.") from None
        if not clean.startswith("whsec_"):
            raise ValueError("Enter a secret that begins with whsec_.")
        self._records.put(SECRETS, clean, {})
        self._records.keep_newest(SECRETS, MAX_SECRETS)

    @property
    def secrets(self) -> list[str]:
        """The demo's secret, and those that were added."""
        return [self._demo_secret, *self._records.all(SECRETS)]

    def record(self, address: str, headers: Mapping[str, str], body: bytes, status: int) -> Record:
        """Store a request with the result of its verification; return the stored record.

        `status` is that of the response, which is 401 instead of 200 if the signature is wrong.
        """
        is_verified = any(self._verifies(secret, headers, body) for secret in self.secrets)
        record = {
            "at": time.time(),
            "address": address,
            "status": status if is_verified or status != 200 else 401,
            "verified": is_verified,
            "headers": {name.lower(): value for name, value in headers.items()},
            "body": body.decode(errors="replace")[:KEPT_CHARACTERS],
        }
        self._records.put(REQUESTS, str(self._records.next_number(REQUESTS)), record)
        self._records.keep_newest(REQUESTS, MAX_REQUESTS)
        return record

    def is_first(self, address: str, event_id: str) -> bool:
        """Return whether an address has received an event for the first time."""
        return not any(
            record["address"] == address and record["headers"].get("webhook-id") == event_id
            for record in self._records.all(REQUESTS).values()
        )

    def list_requests(self) -> list[dict[str, Any]]:
        """Return the requests, newest first, each with its event if the body is JSON."""
        records = [
            {**record, "number": int(number), "event": _event_of(record["body"])}
            for number, record in self._records.all(REQUESTS).items()
        ]
        return records[::-1]

    def empty(self) -> None:
        """Delete all requests, so that every event arrives for the first time again."""
        self._records.keep_newest(REQUESTS, 0)

    @staticmethod
    def _verifies(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
        lower = {name.lower(): value for name, value in headers.items()}
        try:
            Webhook(secret).verify(body, lower, json_parse=False)
        except (WebhookVerificationError, ValueError):
            return False
        return True


def _event_of(body: str) -> dict[str, Any]:
    try:
        event = json.loads(body)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}
