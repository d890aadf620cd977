"""Texts of messages: clean values, shorten texts, count segments.

Values from outside may contain characters that act on the text around them. They are removed here,
for every channel and page. https://www.unicode.org/reports/tr9/
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import gsm0338

_codec = gsm0338.Codec()


class Joined(str):
    """Several values in one line, each already cleaned and isolated."""

    __slots__ = ()


# ── Characters that act on others ─────────────────────────────────────────────────────────────────
# start and end of isolated text
FIRST_STRONG = "\u2068"
POP = "\u2069"
_SURROGATE = re.compile("[\ud800-\udfff]")
_BREAK = re.compile("\r\n|[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")
# controls except tab and line feed, embeddings, overrides, isolates with a direction, deprecated
# and annotation controls, noncharacters
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066\u2067\u206a-\u206f\ufff9-\ufffb\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | 0xFFFE) + chr(plane << 16 | 0xFFFF) for plane in range(17))
    + "]"
)
_ISOLATES = re.compile(f"({FIRST_STRONG}[^\n{FIRST_STRONG}{POP}]*{POP})|[{FIRST_STRONG}{POP}]")
_MARKS = re.compile(
    "[\u200e\u200f\u061c]"
)  # invisible letters that set the direction of their neighbors
_RIGHT_TO_LEFT = ("R", "AL", "AN")


def readable(text: str) -> str:
    """Return text of one or more lines without characters that act on other text.

    All line breaks become line feeds. Pairs of isolates are kept.
    """
    if text.isprintable():
        return text
    if _SURROGATE.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    text = _CONTROLS.sub("", _BREAK.sub("\n", text))
    return _ISOLATES.sub(lambda match: match[1] or "", text)


def one_line(text: str) -> str:
    """Return readable text with spaces instead of line breaks."""
    return text if text.isprintable() else readable(text).replace("\n", " ")


def within_sentence(name: str) -> str:
    """Return a name as it stands within a sentence, with a lowercase article."""
    return f"the {name[4:]}" if name.startswith("The ") else name


def clean_line(text: str) -> str:
    """Return a title, a name or another value as one clean line.

    Direction marks are kept only in texts with right-to-left letters.
    """
    if text.isprintable():
        return text.strip()
    line = re.sub("[\t\n]+", " ", readable(text)).replace(FIRST_STRONG, "").replace(POP, "").strip()
    return line if is_right_to_left(_MARKS.sub("", line)) else _MARKS.sub("", line)


def visible_line(text: str) -> str:
    """Return a value as one clean line, or '' if it has no visible character."""
    line = clean_line(text)
    return "" if is_blank(line) else line


def is_blank(text: str) -> bool:
    """Return whether text has no visible character."""
    if text[:1].isalnum():  # as most texts, which each event checks
        return False
    return all(unicodedata.category(char)[0] in "ZC" for char in text)


def isolate(value: str) -> str:
    """Return a value with isolates if it contains right-to-left letters. Links stay unchanged."""
    if value.startswith(("https://", "http://")) or not is_right_to_left(value):
        return value
    return f"{FIRST_STRONG}{value}{POP}"


def is_right_to_left(text: str) -> bool:
    """Return whether text contains letters or digits that are written from right to left."""
    if text.isascii():
        return False
    return any(unicodedata.bidirectional(char) in _RIGHT_TO_LEFT for char in text)


# ── Links ─────────────────────────────────────────────────────────────────────────────────────────
# https://www.rfc-editor.org/rfc/rfc3986#section-2
_NOT_IN_LINKS = re.compile(r"""[\s\x00-\x20\x7f-\x9f<>"\\^`{|}]""")


def validate_url(text: str) -> str:
    """Return a valid http or https URL unchanged. Raises ValueError with the reason
    otherwise.
    """
    has_invisible = not text.isascii() and not text.isprintable()
    if has_invisible or _NOT_IN_LINKS.search(text):
        raise ValueError(
            "Percent-encode spaces, backslashes, quotes, braces and invisible characters."
        )
    if not text.lower().startswith(("https://", "http://")):
        raise ValueError("Enter a URL that starts with https:// or http://.")
    try:
        parts = urlsplit(text)
        host = parts.hostname
        port = parts.port
    except ValueError:
        raise ValueError("This is not a valid URL: its host or port cannot be read.") from None
    if "@" in parts.netloc:
        raise ValueError("Remove the user name and password before the host.")
    if not host or port == 0:
        raise ValueError("This is not a valid URL: the host is missing.")
    return text


# ── Length ────────────────────────────────────────────────────────────────────────────────────────
def utf16_length(text: str) -> int:
    """Return the number of UTF-16 units, which is the most that any provider counts."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def shorten(text: str, fits: Callable[[str], bool], ellipsis: str = "…") -> str | None:
    """Return the longest beginning of text that fits, with an ellipsis, or None if not even ''
    fits.

    It is cut between characters as people see them.
    """
    characters = list(graphemes(text))
    low = 0
    high = len(characters) - 1
    longest = None
    while low <= high:
        middle = (low + high) // 2
        candidate = "".join(characters[:middle]).rstrip() + ellipsis
        if fits(candidate):
            low = middle + 1
            longest = candidate
        else:
            high = middle - 1
    if longest is None and fits(""):
        return ""
    return longest


def graphemes(text: str) -> Iterator[str]:
    """Yield the characters of text as people see them: accents, emoji and flags stay whole.

    In doubt, two characters stay together. https://www.unicode.org/reports/tr29/
    """
    start = 0
    flag_halves = 0
    for position in range(1, len(text)):
        previous = text[position - 1]
        char = text[position]
        flag_halves = flag_halves + 1 if _is_flag_half(previous) else 0
        if not _continues_grapheme(previous, char, flag_halves):
            yield text[start:position]
            start = position
    if text:
        yield text[start:]


_JOINERS = "\u200c\u200d"
_NUMBER_SIGNS = re.compile("[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd]")
# skin tones, tags, voiced sound marks
_EXTENDS = re.compile("[\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f\uff9e\uff9f]")
_JAMO = re.compile("[\u1100-\u11ff\ua960-\ua97f\uac00-\ud7ff]")
_VIRAMA = 9  # a canonical combining class


def _continues_grapheme(previous: str, char: str, flag_halves: int) -> bool:
    """Return whether a character belongs to the previous one.

    `flag_halves` is the number of halves of flags before it.
    """
    if previous.isascii() and char.isascii():
        return previous == "\r" and char == "\n"
    if unicodedata.category(char).startswith("M") or char in _JOINERS or _EXTENDS.match(char):
        return True
    if previous == "\u200d" or _NUMBER_SIGNS.match(previous):
        return True
    if unicodedata.combining(previous) == _VIRAMA:
        return unicodedata.category(char) == "Lo"
    if _is_flag_half(char):
        return flag_halves % 2 == 1
    return bool(
        _JAMO.match(previous) and _JAMO.match(char) and (_is_jamo(previous) or _is_jamo(char))
    )


def _is_flag_half(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _is_jamo(char: str) -> bool:
    return not "\uac00" <= char <= "\ud7a3"  # otherwise it is a whole syllable


# ── Segments ──────────────────────────────────────────────────────────────────────────────────────
def is_gsm_text(text: str) -> bool:
    """Return whether an SMS with this text needs 7 bits per character."""
    try:
        _codec.encode(text)
    except UnicodeEncodeError:
        return False
    return True


def segments(text: str) -> int:
    """Return the number of SMS segments of text, as carriers bill them.

    GSM 03.38: 160 septets, or 153 in each of several. A character of the extension table takes two,
    which are not separated. Any other text is UCS-2: 70 UTF-16 units, or 67 in each of several. A
    surrogate pair is not separated.
    """
    if not text:
        return 0
    try:
        sizes = [len(_codec.encode(char)[0]) for char in text]
        single_limit = 160
        part_limit = 153
    except UnicodeEncodeError:
        sizes = [len(char.encode("utf-16-le")) // 2 for char in text]
        single_limit = 70
        part_limit = 67
    if sum(sizes) <= single_limit:
        return 1
    count = 1
    used = 0
    for size in sizes:
        if used + size > part_limit:
            count = count + 1
            used = 0
        used += size
    return count
