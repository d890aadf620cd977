"""Pages on which no value reorders the text around it.

While a template is compiled, each of its outputs gets a filter: between tags, `isolated` puts
`<bdi>` around values that are written from right to left or tried to change the order; within
tags, and where no tag may stand, `unturned` takes such characters out. So no page can forget it.
https://www.w3.org/International/articles/inline-bidi-markup/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from jinja2 import Environment
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream
from markupsafe import Markup

from hub.lib.text import FIRST_STRONG, POP, is_right_to_left, readable

# elements in which no other element may stand
_TEXT_ONLY = ("title", "textarea", "option", "script", "style")
_OPENS = re.compile(r"<(/?[a-zA-Z][a-zA-Z0-9]*|!)")
_QUOTE_OR_END = re.compile(r"[\"'>]")


_OVERRIDES = re.compile("[\u202a-\u202e\u2066\u2067]")


def strip_direction_marks(value: Any) -> Any:
    """Return a text or HTML without characters that order the text around them."""
    if isinstance(value, Markup):  # a form's fields, say, which hold what somebody typed
        if _OVERRIDES.search(value):
            return Markup(_OVERRIDES.sub("", value))  # noqa: S704 - only less than was trusted
        return value
    if not isinstance(value, str) or value.isprintable():
        return value
    return readable(value).replace(FIRST_STRONG, "").replace(POP, "")


def isolate_markup(value: Any) -> Any:
    """Return a text for between tags: in `<bdi>` where its order may differ from the page's.

    Pairs of isolates stay, so that a sentence of Signpost is read in its own direction.
    """
    if not isinstance(value, str) or isinstance(value, Markup) or value.isascii():
        return strip_direction_marks(value)
    shown = readable(value)
    if shown == value and not is_right_to_left(value):
        return value
    return Markup("<bdi>{}</bdi>").format(shown)


class Isolation(Extension):
    """Put a filter on every output of a page's templates."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.filters |= {"isolated": isolate_markup, "unturned": strip_direction_marks}

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        place = _Place()
        for token in stream:
            if token.type == "data":
                place.read(token.value)
            if token.type == "variable_end":
                yield Token(token.lineno, "rparen", ")")
                yield Token(token.lineno, "pipe", "|")
                yield Token(token.lineno, "name", "isolated" if place.between_tags else "unturned")
            yield token
            if token.type == "variable_begin":
                yield Token(token.lineno, "lparen", "(")


class _Place:
    """The position of an output in a page's HTML."""

    def __init__(self) -> None:
        self._tag = ""  # the one that is open
        self._quote = ""  # the one around an attribute
        self._only_text = ""  # the element around it, where no tags may stand

    @property
    def between_tags(self) -> bool:
        return not (self._tag or self._only_text)

    def read(self, html: str) -> None:
        """Go on behind a piece of HTML."""
        at = 0
        while at < len(html):
            at = self._in_tag(html, at) if self._tag else self._behind_tag(html, at)

    def _behind_tag(self, html: str, at: int) -> int:
        if self._only_text:
            closes = re.compile(f"<(/{self._only_text})", re.IGNORECASE)
            found = closes.search(html, at)
        else:
            found = _OPENS.search(html, at)
        if found is None:
            return len(html)
        self._tag = found[1].lower()
        self._only_text = ""
        return found.end()

    def _in_tag(self, html: str, at: int) -> int:
        if self._quote:
            end = html.find(self._quote, at)
            if end < 0:
                return len(html)
            self._quote = ""
            return end + 1
        found = _QUOTE_OR_END.search(html, at)
        if found is None:
            return len(html)
        if found[0] == ">":
            self._only_text = self._tag if self._tag in _TEXT_ONLY else ""
            self._tag = ""
        else:
            self._quote = found[0]
        return found.end()
