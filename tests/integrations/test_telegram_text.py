"""Texts of any length and alphabet are valid for Telegram."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st

from hub.integrations.base import Button, Card
from hub.integrations.telegram.integration import Telegram
from hub.lib import provider_http
from tests.effort import examples
from tests.integrations.telegram_posts import CARD, SETTINGS, outbound


class TelegramParser(HTMLParser):
    """A parser of the two unnested tags and five entities that Telegram accepts."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.text = ""
        self.open = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        assert (tag in ("b", "i"), self.open, attrs) == (True, "", [])
        self.open = tag

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.open
        self.open = ""

    def handle_data(self, data: str) -> None:
        assert "<" not in data
        assert "&" not in data
        self.text += data

    def handle_entityref(self, name: str) -> None:
        self.text += {"amp": "&", "lt": "<", "gt": ">"}[name]


def displayed_text(html: str) -> str:
    """Return the text that Telegram displays for HTML, or fail if Telegram would refuse it."""
    assert re.fullmatch(r"(</?[bi]>|&(amp|lt|gt);|[^<>&])*", html, re.DOTALL)
    reader = TelegramParser()
    reader.feed(html)
    reader.close()
    assert reader.open == ""
    return reader.text


def utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


ANY = st.text(
    st.one_of(
        st.characters(), st.characters(categories=["Cs"]), st.sampled_from("<>&\"'\n\0 🎉̈#;\u200d")
    ),
    max_size=60,
)
LONG = st.builds(lambda text, times: text * times, ANY, st.sampled_from([0, 1, 3, 400]))
CARDS = st.builds(
    lambda title, facts, notes: Card(title, tuple(facts), tuple(notes)),
    LONG,
    st.lists(st.tuples(LONG, LONG), max_size=70),
    st.lists(LONG, max_size=30),
)


@given(text=LONG, card=st.none() | CARDS, label=LONG)
@trying(max_examples=examples(80), deadline=None)
def test_any_text_is_within_the_limits_of_telegram(
    text: str, card: Card | None, label: str
) -> None:
    bot = Telegram(SETTINGS, provider_http.ProviderHttpClient())
    message = outbound(text, card=card, buttons=(Button(label, "https://x.example"),))
    payload = bot.render(message)
    visible_text = displayed_text(payload["text"])
    assert 1 <= utf16_length(visible_text) <= 4096
    assert visible_text.strip()
    assert visible_text == bot.plain(message)["text"]
    assert str(payload).encode(), "no half of a surrogate pair is left"
    assert 1 <= len(payload["reply_markup"]["inline_keyboard"][0][0]["text"]) <= 64


def test_long_text_is_cut_and_short_parts_stay_complete() -> None:
    payload = Telegram(SETTINGS, provider_http.ProviderHttpClient()).render(
        outbound("🎉&" * 5000, card=CARD)
    )
    visible_text = displayed_text(payload["text"])
    assert visible_text.startswith("Employment Agreement\n\n🎉&🎉&")
    assert (
        "&…\n\nSender Acme HR\nWaiting for Eric & Anna\n\nDana reminded Eric <now>." in visible_text
        or "🎉…\n\nSender" in visible_text
    )
    assert 4080 < utf16_length(visible_text) <= 4096


def test_short_text_is_unchanged() -> None:
    text = "Zeile 1\nZeile 2: „Vertrag“ <1> & 2 🎉"
    assert (
        displayed_text(
            Telegram(SETTINGS, provider_http.ProviderHttpClient()).render(outbound(text))["text"]
        )
        == text
    )


@pytest.mark.parametrize("text", ["", "   ", "\u200b\u200d", "\0", "\n\n"])
def test_empty_text_is_replaced_by_a_placeholder(text: str) -> None:
    assert (
        Telegram(SETTINGS, provider_http.ProviderHttpClient()).render(outbound(text))["text"] == "…"
    )


def test_short_buttons_share_a_row_up_to_a_hundred_buttons() -> None:
    labels = [
        "Open",
        "Remind",
        "Snooze for a day",
        "A label that is too long to stand beside another",
        "Last",
    ]
    markup = Telegram(SETTINGS, provider_http.ProviderHttpClient()).render(
        outbound(buttons=tuple(Button(label, "https://x.example") for label in labels))
    )
    assert [
        [button["text"] for button in row] for row in markup["reply_markup"]["inline_keyboard"]
    ] == [
        ["Open", "Remind"],
        ["Snooze for a day"],
        ["A label that is too long to stand beside another"],
        ["Last"],
    ]
    payload = Telegram(SETTINGS, provider_http.ProviderHttpClient()).render(
        outbound(buttons=(Button("x", "https://x.example"),) * 300)
    )
    assert sum(map(len, payload["reply_markup"]["inline_keyboard"])) == 100


def test_overlong_button_token_becomes_a_link() -> None:
    button = Button("Remind", "https://hub.example/a/x", token="t" * 65)
    payload = Telegram(SETTINGS, provider_http.ProviderHttpClient()).render(
        outbound(buttons=(button,))
    )
    assert payload["reply_markup"]["inline_keyboard"] == [
        [{"text": "Remind", "url": "https://hub.example/a/x"}]
    ]
