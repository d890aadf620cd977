"""The values that message texts can show, and their forms in the language of a text."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from hub.core.vocabulary import Audience, EventType
from hub.lib import text_grammar
from hub.lib.plural_forms import find_locale, language_of
from hub.lib.text import clean_line, is_blank, isolate, visible_line
from hub.lib.text_grammar import StandIn

ENGLISH = "en"
MAX_NAMES = 3  # a longer list names two people and counts the others


class Kind(StrEnum):
    """The kinds of values."""

    TEXT = "text"
    LINK = "link"
    NUMBER = "number"
    DATE = "date"
    NAMES = "names"


@dataclass(frozen=True)
class TextValue:
    """A value that texts of some events can show."""

    key: str  # in the values of a message
    name: str  # as texts write it
    meaning: str
    kind: Kind
    sample: str | int
    events: frozenset[EventType] = frozenset(EventType)
    audiences: frozenset[Audience] = frozenset(Audience)


_ASKING = frozenset({EventType.SENT, EventType.REMINDER, EventType.VIEWED, EventType.SIGNED})
_ABOUT_A_SIGNER = frozenset({EventType.VIEWED, EventType.SIGNED, EventType.DECLINED})
_PEOPLE = frozenset(Audience) - {Audience.TEAM}
_SIGNERS = frozenset({Audience.SIGNER, Audience.OTHERS})
_TEAM = frozenset({Audience.TEAM})
VALUES = {
    value.key: value
    for value in (
        TextValue("title", "title", "Title of the document", Kind.TEXT, "Employment Agreement"),
        TextValue("sender", "sender", "Sender of the request", Kind.TEXT, "Acme HR"),
        TextValue(
            "signer",
            "recipient",
            "Name of the recipient",
            Kind.TEXT,
            "Eric Smith",
            audiences=_PEOPLE,
        ),
        TextValue(
            "name",
            "name",
            "Signer who opened, signed or declined",
            Kind.TEXT,
            "Anna Kowalska",
            events=_ABOUT_A_SIGNER,
        ),
        TextValue(
            "link",
            "link",
            "Recipient's link to sign",
            Kind.LINK,
            "https://sign.example/r/agr-1001/eric",
            events=_ASKING,
            audiences=_SIGNERS,
        ),
        TextValue(
            "download_link",
            "download link",
            "Link to the completed document",
            Kind.LINK,
            "https://sign.example/d/agr-1001",
            events=frozenset({EventType.COMPLETED}),
        ),
        TextValue(
            "remaining",
            "missing",
            "Number of missing signatures",
            Kind.NUMBER,
            1,
            events=frozenset(EventType) - {EventType.COMPLETED},
        ),
        TextValue(
            "expiry_date",
            "expiry date",
            "Day on which the request expires",
            Kind.DATE,
            "2026-12-15",
        ),
        TextValue(
            "names",
            "names",
            "Names of the signers",
            Kind.NAMES,
            "Anna Kowalska and Eric Smith",
            audiences=_TEAM,
        ),
        TextValue("people", "people", "Number of signers", Kind.NUMBER, 2, audiences=_TEAM),
    )
}
_KEYS = {text_grammar.normalize_name(value.name): value.key for value in VALUES.values()}
STAND_INS = {"title": "untitled", "sender": "somebody", "name": "somebody"}


def key_of(name: str) -> str:
    """Return the key of a value from its name in a text."""
    return _KEYS.get(name, name)


def available_values(event_type: str, audience: str) -> list[TextValue]:
    """Return the values that texts of an event to an audience can show."""
    return [
        value
        for value in VALUES.values()
        if event_type in value.events and (not audience or audience in value.audiences)
    ]


# ── Forms ─────────────────────────────────────────────────────────────────────────────────────────
def add_stand_ins(values: Mapping[str, Any], locale: str) -> dict[str, Any]:
    """Return values in which a missing title, sender or name has its stand-in in a language."""
    words = words_of(locale)
    missing = {
        key: StandIn(words[word], words.get(f"{word}_within", ""))
        for key, word in STAND_INS.items()
        if not visible_line(str(values.get(key) or ""))
    }
    return {**values, **missing}


def localize(
    names: Collection[str], values: Mapping[str, Any], locale: str, *, isolated: bool = False
) -> dict[str, str | int]:
    """Return the values that a text names, each as one line in its language.

    Missing values are left out. `isolated` prevents right-to-left values from reordering the text
    around them.
    """
    shown: dict[str, str | int] = {}
    for name in names:
        key = key_of(name)
        value = localize_value(key, values.get(key), locale, isolated=isolated)
        if value is not None and not (isinstance(value, str) and is_blank(value)):
            shown[name] = value
    return shown


def localize_value(
    key: str, value: Any, locale: str, *, isolated: bool = False
) -> str | int | None:
    """Return one value as a text shows it: a date or names in the language `locale`."""
    if value is None or isinstance(value, int | StandIn):
        return value
    known = VALUES.get(key)
    if not isinstance(value, str):
        return format_names(value, locale, isolated=isolated)
    line = clean_line(value)
    if known is not None and known.kind == Kind.DATE:
        return format_day(line, locale)
    return isolate(line) if isolated else line


@lru_cache(maxsize=512)
def format_day(day: str, locale: str) -> str:
    """Return a day such as `2026-12-15` in a language, or '' if it is not a day."""
    from babel import dates

    try:
        on = date.fromisoformat(day)
    except ValueError:
        return ""
    return str(dates.format_date(on, "long", locale=find_locale(locale) or ENGLISH))


def format_names(names: Sequence[str], locale: str, *, isolated: bool = False) -> str:
    """Return names as a list in a language, such as "Eric Smith, Ann Lee and 3 others"."""
    shown = [isolate(name) if isolated else name for name in map(clean_line, names)]
    if len(shown) > MAX_NAMES:
        shown = [*shown[:2], _count_others(len(shown) - 2, locale)]
    if len(shown) < 2:
        return "".join(shown)
    if language_of(locale) == ENGLISH:
        return f"{', '.join(shown[:-1])} and {shown[-1]}"
    from babel.lists import format_list

    return str(format_list(shown, locale=find_locale(locale) or ENGLISH))


def _count_others(count: int, locale: str) -> str:
    if language_of(locale) not in _words():
        return f"+{count}"
    return text_grammar.fill(
        text_grammar.parse(words_of(locale)["others"]), {"count": count}, locale
    )


def begin_with_addressee(text: str, name: str, locale: str) -> str:
    """Return a text that begins with the name of its reader, in the language of the text."""
    beginning = text_grammar.parse(words_of(locale)["addressee"])
    return f"{text_grammar.fill(beginning, {'recipient': name}, locale)} {text}"


def words_of(locale: str) -> Mapping[str, str]:
    """Return the words of a language, or those in English."""
    return _words().get(language_of(locale), _words()[ENGLISH])


@cache
def _words() -> dict[str, dict[str, str]]:
    return tomllib.loads(files(__package__).joinpath("words.toml").read_text("utf-8"))
