"""Texts within what a provider takes: the document's title is shortened, links never."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from hub.core.errors import Refused
from hub.integrations.base import Integration
from hub.lib.text import in_gsm, one_line, shorten

T = TypeVar("T")

TOO_LONG = "too_long"  # the reason of a step that is skipped
TITLE = "title"


class TooLong(Refused):
    """A text is longer than the provider takes, even without the document's title."""

    def __init__(self) -> None:
        super().__init__(
            TOO_LONG, "The text is longer than the provider allows, even without a title."
        )


def fit_text(
    cls: type[Integration],
    values: Mapping[str, Any],
    make: Callable[[Mapping[str, Any]], T],
    says: Callable[[T], str],
    most: int,
) -> T:
    """Make something of values, with the title as long as the provider takes it.

    `says` returns the text of what was made. Raises TooLong.
    """

    def fits(title: str) -> bool:
        return cls.length_of(says(make({**values, TITLE: title}))) <= most

    whole = make(values)
    if cls.length_of(says(whole)) <= most:
        return whole
    title = one_line(str(values.get(TITLE) or ""))
    # an ellipsis of one character would make every character of an SMS take twice the room
    plain = cls.counts_segments and in_gsm(says(whole))
    short = shorten(title, fits, "..." if plain else "…")
    if short is None:
        raise TooLong
    return make({**values, TITLE: short})


def refuse_too_long(cls: type[Integration], text: str) -> None:
    """Raise Refused where a text that somebody wrote is longer than the provider takes."""
    length = cls.length_of(text)
    if length > cls.max_length:
        why = (
            f"The text has {length:,} {cls.length_unit} as {cls.provider} counts them."
            f" {cls.title} allows at most {cls.max_length:,}."
        )
        raise Refused("text_too_long", why, field="text")
