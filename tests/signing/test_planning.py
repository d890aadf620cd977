"""Planning an event: the connections that send its messages."""

from __future__ import annotations

import pytest
from flask import Flask

from hub.connections.connections import get_by_slug
from hub.core.vocabulary import ConnectionState
from hub.db.store import transaction
from hub.db.types import now
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.policy import session_windows
from hub.signing import accept
from hub.signing.events import EventIn
from tests.hub_fixtures import ERIC, event_body, set_connection_state, signer_body, source_id


@transaction
def open_window() -> None:
    """Let Eric have written to the demo's WhatsApp sender just now."""
    contact = get_or_create_contact("phone", ERIC, test=True)
    sender = get_by_slug("demo-whatsapp").sender
    session_windows.open_window(sender, contact.id, now(), 24)


@pytest.mark.parametrize(
    ("state", "channel"), [(ConnectionState.ENABLED, "whatsapp"), (ConnectionState.BROKEN, "sms")]
)
def test_preferred_channel_is_used_while_its_connection_is_enabled(
    hub_demo: Flask, state: ConnectionState, channel: str
) -> None:
    set_connection_state(get_by_slug("demo-whatsapp").id, state)
    open_window()
    signer = signer_body("Eric", preference=["whatsapp", "sms"])
    event = EventIn.model_validate(event_body(signers=[signer]))
    answer = accept.accept_event(event, source_id(), test=True)
    assert [message["channel"] for message in answer["messages"]] == [channel]
