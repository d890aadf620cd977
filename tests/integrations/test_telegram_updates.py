"""Telegram's updates are read, and only genuine ones are accepted."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.data_dir import SimulatorCredentials
from hub.core.errors import BadWebhook
from hub.core.vocabulary import Address, Channel
from hub.integrations.base import (
    ButtonPress,
    ChatLinked,
    ChatPermission,
    Inbound,
    Unrecognized,
    WebhookRequest,
)
from hub.integrations.telegram.integration import SECRET, Telegram
from hub.lib import provider_http
from hub.messaging.contacts.keywords import Keyword, keyword_of

SETTINGS = (
    Telegram.demo_settings(
        SimulatorCredentials("AC" + "1" * 32, "t" * 32, "SK" + "2" * 32, "s" * 32)
    )
    or {}
)
BOT = Telegram(SETTINGS, provider_http.ProviderHttpClient())
PROOF = BOT._secret()
AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
ERIC = {"id": 4711, "is_bot": False, "first_name": "Eric", "last_name": "Smith", "username": "eric"}
PRIVATE = {"id": 4711, "type": "private"}
GROUP = {"id": -1001234567890, "type": "supergroup", "title": "Acme signing"}
TOKEN = "aZ09_-aZ09_-"


def request(update: Any, **headers: str) -> WebhookRequest:
    body = update if isinstance(update, bytes) else json.dumps(update).encode()
    given = {"content-type": "application/json", SECRET: PROOF, **headers}
    return WebhookRequest(
        "POST",
        "https://hub.example/api/rpc/webhooks/telegram/bot",
        "telegram/{connection}",
        given,
        body,
        "bot",
    )


def message(text: str, chat: dict[str, Any] = PRIVATE, **more: Any) -> dict[str, Any]:
    return {
        "update_id": 9,
        "message": {
            "message_id": 5,
            "from": ERIC,
            "chat": chat,
            "date": int(AT.timestamp()),
            "text": text,
            **more,
        },
    }


def facts(update: Any) -> list[Any]:
    return BOT.parse_events(request(update))


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
        Telegram.receipt_key(request(message("Hi")))
        == Telegram.receipt_key(request(message("Hello")))
        == ("9", "update")
    )
    assert Telegram.receipt_key(
        request({**message("Hi"), "update_id": 10})
    ) != Telegram.receipt_key(request(message("Hi")))
    assert Telegram.receipt_key(request(b"?"))[0]


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


def test_what_a_person_writes_is_kept_with_what_it_answers() -> None:
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
def test_what_a_group_says_is_its_own_business(text: str) -> None:
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
PRESS = {
    "update_id": 10,
    "callback_query": {
        "id": "99",
        "from": ERIC,
        "data": TOKEN,
        "message": {"message_id": 7, "chat": GROUP, "date": 0},
    },
}


def test_a_press_brings_the_buttons_token_and_who_pressed() -> None:
    assert facts(PRESS) == [
        ButtonPress(token=TOKEN, who="Eric Smith", provider_id="-1001234567890/7")
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


# ── Chats ─────────────────────────────────────────────────────────────────────────────────────────
def membership(status: str, chat: dict[str, Any]) -> dict[str, Any]:
    changed = {
        "chat": chat,
        "from": ERIC,
        "date": int(AT.timestamp()),
        "new_chat_member": {"status": status, "user": {"id": 1}},
    }
    return {"update_id": 11, "my_chat_member": changed}


@pytest.mark.parametrize(
    ("status", "chat", "wanted", "why"),
    [
        ("kicked", PRIVATE, False, "blocked"),
        ("member", PRIVATE, True, "unblocked"),
        ("kicked", GROUP, False, "removed"),
        ("left", GROUP, False, "removed"),
        ("member", GROUP, True, "added"),
        ("administrator", GROUP, True, "added"),
    ],
)
def test_a_chat_that_lets_us_in_or_throws_us_out_says_so(
    status: str, chat: dict[str, Any], wanted: bool, why: str
) -> None:
    (change,) = facts(membership(status, chat))
    assert isinstance(change, ChatPermission)
    assert (change.wanted, change.address, change.kind, change.at) == (
        wanted,
        str(chat["id"]),
        Address.CHAT,
        AT,
    )
    assert why in change.why
    assert change.why.endswith(".")


def test_a_membership_that_says_too_little_tells_nothing() -> None:
    assert facts(membership("restricted", GROUP)) == []
    assert facts(membership("", GROUP)) == []


# ── Anything else ─────────────────────────────────────────────────────────────────────────────────
NAMES = st.sampled_from(
    [
        "message",
        "callback_query",
        "my_chat_member",
        "chat",
        "from",
        "id",
        "type",
        "text",
        "date",
        "data",
        "update_id",
        "new_chat_member",
        "status",
        "message_id",
        "reply_to_message",
    ]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from(["/start x", "private", "kicked"])
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=20,
)


@given(update=JSON | st.dictionaries(NAMES, JSON))
def test_no_update_is_too_strange_to_be_read(update: Any) -> None:
    strange = request(update)
    assert BOT.parse_events(strange) == BOT.parse_events(strange)
    assert all(Telegram.receipt_key(strange)[:1])
    assert json.loads(Telegram.webhook_response(strange, True)[1]) is not None


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"[" * 100_000, b'{"update_id": ' + b"9" * 5000 + b"}", b"null", b"[]", b"1"],
)
def test_what_is_no_update_is_set_aside(body: bytes) -> None:
    assert [type(fact) for fact in facts(body)] == [Unrecognized]
    assert Telegram.webhook_response(request(body), True) == ("application/json", "{}")
    assert Telegram.receipt_key(request(body))[0]


# ── Contents ──────────────────────────────────────────────────────────────────────────────────────
def holding(**content: Any) -> dict[str, Any]:
    update = message("", **content)
    del update["message"]["text"]
    return update


VIENNA = {"latitude": 48.2082, "longitude": 16.3738}


@pytest.mark.parametrize(
    ("content", "kind", "fields"),
    [
        ({"location": VIENNA}, "location", {**VIENNA, "label": "", "address": ""}),
        (
            {
                "venue": {"location": VIENNA, "title": "Hofburg", "address": "Heldenplatz"},
                "location": VIENNA,
            },
            "location",
            {**VIENNA, "label": "Hofburg", "address": "Heldenplatz"},
        ),
        (
            {"contact": {"phone_number": "+43123456", "first_name": "Ann", "last_name": "Lee"}},
            "contact",
            {"name": "Ann Lee", "phones": ["+43123456"], "emails": []},
        ),
        ({"sticker": {"emoji": "🎉", "file_id": "x"}}, "sticker", {"emoji": "🎉"}),
        ({"dice": {"emoji": "🎲", "value": 4}}, "dice", {"emoji": "🎲", "value": 4}),
        (
            {"poll": {"question": "When?", "options": [{"text": "Mon"}, {"text": "Tue"}]}},
            "poll",
            {"question": "When?", "options": ["Mon", "Tue"]},
        ),
        ({"location": {"latitude": None}}, "other", {"type": "location"}),
        ({"venue": 5}, "other", {"type": "location"}),
        ({"story": {"id": 1}}, "other", {"type": "story"}),
        ({"a_kind_of_tomorrow": {}}, "other", {"type": "a_kind_of_tomorrow"}),
    ],
)
def test_what_is_neither_text_nor_file_is_a_content(
    content: dict[str, Any], kind: str, fields: dict[str, Any]
) -> None:
    (came,) = facts(holding(**content))
    assert isinstance(came, Inbound)
    assert (came.text, [(one.kind.value, dict(one.fields)) for one in came.contents]) == (
        "",
        [(kind, fields)],
    )


@pytest.mark.parametrize(
    "name",
    [
        "new_chat_members",
        "pinned_message",
        "group_chat_created",
        "video_chat_started",
        "forum_topic_closed",
    ],
)
def test_no_service_message_is_a_content(name: str) -> None:
    assert facts(holding(**{name: True})) == []


def test_an_edited_message_is_a_message_of_its_own_that_names_the_earlier_one() -> None:
    update = message("Tuesday, please")
    update["edited_message"] = {**update.pop("message"), "edit_date": int(AT.timestamp()) + 60}
    (came,) = facts(update)
    assert isinstance(came, Inbound)
    assert (came.text, came.provider_id) == (
        "Tuesday, please",
        f"4711/5@{int(AT.timestamp()) + 60}",
    )
    assert [(one.kind.value, one.fields) for one in came.contents] == [
        ("edit", {"message": "4711/5"})
    ]


def test_a_location_that_moves_says_nothing_new() -> None:
    update = holding(location=VIENNA)
    update["edited_message"] = update.pop("message")
    assert facts(update) == []


@pytest.mark.parametrize(
    ("marks", "emoji"),
    [([{"type": "emoji", "emoji": "👍"}], "👍"), ([], ""), ([{"type": "paid"}], "(paid)")],
)
def test_a_reaction_names_the_message_that_it_is_about(
    marks: list[dict[str, str]], emoji: str
) -> None:
    change = {
        "chat": PRIVATE,
        "user": ERIC,
        "message_id": 3,
        "date": int(AT.timestamp()),
        "old_reaction": [],
        "new_reaction": marks,
    }
    (came,) = facts({"update_id": 12, "message_reaction": change})
    assert isinstance(came, Inbound)
    assert [(one.kind.value, one.fields) for one in came.contents] == [
        ("reaction", {"emoji": emoji, "message": "4711/3"})
    ]
    assert facts({"update_id": 12, "message_reaction": {**change, "chat": GROUP}}) == []


def test_what_a_channel_posts_is_its_own_business() -> None:
    for name in ("channel_post", "edited_channel_post"):
        assert facts({"update_id": 13, name: message("Hi")["message"]}) == []


@pytest.mark.parametrize(
    "name", ["inline_query", "poll_answer", "business_message", "a_kind_of_tomorrow"]
)
def test_an_update_of_another_kind_says_what_it_is(name: str) -> None:
    (fact,) = facts({"update_id": 14, name: {"id": "1"}})
    assert isinstance(fact, Unrecognized)
    assert name in fact.what


@pytest.mark.parametrize(
    "chat", [None, {}, 5, {"id": 0}, {"id": "4711"}, {"id": True}, {"id": 2**70}]
)
@pytest.mark.parametrize(
    "name", ["message", "edited_message", "message_reaction", "my_chat_member"]
)
def test_update_without_a_usable_chat_is_listed_and_makes_no_contact(name: str, chat: Any) -> None:
    where = {**chat, "type": "private"} if isinstance(chat, dict) else chat
    part = {"message_id": 5, "date": 1795946500, "chat": where, "from": ERIC, "text": "Hello"}
    [fact] = BOT.facts(request({"update_id": 9, name: part}))
    assert isinstance(fact, Unrecognized)
    assert fact.what == f"Telegram sent an update of the kind {name!r} that names no chat."


@pytest.mark.parametrize("data", ["menu:1", "", "yes", "x" * 64])
def test_a_button_of_another_bot_is_named_and_answered_so(data: str) -> None:
    foreign = request(
        {"update_id": 15, "callback_query": {**PRESS["callback_query"], "data": data}}
    )
    assert Telegram.clicked_tokens(foreign) == (data,)
    told = json.loads(Telegram.foreign_click_response(foreign)[1])
    assert (told["method"], told["callback_query_id"]) == ("answerCallbackQuery", "99")
    assert "does not belong to Signpost" in told["text"]
