"""Dates, numbers and language codes in American English."""

from __future__ import annotations

import pytest

from hub.lib.localized import format_language


@pytest.mark.parametrize(
    ("code", "tag"),
    [
        ("en", "en"),
        ("en_US", "en-US"),
        ("pt-br", "pt-BR"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("es-419", "es-419"),
    ],
)
def test_language_code_is_written_as_a_tag(code: str, tag: str) -> None:
    assert format_language(code) == tag
