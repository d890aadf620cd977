"""Escape text for the markup of a provider, so that names and titles cannot format a message."""

from __future__ import annotations

import re

_URL = re.compile(r"https?://[^\s<>\"`]+")
_MARKDOWN = re.compile(r"[\\`*_\[\]<>#|~!]")
# marks that begin a list, a quotation or a rule at the start of a line
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
    for url in _URL.finditer(text):
        pieces += [_escape_marks(text[start : url.start()]), url[0]]
        start = url.end()
    return "".join([*pieces, _escape_marks(text[start:])])


def _escape_marks(text: str) -> str:
    text = _MARKDOWN.sub(r"\\\g<0>", text)
    return _LINE_START.sub(_escape_line_start, text)


def _escape_line_start(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2][:-1]}\\{match[2][-1]}"
