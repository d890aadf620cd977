"""Claims and refusals that tests of rate limits share."""

from __future__ import annotations

from hub.messaging.send import calls
from hub.messaging.send import claims as delivery
from hub.models import Connection
from tests.hub_fixtures import (
    a_message,
)


def by_pigeon(to: str = "roof", text: str = "Coo.") -> str:
    return a_message(to, text, channel="", connection_slug="pigeon")


def claim(connection: Connection, threads: int = 64) -> list[calls.Claim]:
    return delivery.record_and_claim([], {connection.id: threads})
