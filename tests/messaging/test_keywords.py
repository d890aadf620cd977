"""Keywords: which messages are one, in whatever way they are typed."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.messaging.keywords import HELP, START, STOP, Keyword, fold, keyword

ALL = [(word, kind) for words, kind in ((STOP, Keyword.STOP), (START, Keyword.START), (HELP, Keyword.HELP)) for word in words]


def full_width(text: str) -> str:
    return "".join(chr(ord(one) + 0xFEE0) if "!" <= one <= "~" else one for one in text)


@pytest.mark.parametrize(("word", "kind"), ALL)
@pytest.mark.parametrize("typed", [str, str.lower, str.title, full_width, lambda word: f"  {word}\n", lambda word: f"\u200b{word}\ufeff",
                                   lambda word: "".join(one + "\u0301" for one in word)])  # fmt: skip
def test_a_keyword_is_known_however_it_is_typed(word: str, kind: Keyword, typed: object) -> None:
    assert keyword(typed(word)) == kind  # type: ignore[operator]


@pytest.mark.parametrize(
    "text", ["", " ", "STOP it", "Please stop", "STOP.", "ST OP", "NONSTOP", "S\nTOP", "yes please", "helper", "STOP" * 50]
)
def test_a_message_that_holds_more_is_none(text: str) -> None:
    assert keyword(text) is None


def test_more_words_are_taken_and_come_first() -> None:
    words = {fold("Abmelden"), fold("ПАРАР"), fold("arrêt")}
    assert keyword("ABMELDEN", stop=words) == keyword("arret", stop=words) == keyword("парар", stop=words) == Keyword.STOP
    assert keyword("INFO", stop={fold("info")}) == Keyword.STOP


@given(st.text(max_size=200))
def test_any_text_is_judged_alike_in_every_normal_form_and_case(text: str) -> None:
    found = keyword(text)
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert keyword(unicodedata.normalize(form, text)) == found
    assert found is None or fold(text) == fold(fold(text))
