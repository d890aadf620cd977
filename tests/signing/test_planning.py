"""Planning an event: the connections and the routes that decide on its messages."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, current_app

from hub.connections import demo
from hub.connections.connections import get_by_slug
from hub.core.vocabulary import Audience, ConnectionState, EventType
from hub.db.store import transaction
from hub.db.types import now
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.policy import session_windows
from hub.signing import accept, routes
from hub.signing.events import EventIn
from hub.signing.routes import RouteIn, StepIn
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


def test_source_follows_its_own_route_and_the_general_ones(hub_demo: Flask) -> None:
    demo.connect_chats_and_mail()
    signer = signer_body("Eric", email="eric@example.com")
    assert channels_of("request.sent", signers=[signer]) == ["sms"]
    save_own_route(RouteIn([StepIn("email")]))
    assert channels_of("request.sent", request="agr-2", signers=[signer]) == ["email"]
    assert channels_of("request.reminder", request="agr-2") == ["sms"], "it has no route of its own"
    save_own_route(RouteIn([]))
    assert channels_of("request.sent", request="agr-3", signers=[signer]) == []


def save_own_route(entered: RouteIn) -> None:
    """Save how the signing app's own invitations are sent."""
    cell = (EventType.SENT.value, Audience.SIGNER.value)
    before = routes.read_routes_in_force(source_id()).get(cell)
    routes.save_route(*cell, source_id(), entered, replaces=before.id if before else None)


def channels_of(kind: str, request: str = "agr-1", **fields: Any) -> list[str]:
    """Post an event about a request, and return the channels of its messages to people."""
    current_app.extensions.pop("hub.cached", None)
    body = event_body(kind, **fields)
    body["request"]["id"] = request
    answer = accept.accept_event(EventIn.model_validate(body), source_id(), test=True)
    return [message["channel"] for message in answer["messages"] if message["signer"]]
