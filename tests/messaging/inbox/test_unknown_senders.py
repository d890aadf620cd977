"""Messages from senders without a usable address."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.core.errors import Conflict
from hub.core.vocabulary import Address
from hub.db.engine import db
from hub.db.types import now
from hub.intake import callback_rows, process_callbacks
from hub.integrations.base import ChatLinked, ChatPermission
from hub.messaging.inbox import conversations
from hub.messaging.track.statuses import Origin
from hub.models import Contact, Conversation, SessionWindow, Suppression
from tests.conftest import Browser
from tests.hub_fixtures import (
    callbacks,
    count,
    credentials,
    post_callback,
    process_pending_callbacks,
)
from tests.messaging.inbox.content_forms import INBOUND, content_form, last_payload, sent

UNUSABLE = [
    "",
    "-",
    "anonymous",
    "Restricted",
    "+266696687",
    "+86282452253",
    "AMAZON",
    "22395",
    "whatsapp:",
    "whatsapp:anonymous",
    " ",
    "+",
    "sip:ann@pbx.example",
    "x" * 500,
]


@pytest.mark.parametrize("sender", UNUSABLE)
def test_message_without_a_usable_sender_creates_no_contact(
    hub_demo: Flask, admin: Browser, sender: str
) -> None:
    account = credentials(hub_demo)
    fields = content_form(hub_demo, From=sender, To=account.phone_number, Body="Where do I sign?")
    assert post_callback(hub_demo, fields, target=INBOUND).status_code == 200
    process_pending_callbacks()
    assert (count(Contact), count(SessionWindow), count(Suppression)) == (0, 0, 0)
    if sender.startswith("sip:"):
        assert "sip" in callbacks()[0].error
        return
    [conversation] = conversations.newest_conversations(9)
    for path in ("/inbox", f"/inbox/{conversation.row.id}"):
        page = admin.get(path).text
        assert "Unknown sender" in page
        assert "Where do I sign?" in page
        assert "Erased" not in page
    assert last_payload()["from"] == ""
    assert "You cannot reply to this message" in admin.get(f"/inbox/{conversation.row.id}").text
    with pytest.raises(Conflict, match="you cannot reply"):
        conversations.send_reply(conversation.row.id, "Here")
    conversations.mark_read(conversation.row.id)
    assert conversations.count_unread() == 0


def test_unknown_senders_are_separate_conversations(hub_demo: Flask, admin: Browser) -> None:
    for n, text in enumerate(("First", "Second")):
        account = credentials(hub_demo)
        post_callback(
            hub_demo,
            content_form(
                hub_demo, From="", To=account.phone_number, Body=text, MessageSid=f"SM{n:032x}"
            ),
            target=INBOUND,
        )
    process_pending_callbacks()
    summaries = conversations.newest_conversations(9)
    assert len(summaries) == 2
    for conversation, (own_text, other_text) in zip(
        summaries, (("Second", "First"), ("First", "Second")), strict=True
    ):
        page = admin.get(f"/inbox/{conversation.row.id}").text
        assert own_text in page
        assert other_text not in page


def test_stop_without_a_sender_adds_no_opt_out(hub_demo: Flask) -> None:
    sent(hub_demo, From="anonymous", To=credentials(hub_demo).phone_number, Body="STOP")
    assert (count(Suppression), count(Contact)) == (0, 0)


def test_empty_message_without_a_sender_is_set_aside(hub_demo: Flask) -> None:
    post_callback(
        hub_demo,
        content_form(hub_demo, From="", To=credentials(hub_demo).phone_number, NumMedia="0"),
        target=INBOUND,
    )
    process_pending_callbacks()
    [row] = callbacks()
    assert (row.due_at, "no sender" in row.error, count(Conversation)) == (None, True, 0)


def test_whatsapp_user_id_is_a_usable_sender(hub_demo: Flask) -> None:
    sent(hub_demo, From="whatsapp:DE.4411223344", Body="Hello")
    [contact] = db.session.scalars(select(Contact))
    assert (contact.kind, contact.address) == (Address.EXTERNAL, "DE.4411223344")


@pytest.mark.parametrize(
    "fact",
    [
        ChatLinked(address="", token="x"),
        ChatPermission(address=" "),
        ChatLinked(address="", team=True),
    ],
)
def test_event_without_an_address_creates_no_contact(hub_demo: Flask, fact: Any) -> None:
    callback_row = callback_rows.CallbackRow(
        "rcp_x",
        None,
        b"",
        now(),
        now(),
        0,
        "",
        other_events=[(fact, Origin("callback", ["con_x"]))],
    )
    process_callbacks._apply_other_events(callback_row)
    assert (callback_row.error, callback_row.final) == (
        "This webhook contains no sender or recipient address.",
        True,
    )
    assert count(Contact) == 0
