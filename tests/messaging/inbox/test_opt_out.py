"""Opt-out conversations: a message, STOP, a blocked message, START, a sent message."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.connections import demo
from hub.core.errors import Refused
from hub.db.engine import db
from hub.db.store import transaction
from hub.messaging.inbox import opt_out
from hub.models import Connection, Message, MessageBody
from hub.shared.sentences import sentence
from tests.messaging.inbox.opt_out_steps import list_consents, receive_text, send
from tests.messaging.whatsapp_steps import claim_one, forget_window
from tests.messaging.whatsapp_steps import whatsapp as whatsapp

CONFIRMATION = sentence("opted_out", "en")

CHANNELS = [("sms", ""), ("whatsapp", "whatsapp:")]


def queued_texts() -> list[str]:
    """Return the texts of all queued messages, oldest first."""
    db.session.rollback()
    return [
        db.session.get_one(MessageBody, message.id).content["text"]
        for message in db.session.scalars(select(Message).order_by(Message.id))
    ]


@pytest.mark.parametrize(("channel", "prefix"), CHANNELS)
def test_stop_blocks_and_start_unblocks(hub_demo: Flask, channel: str, prefix: str) -> None:
    receive_text(hub_demo, "Hello", prefix)
    assert send(channel) == "queued"
    receive_text(hub_demo, " stop ", prefix)
    assert send(channel) == "suppressed"
    receive_text(hub_demo, "Start", prefix)
    assert send(channel) == "queued"
    assert list_consents() == [(False, channel, "keyword"), (True, channel, "keyword")]


@pytest.mark.parametrize(("prefix", "answers"), [("", []), ("whatsapp:", [CONFIRMATION])])
def test_stop_is_confirmed_once_if_the_provider_does_not(
    hub_demo: Flask, whatsapp: Connection, prefix: str, answers: list[str]
) -> None:
    for _ in range(3):
        receive_text(hub_demo, "STOP", prefix)
    assert queued_texts() == answers
    if answers:
        claim = claim_one(whatsapp)
        assert claim is not None, "the confirmation goes to who wants nothing else"
        assert claim.outbound.text == CONFIRMATION
        receive_text(hub_demo, "START", prefix)
        receive_text(hub_demo, "STOP", prefix)
        assert queued_texts() == answers * 2


def test_response_code_takes_precedence_over_the_error_text(hub_demo: Flask) -> None:
    receive_text(hub_demo, "Lasst mich in Ruhe", "", OptOutType="STOP")
    assert send("sms") == "suppressed"
    receive_text(hub_demo, "STOP", "", OptOutType="HELP")
    receive_text(hub_demo, "Gerne wieder", "", OptOutType="START")
    assert send("sms") == "queued"
    assert len(queued_texts()) == 2, "only what we sent ourselves"


@pytest.mark.parametrize(
    "text", ["Stop.", "please stop", "Opt-out", "STOP 🛑", "unsubscribe me", "“stop all”"]
)
def test_opt_out_may_be_decorated(hub_demo: Flask, text: str) -> None:
    receive_text(hub_demo, text, "")
    assert send("sms") == "suppressed"


@pytest.mark.parametrize("text", ["Stop by at noon?", "STOP it", "Can you stop by?", ""])
def test_sentence_is_no_opt_out(hub_demo: Flask, text: str) -> None:
    receive_text(hub_demo, text)
    assert send("whatsapp") == "queued"
    assert list_consents() == []


def test_stop_applies_to_its_channel(hub_demo: Flask) -> None:
    receive_text(hub_demo, "Hello")
    receive_text(hub_demo, "STOP", "")
    assert (send("sms"), send("whatsapp")) == ("suppressed", "queued")


def test_stop_applies_everywhere_if_an_admin_chooses_so(hub_demo: Flask) -> None:
    opt_out.save_rules({}, everywhere=True)
    forget_window()
    receive_text(hub_demo, "Hello")
    receive_text(hub_demo, "STOP", "")
    assert (send("sms"), send("whatsapp")) == ("suppressed", "suppressed")
    receive_text(hub_demo, "START", "whatsapp:")
    assert (send("sms"), send("whatsapp")) == ("queued", "queued")


@pytest.mark.parametrize(
    "keywords", [("ABMELDEN", "abmelden"), ("Désabonner", "DESABONNER"), ("退订", "退订")]
)
def test_more_keywords_can_be_configured(hub_demo: Flask, keywords: tuple[str, str]) -> None:
    opt_out.save_rules({"stop": {"xx": f"{keywords[0]}, andere"}}, everywhere=False)
    forget_window()
    receive_text(hub_demo, keywords[1])
    assert send("whatsapp") == "suppressed"


@pytest.mark.parametrize(
    "keywords",
    [
        {"stop": {"de": "ENDE"}, "start": {"de": "Ende"}},
        {"stop": {"de": "🛑"}},
        {"stop": {"xx": "a-b"}, "help": {"xx": "AB"}},
        {"stop": {"de": "x" * 41}},
        {"help": {"de": "Hilfe"}, "stop": {"en": "HILFE"}},
    ],
)
def test_ambiguous_or_overlong_keyword_is_refused(hub_demo: Flask, keywords: Any) -> None:
    with pytest.raises(Refused):
        opt_out.save_rules(keywords, everywhere=False)


def test_help_in_a_chat_names_the_command(hub_demo: Flask) -> None:
    demo.connect_chats_and_mail()
    connection = db.session.scalars(
        select(Connection).where(Connection.slug == "demo-telegram")
    ).one()
    assert (
        opt_out.help_text(connection.id, "en")
        == "Demo Telegram: messages about documents for you to sign. Send /stop to opt out."
    )


def test_help_names_the_sender_and_how_to_opt_out(hub_demo: Flask, whatsapp: Connection) -> None:
    receive_text(hub_demo, "help")
    assert queued_texts() == [
        "Demo WhatsApp: messages about documents for you to sign. Reply STOP to opt out."
    ]

    @transaction
    def change() -> None:
        row = db.session.get_one(Connection, whatsapp.id)
        row.settings = {**row.settings, "help_text": "Acme HR, hr@acme.example. STOP ends it."}
        row.settings_version += 1

    change()
    receive_text(hub_demo, "STOP")
    receive_text(hub_demo, "INFO")
    assert queued_texts()[1:] == [CONFIRMATION, "Acme HR, hr@acme.example. STOP ends it."]
    receive_text(hub_demo, "HELP", "")
    assert len(queued_texts()) == 3, "over SMS the provider answers"
