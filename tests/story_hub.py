"""An agreement in a whole hub, which tests of several files share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from tests.live_hub import Hub
from tests.short_link_steps import expand, follow

ERIC = "+13175551234"
ANNA = "+442071234567"
RAVI = "+919876543210"
NUMBERS = count(1)


@pytest.fixture
def hub(shared_hub: Hub) -> Hub:
    """Return the running hub that the tests of stories share."""
    return shared_hub


def texts_on_phone(hub: Hub, address: str) -> list[str]:
    """Return the texts that the provider accepted for an address, oldest first.

    Each short link is opened, and replaced by the URL that it redirects to.
    """
    return [expand(message["body"], follow) for message in hub.accepted_messages(address)]


class Agreement:
    """A signing request of one test, whose events are each one second apart."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.id = f"agr-story-{next(NUMBERS)}"
        self.title = f"Agreement {self.id}"
        self.clock = datetime.now(UTC)

    def post_event(self, kind: str, **fields: Any) -> Any:
        self.clock += timedelta(seconds=1)
        request = {"id": self.id, "title": self.title, "sender": {"name": "Acme HR"}}
        return self.hub.post_event(
            {"type": kind, "occurred_at": self.clock.isoformat(), "request": request, **fields}
        )

    def signer(self, name: str, number: str) -> dict[str, Any]:
        return {
            "id": name.lower(),
            "name": name,
            "mobile_number": number,
            "signing_url": self.link(name),
        }

    def link(self, name: str) -> str:
        return f"https://sign.example/r/{self.id}/{name.lower()}"

    def texts(self, number: str) -> list[str]:
        return [text for text in texts_on_phone(self.hub, number) if self.title in text]

    def statuses(self, request: dict[str, Any]) -> dict[str, str]:
        """Return the statuses of the messages to the signers of a request, by ID."""
        return {
            message["id"]: message["status"]
            for signer in request["signers"]
            for message in signer["messages"]
        }

    def wait_until_delivered(self, answer: Any) -> None:
        for message in answer["messages"]:
            self.hub.wait_for_status(message["id"], within=3)


@pytest.fixture
def agreement(hub: Hub) -> Agreement:
    return Agreement(hub)
