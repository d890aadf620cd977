"""Texts: filled templates, and segments as carriers bill them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.lib import text

# the alphabet of GSM 03.38, independently of the hub's: https://www.3gpp.org/dynareport/23038.htm
BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = "\f^{}\\[~]|€"


def reference(text: str) -> int:
    """Count segments by filling one after another."""
    if not text:
        return 0
    gsm = all(char in BASIC + EXTENSION for char in text)
    doubles = [char in EXTENSION if gsm else ord(char) > 0xFFFF for char in text]
    sizes = [2 if double else 1 for double in doubles]
    if sum(sizes) <= (160 if gsm else 70):
        return 1
    room = 153 if gsm else 67
    segments = [0]
    for size in sizes:
        if segments[-1] + size > room:
            segments.append(0)
        segments[-1] += size
    return len(segments)


@pytest.mark.parametrize(
    ("message_text", "segments"),
    [
        ("", 0),
        ("a", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("a" * 159 + "€", 2),
        ("a" * 152 + "€" + "a" * 152, 3),
        ("a" * 151 + "€" + "a" * 152, 2),
        ("ü" * 160, 1),
        ("ç", 1),
        ("ç" * 71, 2),
        ("Ç" * 160, 1),
        ("`" * 71, 2),
        ("\t" * 71, 2),
        ("’" * 70, 1),
        ("’" * 71, 2),
        ("’" * 135, 3),
        ("🎉" * 35, 1),
        ("🎉" * 36, 2),
        ("🎉" * 66, 2),
        ("🎉" * 67, 3),
        ("я" * 134, 2),
        ("a" * 66 + "🎉" + "я" * 67, 3),
    ],
)
def test_segments_are_counted_as_carriers_bill_them(message_text: str, segments: int) -> None:
    assert text.segments(message_text) == segments == reference(message_text)


@given(st.text(st.sampled_from(BASIC + EXTENSION), max_size=400) | st.text(max_size=200))
def test_segments_match_the_specification(message_text: str) -> None:
    if not any(0xD800 <= ord(char) < 0xE000 for char in message_text):
        assert text.segments(message_text) == reference(message_text)
