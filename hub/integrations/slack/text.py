"""Write texts for Slack so that data cannot format or mention, and shorten them without damage.

https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping

from hub.integrations.api import readable

CUT = "…"
NOTHING = "—"
# Slack cannot escape its marks, so a mark that would format is replaced by a similar character
_ALIKE = {"*": "∗", "_": "＿", "~": "∼", "`": "ˋ", ">": "›"}
JOINER = "\u200d"

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# a URL longer than a section is not shown, so the match is limited
_URL = re.compile(r"https?://[^\s<>|\"“”`]{0,3000}[^\s<>|\"“”`.,;:!?'’)\]}*_~]", re.IGNORECASE)


def mrkdwn(text: str, limit: int) -> str:
    """Return text in Slack's markup, of at most `limit` UTF-16 units.

    Web addresses become links, and all other characters are shown unchanged.
    """
    return _cut(_tokens(readable(text).strip()), limit)


def plain(text: str, limit: int) -> str:
    """Return text without markup: one line of at most `limit` UTF-16 units."""
    return _cut(" ".join(readable(text).split()), limit)


def mrkdwn_line(text: str, limit: int) -> str:
    """Return text in Slack's markup, on one line of at most `limit` UTF-16 units."""
    return mrkdwn(" ".join(text.split()), limit)


def is_visible(text: str) -> bool:
    """Return whether text has a visible character: Slack refuses text without one."""
    return any(char.isprintable() and not char.isspace() for char in text)


def count_utf16_units(text: str) -> int:
    """Count UTF-16 units, the largest possible count, because Slack does not define characters."""
    return len(text) + sum(char > "\uffff" for char in text)


def _tokens(text: str) -> Iterator[str]:
    """Yield the parts that must not be split: links, escapes and characters."""
    last_positions = {mark: text.rfind(mark) for mark in "*_~"}
    end = 0
    for url in _URL.finditer(text):
        yield from _characters(text, end, url.start(), last_positions)
        yield f"<{''.join(_ENTITIES.get(char, char) for char in url[0])}>"
        end = url.end()
    yield from _characters(text, end, len(text), last_positions)


def _characters(
    text: str, start: int, end: int, last_positions: Mapping[str, int]
) -> Iterator[str]:
    for position in range(start, end):
        char = text[position]
        previous = text[position - 1] if position else "\n"
        # A mark formats if it begins a word and occurs again later. Names like names_like_this
        # stay unchanged, so that they can be copied.
        is_repeated = position < last_positions.get(char, -1)
        opens = is_repeated and not (previous.isascii() and previous.isalnum())
        if opens or char == "`" or (char == ">" and previous == "\n"):
            char = _ALIKE[char]
        yield _ENTITIES.get(char, char)


def _cut(tokens: Iterator[str] | str, limit: int) -> str:
    fitting: list[str] = []
    size = 0
    for token in tokens:
        size += count_utf16_units(token)
        if size <= limit:
            fitting.append(token)
            continue
        size -= count_utf16_units(token)
        while fitting and (
            size + len(CUT) > limit or _joins_previous(token) or fitting[-1] == JOINER
        ):
            token = fitting.pop()
            size -= count_utf16_units(token)
        return ("".join(fitting).rstrip() + CUT)[: max(limit, 0)]
    return "".join(fitting)


def _joins_previous(token: str) -> bool:
    """Return whether a character belongs to the one before it, such as an accent."""
    return token == JOINER or unicodedata.category(token[0]).startswith("M")
