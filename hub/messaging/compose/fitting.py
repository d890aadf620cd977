"""Shorten texts to the length that a provider accepts: the document's title, never a link."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from hub.core.errors import Refused
from hub.integrations.base import Integration
from hub.lib.text import clean_line, is_gsm_text, shorten

T = TypeVar("T")

TOO_LONG = "too_long"  # the reason of a step that is skipped
TITLE = "title"


class TooLong(Refused):
    """A text is longer than the provider accepts, even with the shortest title."""

    def __init__(self) -> None:
        super().__init__(
            TOO_LONG, "The text is longer than the provider allows, even with the shortest title."
        )


def fit_text(
    integration_class: type[Integration],
    values: Mapping[str, Any],
    make: Callable[[Mapping[str, Any]], T],
    text_of: Callable[[T], str],
    longest: int,
) -> T:
    """Return `make(values)` with the title shortened until its text has at most `longest` units.

    `text_of` returns the text of the result. Raises TooLong.
    """

    def fits(title: str) -> bool:
        # a text with nothing between its quotation marks is not sent
        return (
            title != ""
            and integration_class.length_of(text_of(make({**values, TITLE: title}))) <= longest
        )

    text = make(values)
    if integration_class.length_of(text_of(text)) <= longest:
        return text
    title = clean_line(str(values.get(TITLE) or ""))
    # the character … is not in GSM-7, so it would halve the characters of an SMS segment
    plain = integration_class.counts_segments and is_gsm_text(text_of(text))
    shortened_title = shorten(title, fits, "..." if plain else "…")
    if shortened_title is None:
        raise TooLong
    return make({**values, TITLE: shortened_title})


def refuse_too_long(integration_class: type[Integration], text: str) -> None:
    """Raise Refused if text is longer than the provider accepts."""
    length = integration_class.length_of(text)
    if length > integration_class.max_length:
        reason = (
            f"The text has {length:,} {integration_class.length_unit} as"
            f" {integration_class.provider} counts them."
            f" {integration_class.title} allows at most {integration_class.max_length:,}."
        )
        raise Refused("text_too_long", reason, field="text")
