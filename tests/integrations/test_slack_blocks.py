"""Slack messages stay within every limit and keep their meaning, for any text."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block

from hub.integrations.base import Button, Card, Outbound
from hub.integrations.slack.integration import Slack
from hub.integrations.slack.text import count_utf16_units, mrkdwn, plain
from hub.lib.provider_http import ProviderHttpClient
from tests.effort import examples

BOT = {"bot_token": "xoxb-1234567890", "channel": "C0123456789"}
ACTING = {**BOT, "app_id": "A0123456789", "signing_secret": "0" * 32}


# ── An independent checker of the limits ──────────────────────────────────────────────────────────
def assert_text_object(text_object: Any, limit: int, kind: str) -> None:
    assert text_object["type"] == kind
    assert 1 <= count_utf16_units(text_object["text"]) <= limit
    assert text_object["text"].strip()
    if kind == "mrkdwn":
        assert_safe(text_object["text"])


def assert_safe(text: str) -> None:
    """Check that a text has no mention, no partial escape, and angle brackets in links only."""
    bare = re.sub(r"<https?://[^\s<>|]+>", "", text, flags=re.IGNORECASE)
    assert not set("<>") & set(bare)
    assert not re.search(r"&(?!(amp|lt|gt);)", bare)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]", text)


def assert_button(element: dict[str, Any]) -> None:
    assert_text_object(element["text"], 75, "plain_text")
    assert ("url" in element) is not ("value" in element)
    assert len(element.get("url", "")) <= 3000
    assert len(element.get("value", "")) <= 2000
    assert element.get("style") in (None, "primary", "danger")


def assert_actions(block: dict[str, Any]) -> None:
    assert 1 <= len(block["elements"]) <= 25
    for one in block["elements"]:
        assert_button(one)
    names = [element["action_id"] for element in block["elements"]]
    assert len(set(names)) == len(names)


def assert_section(block: dict[str, Any]) -> None:
    assert ("text" in block) is not ("fields" in block)
    if "text" in block:
        assert_text_object(block["text"], 3000, "mrkdwn")
    assert "fields" not in block or 1 <= len(block["fields"]) <= 10
    for field in block.get("fields", ()):
        assert_text_object(field, 2000, "mrkdwn")


def assert_context(block: dict[str, Any]) -> None:
    assert 1 <= len(block["elements"]) <= 10
    for element in block["elements"]:
        assert_text_object(element, 2000, "mrkdwn")


CHECKS = {
    "header": lambda block: assert_text_object(block["text"], 150, "plain_text"),
    "section": assert_section,
    "context": assert_context,
    "actions": assert_actions,
}


def assert_within_limits(payload: dict[str, Any]) -> None:
    blocks = payload["blocks"]
    assert 1 <= len(blocks) <= 50
    for block in blocks:
        CHECKS[block["type"]](block)
    for parsed_block in Block.parse_all(blocks):
        parsed_block.to_dict()
    assert 1 <= count_utf16_units(payload["text"]) <= 4000
    assert_safe(payload["text"])
    assert sum(count_utf16_units(text) for text in strings(payload)) <= 12_000
    assert json.loads(json.dumps(payload)) == payload


def strings(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for name, value in part.items():
            if name in ("text", "url", "value") and isinstance(value, str):
                yield value
            else:
                yield from strings(value)
    elif isinstance(part, list):
        for item in part:
            yield from strings(item)


# ── Texts of any length and alphabet ──────────────────────────────────────────────────────────────
AWKWARD = [
    "&",
    "<",
    ">",
    "<!channel>",
    "*bold*",
    "`",
    "🎉",
    "👩‍👩‍👧",
    "é",
    "ש",
    "\u200b",
    "\x00",
    "\n> ",
    "https://a.example/?b=1&c=2 ",
    "|",
    "\ud800",
    "…",
]
short = st.text(max_size=30)
texts = st.one_of(
    st.text(max_size=200),
    st.lists(st.sampled_from(AWKWARD), max_size=40).map("".join),
    st.tuples(
        st.one_of(st.sampled_from(AWKWARD), st.text(min_size=1, max_size=9)), st.integers(1, 5000)
    ).map(lambda p: p[0] * p[1]),
)
urls = st.one_of(
    st.just("https://hub.example/a"),
    st.integers(0, 6000).map(lambda n: "https://hub.example/" + "x" * n),
    texts,
)
buttons = st.builds(
    Button,
    texts,
    urls,
    st.sampled_from(["", "tok_1", "t" * 64]),
    st.sampled_from(["", "primary", "danger", "huge"]),
)
cards = st.builds(
    Card,
    texts,
    st.lists(st.tuples(st.one_of(short, texts), texts), max_size=9).map(tuple),
    st.lists(texts, max_size=9).map(tuple),
)
messages = st.builds(
    lambda text, card, buttons: Outbound(
        "msg_1", 1, "C0123456789", text, card=card, buttons=tuple(buttons)
    ),
    texts,
    st.none() | cards,
    st.lists(buttons, max_size=5),
)


@settings(max_examples=examples(150), deadline=None)
@given(messages, st.sampled_from([BOT, ACTING]))
def test_every_message_is_within_the_limits_of_slack(
    message: Outbound, given_settings: dict[str, str]
) -> None:
    assert_within_limits(Slack(given_settings, ProviderHttpClient()).render(message))


@pytest.mark.parametrize("text", [*AWKWARD, "", " ", "x", "https://a.example/" + "&" * 3000])
@pytest.mark.parametrize("times", [1, 11, 120])
def test_many_facts_notes_and_buttons_are_within_the_limits(text: str, times: int) -> None:
    card = Card(
        text * times, ((text, text * times), (text * times, text)) * times, (text * times,) * times
    )
    actions = (
        Button(text * times, f"https://hub.example/{text}", "tok"),
        Button("Open", "https://hub.example/" + "y" * 2900),
    ) * times
    assert_within_limits(
        Slack(ACTING, ProviderHttpClient()).render(
            Outbound("msg_1", 1, "C0123456789", text * times, card=card, buttons=actions)
        )
    )


@settings(max_examples=examples(300), deadline=None)
@given(texts, st.integers(0, 3000))
def test_truncated_text_splits_no_escape_and_ends_with_an_ellipsis(text: str, limit: int) -> None:
    full_text = mrkdwn(text, 1_000_000)
    cut = mrkdwn(text, limit)
    assert count_utf16_units(cut) <= limit
    assert_safe(cut)
    assert cut == full_text or limit == 0 or cut.endswith("…")
    assert full_text.startswith(cut.removesuffix("…").rstrip()) or cut == full_text


def test_truncated_text_splits_no_grapheme() -> None:
    assert mrkdwn("abe\u0301xyz", 4) == "ab…"
    assert plain("ab👩\u200d👧 and more", 7) == "ab…"


def test_data_triggers_no_mention() -> None:
    escaped = mrkdwn("<!channel> <@U123> <#C1|x> @here & <https://evil.example|bank>", 3000)
    assert_safe(escaped)
    assert escaped.startswith("&lt;!channel&gt; &lt;@U123&gt;")


@pytest.mark.parametrize(
    "text",
    ["*a*", "_a b_", "~a~", "(*a*)", "x *a* y", "**a**", "a *b*c* d", "`a`", "```a\nb```", "“_a_”"],
)
def test_data_is_not_formatted(text: str) -> None:
    escaped = mrkdwn(text, 3000)
    for mark in "*_~":
        assert not re.search(
            rf"(?<![A-Za-z0-9{re.escape(mark)}])[{mark}](?=\S).*(?<=\S)[{mark}]", escaped
        )
    assert "`" not in escaped
    assert escaped.translate(str.maketrans("∗＿∼ˋ", "*_~`")) == text


@pytest.mark.parametrize(
    "text", ["a_b_c", "5 * 3", "~10 days", "first_last@x_y.example", "f(x) -> y"]
)
def test_characters_without_a_formatting_meaning_are_unchanged(text: str) -> None:
    assert mrkdwn(text, 3000) == text.replace(">", "&gt;")


def test_quotes_are_not_formatted_and_web_addresses_are_links() -> None:
    assert mrkdwn("> so", 99) == "› so"
    assert (
        mrkdwn("Sign: https://sign.example/r_1?a=1&b=*.", 99)
        == "Sign: <https://sign.example/r_1?a=1&amp;b=>*."
    )


# ── What is shown ─────────────────────────────────────────────────────────────────────────────────
def make_post(**fields: Any) -> Outbound:
    card = Card(
        "Employment Agreement",
        (("Signers", "1 of 2"), ("Due", "24 December")),
        ("Reminded by Tom",),
    )
    actions = (
        Button("Open document", "https://sign.example/1", style="primary"),
        Button("Remind", "https://hub.example/a/t", "tok-1"),
    )
    return Outbound(
        "msg_1", 1, "C0123456789", "Sent & waiting", card=card, buttons=actions, **fields
    )


def test_card_has_a_header_text_facts_notes_and_buttons() -> None:
    payload = Slack(ACTING, ProviderHttpClient()).render(make_post())
    header, text, facts, notes, actions = payload["blocks"]
    assert header["text"]["text"] == "Employment Agreement"
    assert text["text"] == {"type": "mrkdwn", "text": "Sent &amp; waiting", "verbatim": True}
    assert [field["text"] for field in facts["fields"]] == [
        "*Signers*\n1 of 2",
        "*Due*\n24 December",
    ]
    assert [element["text"] for element in notes["elements"]] == ["Reminded by Tom"]
    assert [(element.get("url"), element.get("value")) for element in actions["elements"]] == [
        ("https://sign.example/1", None),
        (None, "tok-1"),
    ]
    assert payload["text"] == "Sent &amp; waiting"


def test_buttons_are_links_without_a_signing_secret() -> None:
    elements = Slack(BOT, ProviderHttpClient()).render(make_post())["blocks"][-1]["elements"]
    assert [element["url"] for element in elements] == [
        "https://sign.example/1",
        "https://hub.example/a/t",
    ]


def test_text_without_a_card_is_a_section() -> None:
    payload = Slack(BOT, ProviderHttpClient()).render(Outbound("msg_1", 1, "C0123456789", "Hello"))
    assert [block["type"] for block in payload["blocks"]] == ["section"]
    assert (payload["channel"], payload["unfurl_links"], payload["unfurl_media"]) == (
        "C0123456789",
        False,
        False,
    )


def test_excess_facts_end_with_an_ellipsis() -> None:
    card = Card("T", tuple((str(n), "x") for n in range(500)))
    blocks = Slack(BOT, ProviderHttpClient()).render(
        Outbound("msg_1", 1, "C0123456789", "Hello", card=card)
    )["blocks"]
    assert blocks[-1]["fields"][-1]["text"] == "…"


def test_responses_edits_and_replies_name_their_target() -> None:
    slack = Slack(ACTING, ProviderHttpClient())
    assert (
        slack.render(make_post(reply_to="https://hooks.slack.com/actions/T/1/x"))[
            "replace_original"
        ]
        is True
    )
    edit = slack.render(make_post(edits="C0123456789/1.2"))
    assert (edit["channel"], edit["ts"], edit["parse"]) == ("C0123456789", "1.2", "none")
    assert slack.render(make_post(thread="1.2"))["thread_ts"] == "1.2"


def test_slack_models_are_loaded_with_the_first_message() -> None:
    program = (
        "import sys; from hub import integrations; integrations.get('slack'); print('slack_sdk' in"
        " sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "False\n"
