"""Telegram's updates are read, and only genuine ones are accepted."""

from __future__ import annotations

import json

import pytest

from hub.core.errors import BadWebhook
from hub.core.vocabulary import Address, Channel
from hub.integrations.base import (
    ButtonPress,
    ChatLinked,
    Inbound,
)
from hub.integrations.telegram.integration import SECRET, Telegram
from hub.lib import provider_http
from hub.messaging.contacts.keywords import Keyword, keyword_of
from tests.integrations.telegram_updates import (
    AT,
    BOT,
    GROUP,
    PRESS,
    PRIVATE,
    PROOF,
    SETTINGS,
    TOKEN,
    facts,
    message,
    request,
)


# ── Who may send them ─────────────────────────────────────────────────────────────────────────────
def test_the_secret_token_proves_an_update() -> None:
    BOT.verify(request(message("Hi")))


@pytest.mark.parametrize(
    "token", ["", "x", PROOF[:-1], PROOF + "x", PROOF.upper(), "é" * 64, SETTINGS["token"]]
)
def test_another_secret_token_proves_nothing(token: str) -> None:
    with pytest.raises(BadWebhook):
        BOT.verify(request(message("Hi"), **{SECRET: token}))


def test_another_bots_secret_token_proves_nothing() -> None:
    other = Telegram(
        {**SETTINGS, "token": SETTINGS["token"][:-1] + "x"}, provider_http.ProviderHttpClient()
    )
    with pytest.raises(BadWebhook, match="Set webhook"):
        other.verify(request(message("Hi")))


def test_an_update_is_told_from_its_repeat_by_its_number() -> None:
    assert (
        Telegram.callback_key(request(message("Hi")))
        == Telegram.callback_key(request(message("Hello")))
        == ("9", "update")
    )
    assert Telegram.callback_key(
        request({**message("Hi"), "update_id": 10})
    ) != Telegram.callback_key(request(message("Hi")))
    assert Telegram.callback_key(request(b"?"))[0]


# ── People ────────────────────────────────────────────────────────────────────────────────────────
def test_a_link_that_is_opened_brings_its_token_the_chat_and_the_name() -> None:
    assert facts(message(f"/start {TOKEN}")) == [
        ChatLinked(at=AT, token=TOKEN, address="4711", name="Eric Smith", team=False)
    ]


@pytest.mark.parametrize("command", ["/start@SignpostDemoBot", "/START@signpostdemobot"])
def test_a_link_that_takes_the_bot_into_a_group_brings_the_group(command: str) -> None:
    assert facts(message(f"{command} {TOKEN}", GROUP)) == [
        ChatLinked(at=AT, token=TOKEN, address="-1001234567890", name="Acme signing", team=True)
    ]


@pytest.mark.parametrize("command", ["/start@OtherBot", "/start"])
def test_a_command_that_may_be_for_another_bot_is_not_for_us(command: str) -> None:
    assert facts(message(f"{command} {TOKEN}", GROUP)) == []


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("/stop", Keyword.STOP),
        ("/Stop@SignpostDemoBot", Keyword.STOP),
        ("/start", Keyword.START),
        ("/help", Keyword.HELP),
        ("/start what is this?", Keyword.START),
        ("STOP", Keyword.STOP),
        ("stop", Keyword.STOP),
    ],
)
def test_stop_start_and_help_are_read_like_everywhere(text: str, meant: Keyword) -> None:
    (came,) = facts(message(text))
    assert isinstance(came, Inbound)
    assert keyword_of(came.text) == meant


def test_inbound_message_is_stored_with_the_message_it_answers() -> None:
    (came,) = facts(message("When is it due?", reply_to_message={"message_id": 3, "chat": PRIVATE}))
    assert came == Inbound(
        at=AT,
        provider_id="4711/5",
        channel=Channel.CHAT,
        senders=("@signpostdemobot",),
        kind=Address.CHAT,
        address="4711",
        name="Eric Smith",
        text="When is it due?",
        in_reply_to="4711/3",
    )
    assert came.address == Telegram.clean_address(came.address)
    assert came.senders == (Telegram.senders_of(SETTINGS).default,)


def test_a_file_that_a_person_sends_is_told_by_its_caption_or_its_kind() -> None:
    photo = message("", photo=[{"file_id": "x"}])
    del photo["message"]["text"]
    assert [came.text for came in facts(photo)] == ["(photo)"]
    photo["message"]["caption"] = "My ID card"
    assert [came.text for came in facts(photo)] == ["My ID card"]


@pytest.mark.parametrize("text", ["Hello all", "/stop", "/help@SignpostDemoBot", "/start", "STOP"])
def test_group_messages_are_ignored(text: str) -> None:
    assert facts(message(text, GROUP)) == []


def test_service_messages_tell_nothing() -> None:
    moved = message(
        "", {"id": -12, "type": "group", "title": "Acme"}, migrate_to_chat_id=-1001234567890
    )
    del moved["message"]["text"]
    assert facts(moved) == []
    moved["message"]["chat"] = PRIVATE
    assert facts(moved) == []


# ── Buttons ───────────────────────────────────────────────────────────────────────────────────────
def test_a_press_brings_the_buttons_token_and_who_pressed() -> None:
    assert facts(PRESS) == [
        ButtonPress(token=TOKEN, name="Eric Smith", provider_id="-1001234567890/7")
    ]


def test_a_press_is_answered_at_once_so_that_the_button_stops_spinning() -> None:
    for new in (True, False):
        kind, text = Telegram.webhook_response(request(PRESS), new)
        told = json.loads(text)
        assert (kind, told["method"], told["callback_query_id"]) == (
            "application/json",
            "answerCallbackQuery",
            "99",
        )
        assert len(told["text"]) <= 200


def test_other_updates_are_answered_with_nothing() -> None:
    assert Telegram.webhook_response(request(message("Hi")), True) == ("application/json", "{}")
