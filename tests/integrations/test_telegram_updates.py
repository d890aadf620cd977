"""Telegram's updates are parsed, and only genuine ones are accepted."""

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
from hub.messaging.contacts.keywords import Keyword, recognize_keyword
from tests.integrations.telegram_updates import (
    AT,
    BOT,
    GROUP,
    PRESS,
    PRIVATE,
    PROOF,
    SETTINGS,
    TOKEN,
    make_message,
    make_request,
    parse,
)


# ── Who may send them ─────────────────────────────────────────────────────────────────────────────
def test_secret_token_verifies_an_update() -> None:
    BOT.verify(make_request(make_message("Hi")))


@pytest.mark.parametrize(
    "token", ["", "x", PROOF[:-1], PROOF + "x", PROOF.upper(), "é" * 64, SETTINGS["token"]]
)
def test_different_secret_token_is_refused(token: str) -> None:
    with pytest.raises(BadWebhook):
        BOT.verify(make_request(make_message("Hi"), **{SECRET: token}))


def test_secret_token_of_another_bot_is_refused() -> None:
    other_bot = Telegram(
        {**SETTINGS, "token": SETTINGS["token"][:-1] + "x"}, provider_http.ProviderHttpClient()
    )
    with pytest.raises(BadWebhook, match="Set webhook"):
        other_bot.verify(make_request(make_message("Hi")))


def test_repeated_update_is_recognized_by_its_id() -> None:
    assert (
        Telegram.callback_key(make_request(make_message("Hi")))
        == Telegram.callback_key(make_request(make_message("Hello")))
        == ("9", "update")
    )
    assert Telegram.callback_key(
        make_request({**make_message("Hi"), "update_id": 10})
    ) != Telegram.callback_key(make_request(make_message("Hi")))
    assert Telegram.callback_key(make_request(b"?"))[0]


# ── People ────────────────────────────────────────────────────────────────────────────────────────
def test_deep_link_yields_its_token_the_chat_and_the_name() -> None:
    assert parse(make_message(f"/start {TOKEN}")) == [
        ChatLinked(at=AT, token=TOKEN, address="4711", name="Eric Smith", team=False)
    ]


@pytest.mark.parametrize("command", ["/start@SignpostDemoBot", "/START@signpostdemobot"])
def test_group_deep_link_yields_the_group(command: str) -> None:
    assert parse(make_message(f"{command} {TOKEN}", GROUP)) == [
        ChatLinked(at=AT, token=TOKEN, address="-1001234567890", name="Acme signing", team=True)
    ]


@pytest.mark.parametrize("command", ["/start@OtherBot", "/start"])
def test_command_for_another_bot_is_ignored(command: str) -> None:
    assert parse(make_message(f"{command} {TOKEN}", GROUP)) == []


@pytest.mark.parametrize(
    ("text", "keyword"),
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
def test_stop_start_and_help_commands_are_recognized(text: str, keyword: Keyword) -> None:
    (message,) = parse(make_message(text))
    assert isinstance(message, Inbound)
    assert recognize_keyword(message.text) == keyword


def test_inbound_message_is_stored_with_the_message_it_answers() -> None:
    (message,) = parse(
        make_message("When is it due?", reply_to_message={"message_id": 3, "chat": PRIVATE})
    )
    assert message == Inbound(
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
    assert message.address == Telegram.clean_address(message.address)
    assert message.senders == (Telegram.senders_of(SETTINGS).default,)


def test_file_is_described_by_its_caption_or_its_type() -> None:
    photo = make_message("", photo=[{"file_id": "x"}])
    del photo["message"]["text"]
    assert [message.text for message in parse(photo)] == ["(photo)"]
    photo["message"]["caption"] = "My ID card"
    assert [message.text for message in parse(photo)] == ["My ID card"]


@pytest.mark.parametrize("text", ["Hello all", "/stop", "/help@SignpostDemoBot", "/start", "STOP"])
def test_group_messages_are_ignored(text: str) -> None:
    assert parse(make_message(text, GROUP)) == []


def test_service_messages_yield_no_event() -> None:
    moved = make_message(
        "", {"id": -12, "type": "group", "title": "Acme"}, migrate_to_chat_id=-1001234567890
    )
    del moved["message"]["text"]
    assert parse(moved) == []
    moved["message"]["chat"] = PRIVATE
    assert parse(moved) == []


# ── Buttons ───────────────────────────────────────────────────────────────────────────────────────
def test_button_action_has_its_token_and_user() -> None:
    assert parse(PRESS) == [
        ButtonPress(token=TOKEN, name="Eric Smith", provider_id="-1001234567890/7")
    ]


def test_button_action_is_answered_in_the_webhook_response() -> None:
    for new in (True, False):
        kind, text = Telegram.webhook_response(make_request(PRESS), new)
        response = json.loads(text)
        assert (kind, response["method"], response["callback_query_id"]) == (
            "application/json",
            "answerCallbackQuery",
            "99",
        )
        assert len(response["text"]) <= 200


def test_other_updates_are_answered_with_an_empty_object() -> None:
    assert Telegram.webhook_response(make_request(make_message("Hi")), True) == (
        "application/json",
        "{}",
    )
