"""Markdown and MarkdownV2 as Telegram parses them, and entities it detects itself."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.simulator.telegram import entities, markdown
from hub.simulator.telegram.errors import TelegramError
from tests.effort import examples
from tests.simulator.test_telegram_api import call_ok, refusal, start_bot, team_chat

RESERVED_ALONE = "]()>#+-=|{}.!"
PARSERS = [markdown.parse_v2, markdown.parse_legacy, entities.parse]
ACTIONS = ["typing", "upload_document", "choose_sticker"]


def entity_spans(formatted: entities.Formatted) -> list[tuple[str, int, int]]:
    return [(entity["type"], entity["offset"], entity["length"]) for entity in formatted.entities]


def parse_error(text: str, parse: Any = markdown.parse_v2) -> str:
    with pytest.raises(TelegramError) as caught:
        parse(text)
    assert caught.value.code == 400
    return caught.value.description.removeprefix("Bad Request: can't parse entities: ")


@pytest.mark.parametrize("char", [char for char in RESERVED_ALONE if char != ">"])
def test_unescaped_reserved_character_is_refused(simulator, char):
    text = f"Total{char}"
    expected = f"Character '{char}' is reserved and must be escaped with the preceding '\\'"
    answer = refusal(
        simulator, "sendMessage", chat_id=team_chat(simulator), text=text, parse_mode="MarkdownV2"
    )
    assert answer == (400, f"Bad Request: can't parse entities: {expected}")
    escaped = f"Total\\{char}"
    message = call_ok(
        simulator,
        "sendMessage",
        chat_id=team_chat(simulator),
        text=escaped,
        parse_mode="MarkdownV2",
    )
    assert message["text"] == text


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("é_open", "Can't find end of Italic entity at byte offset 2"),
        ("é *open", "Can't find end of Bold entity at byte offset 3"),
        ("_a *b_", "Can't find end of Italic entity at byte offset 5"),
        ("a ~b", "Can't find end of Strikethrough entity at byte offset 2"),
        ("a `b", "Can't find end of Code entity at byte offset 2"),
        ("```", "Can't find end of Pre entity at byte offset 0"),
        ("```py x", "Can't find end of PreCode entity at byte offset 0"),
        ("x||y\\|", "Can't find end of Spoiler entity at byte offset 1"),
        ("_x__", "Can't find end of Underline entity at byte offset 2"),
        ("[a](b", "Can't find end of a URL at byte offset 3"),
        ("[a", "Can't find end of TextUrl entity at byte offset 0"),
        ("![👍]", "Custom emoji entity must contain a tg://emoji URL"),
        ("a > b", "Character '>' is reserved and must be escaped with the preceding '\\'"),
    ],
)
def test_missing_end_is_refused_with_its_position(text, error):
    assert parse_error(text) == error


@pytest.mark.parametrize(
    ("text", "plain", "expected"),
    [
        ("*NDA* _waits_", "NDA waits", [("bold", 0, 3), ("italic", 4, 5)]),
        (
            "🖊 __u__ ~s~ ||p||",
            "🖊 u s p",
            [("underline", 3, 1), ("strikethrough", 5, 1), ("spoiler", 7, 1)],
        ),
        ("_a *b*_", "a b", [("italic", 0, 3), ("bold", 2, 1)]),
        ("_a __b___", "a b", [("italic", 0, 3), ("underline", 2, 1)]),
        ("`1 < 2 *x*`", "1 < 2 *x*", [("code", 0, 9)]),
        ("```python\nx = 1```", "x = 1", [("pre", 0, 5)]),
        ("[here](https://sign.example/a\\)b)", "here", [("text_link", 0, 4)]),
        ("[here](nowhere)", "here", []),
        (">first\n>second\nrest", "first\nsecond\nrest", [("blockquote", 0, 12)]),
        ("\\*no\\* \\_no\\_", "*no* _no_", []),
        ("**", "", []),
        ("1 \\\\ 2", "1 \\ 2", []),
    ],
)
def test_markdown_v2_is_parsed(text, plain, expected):
    read = markdown.parse_v2(text)
    assert (read.text, entity_spans(read)) == (plain, expected)


@pytest.mark.parametrize(
    ("text", "plain", "expected"),
    [
        ("*NDA* _waits_ - 1.5!", "NDA waits - 1.5!", [("bold", 0, 3), ("italic", 4, 5)]),
        ("[here](https://sign.example) `x_y`", "here x_y", [("text_link", 0, 4), ("code", 5, 3)]),
        ("```\na*b```", "a*b", [("pre", 0, 3)]),
        ("*a _b_*", "a _b_", [("bold", 0, 5)]),
        ("a\\_b \\x", "a_b \\x", []),
    ],
)
def test_legacy_markdown_is_parsed(text, plain, expected):
    read = markdown.parse_legacy(text)
    assert (read.text, entity_spans(read)) == (plain, expected)


@pytest.mark.parametrize(("text", "offset"), [("a_b", 1), ("é *b", 3), ("x [y", 2), ("```a``", 0)])
def test_legacy_markdown_error_names_the_byte_offset(text, offset):
    error = parse_error(text, markdown.parse_legacy)
    assert error == f"Can't find end of the entity starting at byte offset {offset}"


@settings(max_examples=examples(300), deadline=None)
@given(st.text(max_size=80))
def test_escaped_text_is_parsed_literally(text):
    escaped = "".join(f"\\{char}" if char in markdown.RESERVED + "\\" else char for char in text)
    read = markdown.parse_v2(escaped)
    assert read.text == text.strip()
    assert not [span for span in entity_spans(read) if span[0] in markdown.MARKS]


@settings(max_examples=examples(500), deadline=None)
@given(
    text=st.text(st.sampled_from("ab _*~`|[]()>!\\\n.é🖊"), max_size=40),
    parse=st.sampled_from(PARSERS),
)
def test_any_text_is_parsed_or_refused(text, parse):
    try:
        read = parse(text)
    except TelegramError as error:
        read = None
        description = error.description
    if read is None:
        assert description.startswith("Bad Request: can't parse entities: ")
        return
    units = len(read.text.encode("utf-16-le")) // 2
    assert all(entity["offset"] + entity["length"] <= units for entity in read.entities)
    assert min((entity["offset"] for entity in read.entities), default=0) >= 0
    assert min((entity["length"] for entity in read.entities), default=1) > 0
    assert str(read.html).count("<strong>") == str(read.html).count("</strong>")


@pytest.mark.parametrize("mode", ["Markdown", "MarkdownV2", "markdownv2", "MARKDOWN", "HTML"])
def test_parse_modes_are_case_insensitive(simulator, mode):
    message = call_ok(
        simulator, "sendMessage", chat_id=team_chat(simulator), text="Hello", parse_mode=mode
    )
    assert message["text"] == "Hello"


def test_unknown_parse_mode_is_refused(simulator):
    answer = refusal(
        simulator, "sendMessage", chat_id=team_chat(simulator), text="Hello", parse_mode="BBCode"
    )
    assert answer == (400, "Bad Request: unsupported parse_mode")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sign: https://sign.example/r/1?a=b.", [("url", 6, 28)]),
        ("🖊 see telegram.org/faq, please", [("url", 7, 16)]),
        ("/start now", [("bot_command", 0, 6)]),
        ("try /help@SignpostDemoBot", [("bot_command", 4, 21)]),
        ("ask @SignpostDemoBot or mail dana@acme.example", [("mention", 4, 16), ("email", 29, 17)]),
        ("#nda 1/2 a/b", [("hashtag", 0, 4)]),
        ("3.14 is no address, nor is a.b", []),
    ],
)
def test_web_addresses_and_commands_are_detected(simulator, text, expected):
    message = call_ok(simulator, "sendMessage", chat_id=team_chat(simulator), text=text)
    assert [
        (entity["type"], entity["offset"], entity["length"])
        for entity in message.get("entities", [])
    ] == expected


def test_code_and_links_contain_no_detected_entities(simulator):
    sent_message = (
        '<code>https://sign.example</code> <a href="https://sign.example">https://other.example</a>'
    )
    message = call_ok(
        simulator, "sendMessage", chat_id=team_chat(simulator), text=sent_message, parse_mode="HTML"
    )
    assert [entity["type"] for entity in message["entities"]] == ["code", "text_link"]


@pytest.mark.parametrize("action", ACTIONS)
def test_chat_action_is_accepted(simulator, action):
    assert call_ok(simulator, "sendChatAction", chat_id=team_chat(simulator), action=action) is True


def test_chat_action_is_refused_like_a_message(simulator):
    answer = refusal(simulator, "sendChatAction", chat_id=team_chat(simulator), action="dancing")
    assert answer == (400, "Bad Request: wrong parameter action in request")
    assert refusal(simulator, "sendChatAction", chat_id=1, action="typing") == (
        400,
        "Bad Request: chat not found",
    )
    assert call_ok(
        simulator, "sendChatAction", chat_id=start_bot(simulator, "Ada Byron"), action="typing"
    )


def test_team_is_a_supergroup(simulator):
    chat = call_ok(simulator, "getChat", chat_id=team_chat(simulator))
    assert str(chat["id"]).startswith("-100")
    assert chat["type"] == "supergroup"
