"""Prevent values on pages from reordering the text around them.

When a template is compiled, each of its outputs gets a filter. Between tags, `isolated` puts
`<bdi>` around values that are written from right to left or contain direction marks. Inside tags
and in elements without tags, `unturned` removes such marks. No page has to remember it.
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

# elements that contain no other elements
_TEXT_ONLY = ("title", "textarea", "option", "script", "style")
_TAG_START = re.compile(r"<(/?[a-zA-Z][a-zA-Z0-9]*|!)")
_QUOTE_OR_END = re.compile(r"[\"'>]")


_OVERRIDES = re.compile("[\u202a-\u202e\u2066\u2067]")


def strip_direction_marks(value: Any) -> Any:
    """Return text or HTML without characters that change the direction of text."""
    if isinstance(
        value, Markup
    ):  # for example the fields of a form, with text that a person entered
        if _OVERRIDES.search(value):
            return Markup(_OVERRIDES.sub("", value))  # noqa: S704 - only removes characters
        return value
    if not isinstance(value, str) or value.isprintable():
        return value
    return readable(value).replace(FIRST_STRONG, "").replace(POP, "")


def isolate_markup(value: Any) -> Any:
    """Return text for use between tags, in `<bdi>` if its direction may differ from the page's.

    Pairs of isolates are kept, so that a sentence of Signpost has its own direction.
    """
    if not isinstance(value, str) or isinstance(value, Markup) or value.isascii():
        return strip_direction_marks(value)
    cleaned = readable(value)
    if cleaned == value and not is_right_to_left(value):
        return value
    return Markup("<bdi>{}</bdi>").format(cleaned)


class Isolation(Extension):
    """A Jinja extension that adds a filter to every output."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.filters |= {"isolated": isolate_markup, "unturned": strip_direction_marks}

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        position = _HtmlPosition()
        for token in stream:
            if token.type == "data":
                position.read(token.value)
            if token.type == "variable_end":
                yield Token(token.lineno, "rparen", ")")
                yield Token(token.lineno, "pipe", "|")
                yield Token(
                    token.lineno, "name", "isolated" if position.between_tags else "unturned"
                )
            yield token
            if token.type == "variable_begin":
                yield Token(token.lineno, "lparen", "(")


class _HtmlPosition:
    """The position of an output in a page's HTML."""

    def __init__(self) -> None:
        self._tag = ""  # the open tag
        self._quote = ""  # the quotation mark around an attribute
        self._text_only_element = ""  # the element around the output, if it contains no tags

    @property
    def between_tags(self) -> bool:
        return not (self._tag or self._text_only_element)

    def read(self, html: str) -> None:
        """Advance by a piece of HTML."""
        start = 0
        while start < len(html):
            start = self._read_tag(html, start) if self._tag else self._read_text(html, start)

    def _read_text(self, html: str, start: int) -> int:
        if self._text_only_element:
            end_tag = re.compile(f"<(/{self._text_only_element})", re.IGNORECASE)
            match = end_tag.search(html, start)
        else:
            match = _TAG_START.search(html, start)
        if match is None:
            return len(html)
        self._tag = match[1].lower()
        self._text_only_element = ""
        return match.end()

    def _read_tag(self, html: str, start: int) -> int:
        if self._quote:
            end = html.find(self._quote, start)
            if end < 0:
                return len(html)
            self._quote = ""
            return end + 1
        match = _QUOTE_OR_END.search(html, start)
        if match is None:
            return len(html)
        if match[0] == ">":
            self._text_only_element = self._tag if self._tag in _TEXT_ONLY else ""
            self._tag = ""
        else:
            self._quote = match[0]
        return match.end()
