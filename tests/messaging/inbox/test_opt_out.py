"""Conversations about not being written to: a message, STOP, a blocked send, START, a send that
works.
"""

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
from tests.messaging.inbox.opt_out_steps import ledger, receive_text, send
from tests.messaging.whatsapp_steps import claim_one, forget_window
from tests.messaging.whatsapp_steps import whatsapp as whatsapp

CHANNELS = [("sms", ""), ("whatsapp", "whatsapp:")]


def said() -> list[str]:
    """Return everything that we have queued, oldest first."""
    db.session.rollback()
    return [
        db.session.get_one(MessageBody, one.id).content["text"]
        for one in db.session.scalars(select(Message).order_by(Message.id))
    ]


@pytest.mark.parametrize(("channel", "prefix"), CHANNELS)
def test_stop_closes_and_start_opens(hub_demo: Flask, channel: str, prefix: str) -> None:
    receive_text(hub_demo, "Hello", prefix)
    assert send(channel) == "queued"
    receive_text(hub_demo, " stop ", prefix)
    assert send(channel) == "suppressed"
    receive_text(hub_demo, "Start", prefix)
    assert send(channel) == "queued"
    assert ledger() == [(False, channel, "keyword"), (True, channel, "keyword")]


@pytest.mark.parametrize(("prefix", "answers"), [("", []), ("whatsapp:", [opt_out.CONFIRMATION])])
def test_a_stop_is_confirmed_once_where_the_provider_does_not(
    hub_demo: Flask, whatsapp: Connection, prefix: str, answers: list[str]
) -> None:
    for _ in range(3):
        receive_text(hub_demo, "STOP", prefix)
    assert said() == answers
    if answers:
        claim = claim_one(whatsapp)
        assert claim is not None, "the confirmation goes to who wants nothing else"
        assert claim.outbound.text == opt_out.CONFIRMATION
        receive_text(hub_demo, "START", prefix)
        receive_text(hub_demo, "STOP", prefix)
        assert said() == answers * 2


def test_response_code_wins_over_the_error_text(hub_demo: Flask) -> None:
    receive_text(hub_demo, "Lasst mich in Ruhe", "", OptOutType="STOP")
    assert send("sms") == "suppressed"
    receive_text(hub_demo, "STOP", "", OptOutType="HELP")
    receive_text(hub_demo, "Gerne wieder", "", OptOutType="START")
    assert send("sms") == "queued"
    assert len(said()) == 2, "only what we sent ourselves"


@pytest.mark.parametrize(
    "text", ["Stop.", "please stop", "Opt-out", "STOP 🛑", "unsubscribe me", "“stop all”"]
)
def test_an_opt_out_may_be_decorated(hub_demo: Flask, text: str) -> None:
    receive_text(hub_demo, text, "")
    assert send("sms") == "suppressed"


@pytest.mark.parametrize("text", ["Stop by at noon?", "STOP it", "Can you stop by?", ""])
def test_a_sentence_closes_nothing(hub_demo: Flask, text: str) -> None:
    receive_text(hub_demo, text)
    assert send("whatsapp") == "queued"
    assert ledger() == []


def test_a_stop_holds_for_the_channel_it_was_written_on(hub_demo: Flask) -> None:
    receive_text(hub_demo, "Hello")
    receive_text(hub_demo, "STOP", "")
    assert (send("sms"), send("whatsapp")) == ("suppressed", "queued")


def test_a_stop_holds_everywhere_where_an_admin_says_so(hub_demo: Flask) -> None:
    opt_out.save_rules({}, everywhere=True)
    forget_window()
    receive_text(hub_demo, "Hello")
    receive_text(hub_demo, "STOP", "")
    assert (send("sms"), send("whatsapp")) == ("suppressed", "suppressed")
    receive_text(hub_demo, "START", "whatsapp:")
    assert (send("sms"), send("whatsapp")) == ("queued", "queued")


@pytest.mark.parametrize(
    "words", [("ABMELDEN", "abmelden"), ("Désabonner", "DESABONNER"), ("退订", "退订")]
)
def test_more_words_are_a_setting(hub_demo: Flask, words: tuple[str, str]) -> None:
    opt_out.save_rules({"stop": {"xx": f"{words[0]}, andere"}}, everywhere=False)
    forget_window()
    receive_text(hub_demo, words[1])
    assert send("whatsapp") == "suppressed"


@pytest.mark.parametrize(
    "words",
    [
        {"stop": {"de": "ENDE"}, "start": {"de": "Ende"}},
        {"stop": {"de": "🛑"}},
        {"stop": {"xx": "a-b"}, "help": {"xx": "AB"}},
        {"stop": {"de": "x" * 41}},
        {"help": {"de": "Hilfe"}, "stop": {"en": "HILFE"}},
    ],
)
def test_a_word_with_two_meanings_or_no_end_is_refused(hub_demo: Flask, words: Any) -> None:
    with pytest.raises(Refused):
        opt_out.save_rules(words, everywhere=False)


def test_help_in_a_chat_names_the_command(hub_demo: Flask) -> None:
    demo.connect_chats()
    one = db.session.scalars(select(Connection).where(Connection.slug == "demo-telegram")).one()
    assert (
        opt_out.help_text(one.id)
        == "Demo Telegram: messages about documents for you to sign. Send /stop to opt out."
    )


def test_help_says_who_this_is_and_how_to_stop(hub_demo: Flask, whatsapp: Connection) -> None:
    receive_text(hub_demo, "help")
    assert said() == [
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
    assert said()[1:] == [opt_out.CONFIRMATION, "Acme HR, hr@acme.example. STOP ends it."]
    receive_text(hub_demo, "HELP", "")
    assert len(said()) == 3, "over SMS the provider answers"
