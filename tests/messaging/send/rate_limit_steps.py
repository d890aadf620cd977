"""Claims and refusals that rate-limit tests share."""

from __future__ import annotations

from hub.messaging.send import calls
from hub.messaging.send import claims as delivery
from hub.models import Connection
from tests.hub_fixtures import queue_text


def queue_message(to: str = "room", text: str = "Hello.") -> str:
    return queue_text(to, text, channel="", connection_slug="fake-chat")


def claim(connection: Connection, threads: int = 64) -> list[calls.Claim]:
    return delivery.record_and_claim([], {connection.id: threads})
