"""Compare the messages at the provider with those that were accepted.

`doubled` means that one text is at the provider twice, whatever status the hub has for it. After an
unknown outcome, a message that the provider has must be found and not sent again.
"""

from __future__ import annotations

import base64
import json
import urllib.request
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.chaos.load import TOKEN

UNSETTLED = {"queued", "sending", "unknown"}
ARRIVED = {"delivered", "read"}


@dataclass(frozen=True)
class Verdict:
    """The counts of a run, and the tokens of lost, duplicated and stuck messages."""

    accepted: int
    received: int
    delivered: int
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    stuck: tuple[str, ...]
    unexpected: tuple[str, ...]  # at the provider or in the hub, and never accepted

    @property
    def is_settled(self) -> bool:
        """Return whether every message has its final status."""
        return not self.stuck and self.delivered == self.accepted

    @property
    def has_errors(self) -> bool:
        return bool(self.lost or self.doubled or self.stuck or self.unexpected)


def compare(
    accepted: Mapping[str, str], received: Counter[str], statuses: Mapping[str, str]
) -> Verdict:
    """Compare accepted messages with those at the provider.

    `accepted` maps tokens to message IDs, `received` counts tokens at the provider, and
    `statuses` maps message IDs to statuses.
    """
    ids = set(accepted.values())
    return Verdict(
        accepted=len(accepted),
        received=received.total(),
        delivered=sum(statuses.get(message_id) in ARRIVED for message_id in ids),
        lost=tuple(sorted(accepted.keys() - received.keys())),
        doubled=tuple(sorted(token for token, count in received.items() if count > 1)),
        stuck=tuple(
            sorted(
                token
                for token, message_id in accepted.items()
                if statuses.get(message_id, "unknown") in UNSETTLED
            )
        ),
        unexpected=(*sorted(received.keys() - accepted.keys()), *sorted(statuses.keys() - ids)),
    )


class Provider:
    """The simulator, used through the API of Twilio."""

    def __init__(self, url: str, account: str, token: str) -> None:
        self.url = url
        self._messages = f"/2010-04-01/Accounts/{account}/Messages.json?PageSize=1000"
        self._authorization = "Basic " + base64.b64encode(f"{account}:{token}".encode()).decode()

    def received(self) -> Counter[str]:
        """Count the texts that the provider accepted, by token."""
        counts: Counter[str] = Counter()
        path: str | None = self._messages
        while path:
            page = self._ask(path)
            counts.update(
                match[1] for message in page["messages"] if (match := TOKEN.search(message["body"]))
            )
            path = page["next_page_uri"]
        return counts

    def set_latency(self, milliseconds: int) -> None:
        """Set how long the simulator takes to accept a message."""
        self._ask("/simulator/faults", json.dumps({"latency_ms": milliseconds}).encode())

    def _ask(self, path: str, body: bytes | None = None) -> Any:
        headers = {"Authorization": self._authorization, "Content-Type": "application/json"}
        with urllib.request.urlopen(
            urllib.request.Request(self.url + path, body, headers), timeout=20
        ) as answer:
            return json.load(answer)


class HubMessages:
    """The messages of the hub, read through its API."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.key = key

    def statuses(self) -> dict[str, str]:
        """Return the status of every message."""
        statuses_by_id: dict[str, str] = {}
        after: str | None = ""
        while after is not None:
            page = self._ask(f"?limit=100&after={after}" if after else "?limit=100")
            statuses_by_id |= {message["id"]: message["status"] for message in page["messages"]}
            after = page["next"]
        return statuses_by_id

    def describe(self, message_id: str) -> str:
        """Return the timeline of a message as one line."""
        message = self._ask(f"/{message_id}")
        lines = [
            f"{entry['at'][11:23]} {entry['what']}({entry['source']})"
            for entry in message["timeline"]
        ]
        return (
            f"{message_id} {message['status']} {message['code']} {message['provider_id']}:"
            f" {', '.join(lines)}"
        )

    def _ask(self, path: str) -> Any:
        request = urllib.request.Request(
            f"{self.url}/api/v1/messages{path}", headers={"Authorization": f"Bearer {self.key}"}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)
