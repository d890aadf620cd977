"""Text as Slack reads it: what stands in data neither formats nor mentions anybody, and is cut
where nothing breaks.

https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping

from hub.integrations.api import readable

CUT = "…"
NOTHING = "—"
# Slack has no escape for its marks, so one that would format is shown as a sign that looks like it
_ALIKE = {"*": "∗", "_": "＿", "~": "∼", "`": "ˋ", ">": "›"}
JOINER = "\u200d"

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# an address longer than a section is not shown, so no more of one is looked at
_URL = re.compile(r"https?://[^\s<>|\"“”`]{0,3000}[^\s<>|\"“”`.,;:!?'’)\]}*_~]", re.IGNORECASE)


def mrkdwn(text: str, most: int) -> str:
    """Return a text for Slack's own markup, of at most `most` UTF-16 units: web addresses are
    links, all else is as it reads.
    """
    return _cut(_tokens(readable(text).strip()), most)


def plain(text: str, most: int) -> str:
    """Return a text for where Slack reads no markup: one line of at most `most` UTF-16 units."""
    return _cut(" ".join(readable(text).split()), most)


def line(text: str, most: int) -> str:
    """Return a text for Slack's markup on one line."""
    return mrkdwn(" ".join(text.split()), most)


def visible(text: str) -> bool:
    """Tell whether a text shows anything: Slack refuses one that is empty."""
    return any(char.isprintable() and not char.isspace() for char in text)


def units(text: str) -> int:
    """Count UTF-16 units: Slack does not say what its characters are, and nothing counts more of
    them.
    """
    return len(text) + sum(char > "\uffff" for char in text)


def _tokens(text: str) -> Iterator[str]:
    """Yield what must not be split: a link, an escape, a character."""
    last = {mark: text.rfind(mark) for mark in "*_~"}
    end = 0
    for found in _URL.finditer(text):
        yield from _characters(text, end, found.start(), last)
        yield f"<{''.join(_ENTITIES.get(char, char) for char in found[0])}>"
        end = found.end()
    yield from _characters(text, end, len(text), last)


def _characters(text: str, start: int, end: int, last: Mapping[str, int]) -> Iterator[str]:
    for place in range(start, end):
        char = text[place]
        before = text[place - 1] if place else "\n"
        # a mark opens at the edge of a word, and formats when it comes again: names_like_this may
        # be copied as they are
        opens = place < last.get(char, -1) and not (before.isascii() and before.isalnum())
        if opens or char == "`" or (char == ">" and before == "\n"):
            char = _ALIKE[char]
        yield _ENTITIES.get(char, char)


def _cut(tokens: Iterator[str] | str, most: int) -> str:
    kept: list[str] = []
    size = 0
    for token in tokens:
        size += units(token)
        if size <= most:
            kept.append(token)
            continue
        size -= units(token)
        while kept and (size + len(CUT) > most or _goes_on(token) or kept[-1] == JOINER):
            token = kept.pop()
            size -= units(token)
        return ("".join(kept).rstrip() + CUT)[: max(most, 0)]
    return "".join(kept)


def _goes_on(token: str) -> bool:
    """Tell whether a character belongs to the one before it, as an accent does."""
    return token == JOINER or unicodedata.category(token[0]).startswith("M")
