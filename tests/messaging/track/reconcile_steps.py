"""Messages of unknown outcome, and callbacks about them."""

from __future__ import annotations

from hub.core.vocabulary import Status
from tests.hub_fixtures import (
    a_message,
    deliver,
    make_due,
    status,
)


def unknown(text: str = "Coo.", to: str = "roof", slug: str = "homing-pigeon") -> str:
    """Return a message that was sent, with an unknown outcome."""
    message_id = a_message(to, text, channel="", connection_slug=slug)
    deliver()
    assert status(message_id) == Status.UNKNOWN
    make_due(message_id)
    return message_id
