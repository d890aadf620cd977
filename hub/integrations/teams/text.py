"""Texts of a card in Teams, which nothing in them can format, within the size that Teams accepts.

Teams reads texts of cards as Markdown, each of its apps in its own way, and some show a backslash
that escapes a mark. So nothing is escaped: what styles letters is written by a twin that looks like
it and is no mark, and the parts of links, tags and entities are set apart from each other by
U+034F, which shows nothing. In web addresses, which people copy, all of them are percent-encoded.
https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/cards-format
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from urllib.parse import quote

APART = "\u034f"  # combining grapheme joiner
TWINS = {"*": "\u2217", "_": "\u02cd", "`": "\u02cb", "~": "\u223c"}
_URL = re.compile(r"https?://[^\s<>\"]+")
_END = ".,;:!?'*`)]"  # of a sentence, rather than of the address in it
_IN_URL = re.compile(r"[*_`~()\[\]\\]")
_MARK = re.compile(r"[*_`~\[\]()\\<>&]")
# lists, headings, rules, tables, code: what makes them begins a line
_BEGINS = re.compile(r"(?m)^(?=[ \t#+=|-]|[0-9]+[.)])")


def neutral(text: str) -> str:
    """Return a text as Markdown that shows just that text; lines stay apart."""
    pieces = []
    at = 0
    for found in _URL.finditer(text):
        address = found[0].rstrip(_END)
        pieces += [_apart(text[at : found.start()]), _IN_URL.sub(_encoded, address)]
        at = found.start() + len(address)
    pieces.append(_apart(text[at:]))
    # one line feed alone is a blank
    return _BEGINS.sub(APART, "".join(pieces)).replace("\n", "\n\n")


@lru_cache(maxsize=4096)
def cost(char: str) -> int:
    """Return the most bytes that a character comes to in the JSON that is sent; what the beginning
    of a text takes comes on top.
    """
    if char == "\n":
        return 2 * size(char) + size(APART)
    return size(char) + (2 * size(APART) if _MARK.fullmatch(char) else 0)


def size(text: str) -> int:
    """Return how many bytes a text takes in JSON, without its quotation marks."""
    return len(json.dumps(text, ensure_ascii=False).encode()) - 2


def _apart(text: str) -> str:
    return _MARK.sub(_set_apart, text)


def _set_apart(found: re.Match[str]) -> str:
    return TWINS.get(found[0]) or f"{APART}{found[0]}{APART}"


def _encoded(found: re.Match[str]) -> str:
    # which quote leaves, as unreserved
    return quote(found[0], safe="") if found[0] not in "_~" else f"%{ord(found[0]):02X}"
