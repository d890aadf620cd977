"""The sentences that Signpost writes to people: complete and well formed in each language."""

from __future__ import annotations

import re
import string
import tomllib
from datetime import UTC, datetime
from importlib.resources import files

import pytest

from hub.lib import text_grammar
from hub.shared import sentences
from hub.shared.sentences import LANGUAGES, choose_language, format_time, sentence


def file_of(locale: str) -> dict[str, str]:
    return tomllib.loads(
        files("hub.shared").joinpath(f"sentence_files/{locale}.toml").read_text("utf-8")
    )


ENGLISH = file_of("en")


@pytest.mark.parametrize("locale", LANGUAGES.values())
def test_file_has_every_sentence_with_the_same_values(locale: str) -> None:
    found = file_of(locale)
    assert list(found) == list(ENGLISH)
    for key, source in found.items():
        parsed = text_grammar.parse(source)
        text_grammar.check_forms(parsed, locale)
        assert parsed.names == text_grammar.parse(ENGLISH[key]).names, key


@pytest.mark.parametrize("locale", LANGUAGES.values())
def test_filled_sentence_is_well_formed(locale: str) -> None:
    for key in ENGLISH:
        if key == "time_pattern":
            continue
        names = text_grammar.parse(ENGLISH[key]).names
        for number in (1, 2, 5):
            values = {
                name: number if name in ("count", "times", "signed") else "Anna" for name in names
            }
            shown = sentence(key, locale, **values)
            assert not re.search(r"[(\[]{2}|[)\]]{2}|  |\.\.|\s[.,;]|\s$|None", shown), shown
            assert all(str(value) in shown or value == 1 for value in values.values()), shown


@pytest.mark.parametrize("locale", sorted(set(LANGUAGES.values()) - {"en"}))
def test_sentence_is_translated(locale: str) -> None:
    same = {"status", "question", "snoozed", "quoted_title"}  # words that languages share
    found = file_of(locale)
    equal = {
        key
        for key, source in found.items()
        if source == ENGLISH[key] and set(source) & set(string.ascii_letters)
    }
    assert equal <= same


def test_reader_of_another_language_gets_english() -> None:
    assert sentence("status", "sv") == "Status"
    assert sentence("request_completed", "pt-PT") == "Concluído"
    assert sentence("request_completed", "de_AT") == "Vollständig unterschrieben"


def test_language_is_the_first_that_has_sentences() -> None:
    assert choose_language(["sv", "pl-PL", "de"], "en") == "pl"
    assert choose_language(["sv"], "fr-CA") == "fr"
    assert choose_language([], "sv") == "en"


@pytest.mark.parametrize(
    ("locale", "shown"),
    [
        ("en", "November 3, 14:05"),
        ("de", "3. November, 14:05"),
        ("es", "3 de noviembre, 14:05"),
        ("fr", "3 novembre à 14:05"),
        ("pt", "3 de novembro, 14:05"),
        ("pl", "3 listopada, 14:05"),
    ],
)
def test_time_is_in_the_language(locale: str, shown: str) -> None:
    assert format_time(datetime(2026, 11, 3, 14, 5, tzinfo=UTC), locale) == shown


def test_every_key_is_known() -> None:
    assert sentences.has_sentence("welcome")
    assert not sentences.has_sentence("nothing")
