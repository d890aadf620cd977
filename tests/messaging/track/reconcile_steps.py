"""Messages with an unknown outcome, and callbacks about them."""

from __future__ import annotations

from hub.core.vocabulary import Status
from tests.hub_fixtures import deliver, make_due, queue_text, status


def send_with_unknown_outcome(
    text: str = "Hello.", to: str = "room", slug: str = "searchable-chat"
) -> str:
    """Send a message with an unknown outcome, and return its ID."""
    message_id = queue_text(to, text, channel="", connection_slug=slug)
    deliver()
    assert status(message_id) == Status.UNKNOWN
    make_due(message_id)
    return message_id
