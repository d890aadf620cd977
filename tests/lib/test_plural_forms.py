"""Plural forms: each language has those that whole numbers below a million need."""

from __future__ import annotations

import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as st

from hub.lib.plural_forms import language_of, plural_forms

# https://www.unicode.org/cldr/charts/latest/supplemental/language_plural_rules.html
EXPECTED = {
    "en": ("one", "other"),
    "de": ("one", "other"),
    "es": ("one", "other"),
    "fr": ("one", "other"),
    "pt-BR": ("one", "other"),
    "pl": ("one", "few", "many"),
    "ar": ("zero", "one", "two", "few", "many", "other"),
    "ja": ("other",),
    "xx": ("other",),
}


@pytest.mark.parametrize("locale", EXPECTED)
def test_language_has_the_forms_that_numbers_reach(locale: str) -> None:
    assert plural_forms(locale).categories == EXPECTED[locale]


@pytest.mark.parametrize(
    ("locale", "number", "form"),
    [
        ("en", 0, 1),
        ("en", 1, 0),
        ("fr", 0, 0),
        ("fr", 2, 1),
        ("pt_BR", 0, 0),
        ("pt-PT", 0, 1),
        ("pl", 1, 0),
        ("pl", 22, 1),
        ("pl", 12, 2),
        ("pl", 0, 2),
        ("es", 1_000_000, 1),
    ],
)
def test_number_chooses_its_form(locale: str, number: int, form: int) -> None:
    assert plural_forms(locale).index(number) == form


@given(st.sampled_from(["en", "fr", "pl", "ar", "br", "kw", "lt", "sl"]), st.integers(0, 999_999))
def test_every_number_below_a_million_has_a_form(locale: str, number: int) -> None:
    forms = plural_forms(locale)
    assert forms.categories[forms.index(number)] == Locale.parse(locale).plural_form(number)


def test_examples_belong_to_their_form() -> None:
    forms = plural_forms("pl")
    for position, examples in enumerate(forms.examples):
        numbers = [int(number) for number in examples.rstrip("…").split(", ")]
        assert {forms.index(number) for number in numbers} == {position}


def test_large_numbers_are_written_as_the_language_writes_them() -> None:
    assert plural_forms("en").format_number(12345) == "12,345"
    assert plural_forms("de").format_number(12345) == "12.345"


def test_language_is_the_first_part_of_a_locale() -> None:
    assert language_of("pt_BR") == language_of("PT") == "pt"
