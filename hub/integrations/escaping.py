"""Escape text for the markup of a provider, so that names and titles cannot format a message."""

from __future__ import annotations

import re

_URL = re.compile(r"https?://[^\s<>\"`]+")
_MARKDOWN = re.compile(r"[\\`*_\[\]<>#|~!]")
# what begins a list, a quotation or a rule at the start of a line
_LINE_START = re.compile(r"(?m)^(\s*)([-+=]|[0-9]+[.)])")


def escape_html(text: str) -> str:
    """Escape text for HTML that allows entities in place of `&`, `<` and `>`."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def escape_markdown(text: str) -> str:
    """Escape text for Markdown that honors a backslash before punctuation, as CommonMark does.

    Web addresses stay as they are, so that they remain links. Mentions such as `@channel` are not
    part of Markdown: switch them off in the provider's payload.
    """
    pieces = []
    start = 0
    for found in _URL.finditer(text):
        pieces += [_escaped(text[start : found.start()]), found[0]]
        start = found.end()
    return "".join([*pieces, _escaped(text[start:])])


def _escaped(text: str) -> str:
    text = _MARKDOWN.sub(r"\\\g<0>", text)
    return _LINE_START.sub(_escaped_start, text)


def _escaped_start(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2][:-1]}\\{found[2][-1]}"
