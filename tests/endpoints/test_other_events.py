"""Broken connections and pressed buttons reach the endpoints of apps."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from hub.connections import demo
from hub.core.vocabulary import ConnectionState
from hub.db.engine import db
from hub.db.types import now
from hub.endpoints import cleanup
from hub.endpoints.catalog import event_kinds
from hub.messaging.send.connection_pause import pause_connection
from hub.models import Connection, PlatformEvent
from hub.shared import clock_check
from tests.endpoints.event_steps import bodies, listen, types
from tests.endpoints.receivers import add_source
from tests.hub_fixtures import (
    SigningApp,
    deliver,
    event_body,
    set_connection_state,
    signer_body,
    update_message,
)
from tests.messaging.contacts.source_steps import send
from tests.messaging.inbox.opt_out_steps import receive_text

pytestmark = pytest.mark.usefixtures("hub_demo")


def test_broken_connection_is_reported_to_every_source_of_its_kind(connection: Connection) -> None:
    add_source("leases")
    default_receiver = listen()
    leases_receiver = listen("leases", "connection_broken")
    live = listen(test=False)
    pause_connection(connection.id, "The provider rejected the Auth Token of +13175550000.")
    pause_connection(connection.id, "The provider rejected it again.")
    [own] = bodies(default_receiver)
    [other] = bodies(leases_receiver, "leases")
    assert own["id"] != other["id"]
    for body in (own, other):
        assert (body["type"], body["connection"]) == ("connection_broken", "demo-sms")
        assert "Auth Token" not in str(body)
    assert types(live) == []
    set_connection_state(connection.id, ConnectionState.ENABLED)
    pause_connection(connection.id, "Broken once more.")
    assert types(default_receiver) == ["connection_broken"] * 2


def test_quick_reply_is_reported_as_a_button(hub_demo: Flask, signing_app: SigningApp) -> None:
    update_message(send(signing_app), status="delivered")
    endpoint_id = listen("default", "button_pressed", "sms_received")
    receive_text(hub_demo, "Later", channel="", ButtonPayload="sign-later", ButtonText="Later")
    received, pressed = sorted(bodies(endpoint_id), key=lambda body: body["type"], reverse=True)
    assert (received["type"], pressed["type"]) == ("sms_received", "button_pressed")
    assert pressed["button"] == "sign-later"
    assert pressed["inbound"] == received["inbound"] is not None


def test_events_of_every_channel_are_in_the_catalog(
    signing_app: SigningApp, simulator: Any
) -> None:
    demo.connect_chats_and_mail()
    signers = [
        signer_body("Eric"),
        signer_body("Dana", None, email="dana@example.com"),
        signer_body("Luc", "+13175551236", preference=["whatsapp"]),
    ]
    assert signing_app.post("/events", event_body(signers=signers)).status_code == 202
    deliver()
    reported = set(db.session.scalars(select(PlatformEvent.type)))
    assert {"email_sent", "slack_delivered", "telegram_delivered"} <= reported
    assert reported <= set(event_kinds())


def test_old_events_without_a_message_are_deleted(connection: Connection) -> None:
    listen()
    pause_connection(connection.id, "Broken.")
    clock_check.is_trusted()  # the clock was right until now
    cleanup.delete_old()
    assert db.session.scalars(select(PlatformEvent.type)).all() == ["connection_broken"]
    with time_machine.travel(now() + timedelta(days=40)):
        clock_check.confirm()
        cleanup.delete_old()
    assert db.session.scalars(select(PlatformEvent.type)).all() == []
