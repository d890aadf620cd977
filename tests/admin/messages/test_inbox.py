"""The inbox: received messages, unread counts, and replies."""

from __future__ import annotations

import json
import re
import urllib.request
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.connections import demo
from hub.core.vocabulary import Channel, Role
from hub.db.engine import db
from hub.db.types import now
from hub.integrations.base import Inbound
from hub.messaging.inbox import conversations, inbound
from hub.messaging.policy import session_windows
from hub.messaging.track.statuses import Origin
from hub.models import Connection, Message
from tests.conftest import Browser, config_of, serving
from tests.hub_fixtures import ERIC, process_pending_callbacks


def whatsapp() -> str:
    """Return the ID of the demo's WhatsApp connection."""
    return db.session.scalars(select(Connection.id).where(Connection.slug == "demo-whatsapp")).one()


def receive_text(connection_id: str, text: str, n: int = 1) -> None:
    sender = db.session.get_one(Connection, connection_id).sender
    inbound_message = Inbound(
        provider_id=f"SM{n:032x}",
        channel=Channel.WHATSAPP,
        senders=(sender,),
        address=ERIC,
        text=text,
    )
    inbound.store_inbound(inbound_message, Origin("callback", [connection_id]), now())


def prepared(app: Flask) -> str:
    with app.app_context():
        demo.prepare()
        receive_text(whatsapp(), "Is this the final version?")
        return conversations.newest_conversations(1)[0].row.id


def test_empty_inbox_explains_its_purpose(admin: Browser) -> None:
    assert "No messages received" in admin.get("/inbox").text


def test_unread_messages_are_counted_in_the_rail(app: Flask, admin: Browser) -> None:
    conversation_id = prepared(app)
    page = admin.get("/inbox").text
    assert "Is this the final version?" in page
    assert "1 new" in page
    assert "1 unread conversation" in page
    assert admin.post(f"/inbox/{conversation_id}/read").status_code == 303
    page = admin.get("/inbox").text
    assert "1 new" not in page
    assert "1 unread conversation" not in page
    assert "No unread messages" in admin.get("/inbox?show=unread").text


def test_operator_replies_while_the_window_is_open(app: Flask, browser_for: Any) -> None:
    conversation_id = prepared(app)
    operator = browser_for(Role.OPERATOR)
    assert "open for 23 h 59 min" in operator.get(f"/inbox/{conversation_id}").text
    assert operator.post(f"/inbox/{conversation_id}", {"text": "Yes, it is."}).status_code == 303
    page = operator.get(f"/inbox/{conversation_id}").text
    assert page.index("Is this the final version?") < page.index("Yes, it is.")
    with app.app_context():
        assert [message.status for message in db.session.scalars(select(Message))] == ["queued"]
        assert conversations.count_unread() == 0


@pytest.mark.parametrize("text", ["  ", "\u202e", "\u2066 \u2069"])
def test_empty_reply_is_refused_at_its_field(app: Flask, admin: Browser, text: str) -> None:
    answer = admin.post(f"/inbox/{prepared(app)}", {"text": text})
    assert answer.status_code == 422
    assert "Enter the text of the reply." in answer.text


def test_closed_window_replaces_the_form_with_a_reason(app: Flask, admin: Browser) -> None:
    conversation_id = prepared(app)
    with app.app_context():
        conversation = conversations.get_conversation(conversation_id)
        session_windows.close_window(conversation.connection.sender, conversation.row.contact_id)
    page = admin.get(f"/inbox/{conversation_id}").text
    assert "The 24-hour window is closed" in page
    assert "<textarea" not in page
    assert admin.post(f"/inbox/{conversation_id}", {"text": "Too late"}).status_code == 409


def test_viewer_reads_and_cannot_reply(app: Flask, browser_for: Any) -> None:
    conversation_id = prepared(app)
    viewer = browser_for(Role.VIEWER)
    page = viewer.get(f"/inbox/{conversation_id}").text
    assert "Is this the final version?" in page
    assert "<textarea" not in page
    assert viewer.post(f"/inbox/{conversation_id}", {"text": "Hello"}).status_code == 403


def test_unknown_conversation_is_not_found(admin: Browser) -> None:
    assert admin.get("/inbox/cnv_019aa5c2-71f8-7b3e-9c40-2d6f8a1be41c").status_code == 404


def test_attachment_is_downloaded_through_the_hub_and_never_displayed(
    app: Flask, admin: Browser, simulator: Any, anonymous: Browser
) -> None:
    with app.app_context():
        demo.prepare()
        whatsapp_id = whatsapp()
        config = config_of(app)
        with serving(app, config.bind.port):
            reply_url = f"{config.simulator_url}/simulator/phones/%2B13175551234/reply"
            body = json.dumps({"channel": "whatsapp", "text": "Here it is", "media": True}).encode()
            urllib.request.urlopen(
                urllib.request.Request(reply_url, body, {"Content-Type": "application/json"}),
                timeout=10,
            ).close()
        process_pending_callbacks()
        conversation = conversations.newest_conversations(1)[0].row
        assert conversation.connection_id == whatsapp_id
    page = admin.get(f"/inbox/{conversation.id}").text
    assert "Image" in page
    [href] = re.findall(r'href="(/inbox/files/[^"]+)"', page)
    answer = admin.get(href)
    assert (answer.status_code, answer.headers["Content-Type"], answer.data[:4]) == (
        200,
        "image/png",
        b"\x89PNG",
    )
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
    for position in ("1", "²", "-1", "9" * 5000):
        assert admin.get(href[:-1] + position).status_code == 404
    assert anonymous.get(href).status_code in (302, 303)
