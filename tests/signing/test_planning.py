"""Planning an event: the connections that send its messages."""

from __future__ import annotations

import pytest
from flask import Flask

from hub.connections.connections import get_by_slug
from hub.core.vocabulary import ConnectionState
from hub.signing import accept
from hub.signing.events import EventIn
from tests.hub_fixtures import event_body, set_connection_state, signer_body, source_id


@pytest.mark.parametrize(
    ("state", "channel"), [(ConnectionState.ENABLED, "whatsapp"), (ConnectionState.BROKEN, "sms")]
)
def test_preferred_channel_is_used_while_its_connection_is_enabled(
    hub_demo: Flask, state: ConnectionState, channel: str
) -> None:
    set_connection_state(get_by_slug("demo-whatsapp").id, state)
    signer = signer_body("Eric", preference=["whatsapp", "sms"])
    event = EventIn.model_validate(event_body(signers=[signer]))
    answer = accept.accept_event(event, source_id(), test=True)
    assert [message["channel"] for message in answer["messages"]] == [channel]
