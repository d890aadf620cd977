"""Quoted values in sentences."""

from __future__ import annotations

import pytest

from hub.core.quotes import quoted


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("UK", "“UK”"),
        ("Zoë O'Hara", "“Zoë O'Hara”"),
        ("a\nb", r"“a\nb”"),
        ("\u202egnp.exe", r"“\u202egnp.exe”"),
        ("\udc80", r"“\udc80”"),
        ("", "“”"),
    ],
)
def test_value_is_quoted_with_invisible_characters_escaped(value: str, expected: str) -> None:
    assert quoted(value) == expected
