"""The sentences that Signpost itself writes to people, in their language. See `sentence_files`.

The texts of events are those of `signing/texts`, which admins edit. These are the others: cards and
buttons of posts, replies to keywords, the first message in a chat, and public pages.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files

from babel import dates

from hub.lib import text_grammar
from hub.lib.plural_forms import find_locale, language_of

ENGLISH = "en"
# language → the locale of its file, best first for the choices on pages
LANGUAGES = {"en": "en", "es": "es", "fr": "fr", "de": "de", "pt": "pt-BR", "pl": "pl"}


def sentence(key: str, locale: str, /, **values: str | int) -> str:
    """Return a sentence in the language of `locale`, or in English, filled with values."""
    source = _sentences(known_locale(locale))[key]
    return text_grammar.fill(text_grammar.parse(source), values, known_locale(locale))


def has_sentence(key: str) -> bool:
    """Return whether there is a sentence of this name."""
    return key in _sentences(ENGLISH)


def known_locale(locale: str) -> str:
    """Return the locale of the file for a reader: `pt-BR` for `pt`, and `en` for `sv`."""
    return LANGUAGES.get(language_of(locale), ENGLISH)


def choose_language(preferred: Iterable[str], default: str) -> str:
    """Return the first of the locales that has sentences, or that of `default`."""
    known = (locale for locale in preferred if language_of(locale) in LANGUAGES)
    return known_locale(next(known, default))


def format_time(at: datetime, locale: str) -> str:
    """Format a time in its own zone, such as "November 3, 14:05", in a language."""
    known = known_locale(locale)
    shown = find_locale(known)
    pattern = _sentences(known)["time_pattern"]
    return str(dates.format_datetime(at, pattern, tzinfo=at.tzinfo, locale=shown))


def format_moment(at: datetime, locale: str) -> str:
    """Format a time in UTC with its year, such as "November 3, 2026, 14:05:09 UTC"."""
    shown = dates.format_date(at.astimezone(UTC), "long", find_locale(known_locale(locale)))
    return f"{shown}, {at.astimezone(UTC):%H:%M:%S} UTC"


@cache
def _sentences(locale: str) -> Mapping[str, str]:
    path = files(__package__).joinpath(f"sentence_files/{locale}.toml")
    return tomllib.loads(path.read_text("utf-8"))
