"""Write texts for cards in Teams so that data cannot format them.

The apps of Teams read texts as Markdown in different ways, and some show the backslash of an
escaped mark. So nothing is escaped. Marks that style letters are replaced by similar characters.
Parts of links, tags and entities are separated by the invisible U+034F. In URLs, which
people copy, all marks are percent-encoded.
https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/cards-format
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from urllib.parse import quote

SEPARATOR = "\u034f"  # combining grapheme joiner
SIMILAR_CHARACTERS = {"*": "\u2217", "_": "\u02cd", "`": "\u02cb", "~": "\u223c"}
_URL = re.compile(r"https?://[^\s<>\"]+")
_END = ".,;:!?'*`)]"  # characters that end a sentence, not the URL in it
_IN_URL = re.compile(r"[*_`~()\[\]\\]")
_MARK = re.compile(r"[*_`~\[\]()\\<>&]")
# marks of lists, headings, rules, tables and code at the start of a line
_LINE_MARK = re.compile(r"(?m)^(?=[ \t#+=|-]|[0-9]+[.)])")


def escape_text(text: str) -> str:
    """Return Markdown that shows text unchanged, with its line breaks."""
    pieces = []
    start = 0
    for match in _URL.finditer(text):
        url = match[0].rstrip(_END)
        pieces += [_break_links(text[start : match.start()]), _IN_URL.sub(_percent_encode, url)]
        start = match.start() + len(url)
    pieces.append(_break_links(text[start:]))
    # a single line feed would be a blank
    return _LINE_MARK.sub(SEPARATOR, "".join(pieces)).replace("\n", "\n\n")


@lru_cache(maxsize=4096)
def cost(char: str) -> int:
    """Return the maximum bytes of a character in the JSON of the request.

    A mark at the start of the text costs more.
    """
    if char == "\n":
        return 2 * size(char) + size(SEPARATOR)
    return size(char) + (2 * size(SEPARATOR) if _MARK.fullmatch(char) else 0)


def size(text: str) -> int:
    """Return the number of bytes of text in JSON, without the quotation marks."""
    return len(json.dumps(text, ensure_ascii=False).encode()) - 2


def _break_links(text: str) -> str:
    return _MARK.sub(_disarm_mark, text)


def _disarm_mark(match: re.Match[str]) -> str:
    return SIMILAR_CHARACTERS.get(match[0]) or f"{SEPARATOR}{match[0]}{SEPARATOR}"


def _percent_encode(match: re.Match[str]) -> str:
    # quote() does not encode _ and ~
    return quote(match[0], safe="") if match[0] not in "_~" else f"%{ord(match[0]):02X}"
