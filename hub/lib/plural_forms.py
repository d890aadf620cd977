"""Plural forms of languages, as Unicode (CLDR) defines them for whole numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

from babel import Locale, UnknownLocaleError, numbers
from babel.plural import PluralRule

# the order of the categories in CLDR: https://www.unicode.org/reports/tr35/tr35-numbers.html
CATEGORIES = ("zero", "one", "two", "few", "many", "other")
MAX_EXAMPLES = 5
# rules for whole numbers look at the last digits, so these reach each category below a million;
# a category that only a million reaches, such as `many` in Spanish, needs no form of its own
_SAMPLES = tuple(chain(range(1201), range(2000, 1_000_000, 1000)))


@dataclass(frozen=True)
class PluralForms:
    """The plural forms of a language that whole numbers below a million need."""

    locale: str
    categories: tuple[str, ...]
    examples: tuple[str, ...]  # numbers of each form, such as "2, 3, 4, 22, 23…"
    rule: PluralRule | None

    def index(self, number: int) -> int:
        """Return the position of the form for a number, from 0."""
        category = self.rule(number) if self.rule else "other"
        if category not in self.categories:
            return len(self.categories) - 1
        return self.categories.index(category)

    def format_number(self, number: int) -> str:
        """Return a number as the language writes it."""
        if 0 <= number < 1000:
            return str(number)
        return str(numbers.format_decimal(number, locale=self.locale))


@lru_cache(maxsize=64)
def plural_forms(locale: str) -> PluralForms:
    """Return the plural forms of a language such as `pt-BR`.

    A language that CLDR does not know has one form.
    """
    known = find_locale(locale)
    if known is None:
        return PluralForms("en", ("other",), (_examples(_SAMPLES),), None)
    rule = known.plural_form
    by_category: dict[str, list[int]] = {}
    for number in _SAMPLES:
        by_category.setdefault(rule(number), []).append(number)
    categories = tuple(category for category in CATEGORIES if category in by_category)
    examples = tuple(_examples(by_category[category]) for category in categories)
    return PluralForms(str(known), categories, examples, rule)


def _examples(found: Sequence[int]) -> str:
    shown = ", ".join(str(number) for number in found[:MAX_EXAMPLES])
    return shown if len(found) <= MAX_EXAMPLES else f"{shown}…"


@lru_cache(maxsize=256)
def find_locale(locale: str) -> Locale | None:
    """Return the locale of a language tag, or of its language alone, or None."""
    tags = locale.replace("_", "-").split("-")
    for count in range(len(tags), 0, -1):
        try:
            return Locale.parse("-".join(tags[:count]), sep="-")
        except (UnknownLocaleError, ValueError):
            continue
    return None


@lru_cache(maxsize=256)
def language_of(locale: str) -> str:
    """Return the language of a locale: `pt` for `pt-BR`."""
    return locale.replace("_", "-").partition("-")[0].lower()
