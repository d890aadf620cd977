"""Contents other than text in Telegram's updates."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hub.integrations.base import (
    Inbound,
    Unrecognized,
)
from hub.integrations.telegram.integration import Telegram
from tests.integrations.telegram_updates import (
    AT,
    ERIC,
    GROUP,
    PRESS,
    PRIVATE,
    make_message,
    make_request,
    parse,
)


def make_content_message(**content: Any) -> dict[str, Any]:
    update = make_message("", **content)
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
def test_message_without_text_or_file_is_a_content(
    content: dict[str, Any], kind: str, fields: dict[str, Any]
) -> None:
    (message,) = parse(make_content_message(**content))
    assert isinstance(message, Inbound)
    assert (
        message.text,
        [(content_part.kind.value, dict(content_part.fields)) for content_part in message.contents],
    ) == (
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
def test_service_message_is_not_a_content(name: str) -> None:
    assert parse(make_content_message(**{name: True})) == []


def test_edited_message_is_a_new_message_that_names_the_earlier_one() -> None:
    update = make_message("Tuesday, please")
    update["edited_message"] = {**update.pop("message"), "edit_date": int(AT.timestamp()) + 60}
    (message,) = parse(update)
    assert isinstance(message, Inbound)
    assert (message.text, message.provider_id) == (
        "Tuesday, please",
        f"4711/5@{int(AT.timestamp()) + 60}",
    )
    assert [(content.kind.value, content.fields) for content in message.contents] == [
        ("edit", {"message": "4711/5"})
    ]


def test_moving_location_yields_no_new_event() -> None:
    update = make_content_message(location=VIENNA)
    update["edited_message"] = update.pop("message")
    assert parse(update) == []


@pytest.mark.parametrize(
    ("marks", "emoji"),
    [([{"type": "emoji", "emoji": "👍"}], "👍"), ([], ""), ([{"type": "paid"}], "(paid)")],
)
def test_reaction_names_its_message(marks: list[dict[str, str]], emoji: str) -> None:
    change = {
        "chat": PRIVATE,
        "user": ERIC,
        "message_id": 3,
        "date": int(AT.timestamp()),
        "old_reaction": [],
        "new_reaction": marks,
    }
    (message,) = parse({"update_id": 12, "message_reaction": change})
    assert isinstance(message, Inbound)
    assert [(content.kind.value, content.fields) for content in message.contents] == [
        ("reaction", {"emoji": emoji, "message": "4711/3"})
    ]
    assert parse({"update_id": 12, "message_reaction": {**change, "chat": GROUP}}) == []


def test_channel_posts_are_ignored() -> None:
    for name in ("channel_post", "edited_channel_post"):
        assert parse({"update_id": 13, name: make_message("Hi")["message"]}) == []


@pytest.mark.parametrize(
    "name", ["inline_query", "poll_answer", "business_message", "a_kind_of_tomorrow"]
)
def test_update_of_another_kind_is_named(name: str) -> None:
    (fact,) = parse({"update_id": 14, name: {"id": "1"}})
    assert isinstance(fact, Unrecognized)
    assert name in fact.description


@pytest.mark.parametrize(
    "chat", [None, {}, 5, {"id": 0}, {"id": "4711"}, {"id": True}, {"id": 2**70}]
)
@pytest.mark.parametrize(
    "name", ["message", "edited_message", "message_reaction", "my_chat_member"]
)
def test_update_without_a_usable_chat_is_listed_and_creates_no_contact(
    name: str, chat: Any
) -> None:
    chat_or_value = {**chat, "type": "private"} if isinstance(chat, dict) else chat
    part = {
        "message_id": 5,
        "date": 1795946500,
        "chat": chat_or_value,
        "from": ERIC,
        "text": "Hello",
    }
    [fact] = parse({"update_id": 9, name: part})
    assert isinstance(fact, Unrecognized)
    assert fact.description == f"Telegram sent an update of type “{name}” without a chat."


@pytest.mark.parametrize("data", ["menu:1", "", "yes", "x" * 64])
def test_button_of_another_bot_is_named_and_answered(data: str) -> None:
    foreign = make_request(
        {"update_id": 15, "callback_query": {**PRESS["callback_query"], "data": data}}
    )
    assert Telegram.clicked_tokens(foreign) == (data,)
    response = json.loads(Telegram.foreign_click_response(foreign)[1])
    assert (response["method"], response["callback_query_id"]) == ("answerCallbackQuery", "99")
    assert "does not belong to Signpost" in response["text"]
