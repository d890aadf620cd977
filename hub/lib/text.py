"""Text of messages: values cleaned, templates rendered, texts shortened, segments counted.

Values from outside may hold characters that act on the text around them. They are removed here,
for every channel and page.
https://www.unicode.org/reports/tr9/
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import gsm0338
from jinja2 import StrictUndefined, Template, TemplateSyntaxError, UndefinedError
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

_environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
_codec = gsm0338.Codec()


@lru_cache(maxsize=512)
def _compile(source: str) -> Template:
    return _environment.from_string(source)


@lru_cache(maxsize=512)
def names_in(source: str) -> frozenset[str]:
    """Return the names that a template refers to; none for one that does not work."""
    try:
        return frozenset(find_undeclared_variables(_environment.parse(source)))
    except TemplateSyntaxError:
        return frozenset()


def render(source: str, values: Mapping[str, Any], *, isolated: bool = False) -> str:
    """Fill a template with values, each as one line. Raises ValueError that never quotes a value.

    `isolated` keeps right-to-left values from reordering the text around them.
    """
    shown = {
        name: _shown(value, isolated) if isinstance(value, str) else value
        for name, value in values.items()
    }
    try:
        return _compile(source).render(shown).strip()
    except (TemplateSyntaxError, UndefinedError) as problem:
        raise ValueError(
            f"The template has an error: {(problem.message or type(problem).__name__).rstrip('.')}."
        ) from None
    except Exception as problem:  # whatever a template may do, and its words may quote a value
        raise ValueError(f"The template has an error: {type(problem).__name__}.") from None


class Joined(str):
    """Several values in one line, each of them cleaned and isolated already."""

    __slots__ = ()


def _shown(value: str, isolated: bool) -> str:
    if isolated and isinstance(value, Joined):
        return value
    line = one_line(value)
    return isolate(line) if isolated else line


# ── Characters that act on others ─────────────────────────────────────────────────────────────────
# begins and ends text that is ordered on its own
FIRST_STRONG = "\u2068"
POP = "\u2069"
_SURROGATE = re.compile("[\ud800-\udfff]")
_BREAK = re.compile("\r\n|[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")
# controls other than tab and line feed; embeddings and overrides; isolates that name a direction;
# deprecated and annotation controls; noncharacters
_ACTS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066\u2067\u206a-\u206f\ufff9-\ufffb\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | 0xFFFE) + chr(plane << 16 | 0xFFFF) for plane in range(17))
    + "]"
)
_ISOLATES = re.compile(f"({FIRST_STRONG}[^\n{FIRST_STRONG}{POP}]*{POP})|[{FIRST_STRONG}{POP}]")
_MARKS = re.compile("[\u200e\u200f\u061c]")  # invisible letters that order what stands beside them
_RIGHT_TO_LEFT = ("R", "AL", "AN")


def readable(text: str) -> str:
    """Return a text of one or more lines without characters that act on the rest of it.

    Line breaks of every kind become line feeds. Pairs of isolates stay: they order what they
    enclose on its own.
    """
    if text.isprintable():
        return text
    if _SURROGATE.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    text = _ACTS.sub("", _BREAK.sub("\n", text))
    return _ISOLATES.sub(lambda found: found[1] or "", text)


def one_line(text: str) -> str:
    """Return a title, a name or another value as one line that acts on no text around it.

    Marks of direction stay only beside letters that are written from right to left.
    """
    if text.isprintable():
        return text.strip()
    line = re.sub("[\t\n]+", " ", readable(text)).replace(FIRST_STRONG, "").replace(POP, "").strip()
    return line if is_right_to_left(_MARKS.sub("", line)) else _MARKS.sub("", line)


def isolate(value: str) -> str:
    """Return a value whose right-to-left letters are ordered among themselves; links stay as is."""
    if value.startswith(("https://", "http://")) or not is_right_to_left(value):
        return value
    return f"{FIRST_STRONG}{value}{POP}"


def is_right_to_left(text: str) -> bool:
    """Tell whether a text holds letters or digits that are written from right to left."""
    if text.isascii():
        return False
    return any(unicodedata.bidirectional(char) in _RIGHT_TO_LEFT for char in text)


# ── Links ─────────────────────────────────────────────────────────────────────────────────────────
# https://www.rfc-editor.org/rfc/rfc3986#section-2
_NOT_IN_LINKS = re.compile(r"""[\s\x00-\x20\x7f-\x9f<>"\\^`{|}]""")


def web_address(text: str) -> str:
    """Return an http or https address as it was given. Raises ValueError that says why not."""
    invisible = not text.isascii() and not text.isprintable()
    if invisible or _NOT_IN_LINKS.search(text):
        raise ValueError(
            "Percent-encode spaces, backslashes, quotes, braces and invisible characters."
        )
    if not text.lower().startswith(("https://", "http://")):
        raise ValueError("Enter an address that begins with https:// or http://.")
    try:
        parts = urlsplit(text)
        host = parts.hostname
        port = parts.port
    except ValueError:
        raise ValueError("This is not a web address: its host or port cannot be read.") from None
    if "@" in parts.netloc:
        raise ValueError("Remove the user name and password before the host.")
    if not host or port == 0:
        raise ValueError("This is not a web address: the host is missing.")
    return text


# ── Length ────────────────────────────────────────────────────────────────────────────────────────
def utf16_length(text: str) -> int:
    """Count UTF-16 units; no provider counts more of them than these."""
    return len(text) + sum(char > "\uffff" for char in text)


def shorten(text: str, fits: Callable[[str], bool], ellipsis: str = "…") -> str | None:
    """Return the longest beginning of a text, with an ellipsis, that fits; None if not even ''.

    It is cut between characters as people see them.
    """
    pieces = list(graphemes(text))
    low = 0
    high = len(pieces) - 1
    best = None
    while low <= high:
        middle = (low + high) // 2
        short = "".join(pieces[:middle]).rstrip() + ellipsis
        if fits(short):
            low = middle + 1
            best = short
        else:
            high = middle - 1
    if best is None and fits(""):
        return ""
    return best


def graphemes(text: str) -> Iterator[str]:
    """Yield the characters of a text as people see them: accents, emoji and flags stay whole.

    In doubt, two stay together. https://www.unicode.org/reports/tr29/
    """
    start = 0
    flags = 0
    for place in range(1, len(text)):
        before = text[place - 1]
        char = text[place]
        flags = flags + 1 if _is_flag_half(before) else 0
        if not _goes_on(before, char, flags):
            yield text[start:place]
            start = place
    if text:
        yield text[start:]


_JOINERS = "\u200c\u200d"
_NUMBER_SIGNS = re.compile("[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd]")
# skin tones, tags, voiced sound marks
_EXTENDS = re.compile("[\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f\uff9e\uff9f]")
_JAMO = re.compile("[\u1100-\u11ff\ua960-\ua97f\uac00-\ud7ff]")
_VIRAMA = 9  # a canonical combining class


def _goes_on(before: str, char: str, flags: int) -> bool:
    """Tell whether a character belongs to the one before; `flags`: halves of flags before it."""
    if before.isascii() and char.isascii():
        return before == "\r" and char == "\n"
    if unicodedata.category(char).startswith("M") or char in _JOINERS or _EXTENDS.match(char):
        return True
    if before == "\u200d" or _NUMBER_SIGNS.match(before):
        return True
    if unicodedata.combining(before) == _VIRAMA:
        return unicodedata.category(char) == "Lo"
    if _is_flag_half(char):
        return flags % 2 == 1
    return bool(_JAMO.match(before) and _JAMO.match(char) and (_is_jamo(before) or _is_jamo(char)))


def _is_flag_half(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _is_jamo(char: str) -> bool:
    return not "\uac00" <= char <= "\ud7a3"  # else a whole syllable


# ── Segments ──────────────────────────────────────────────────────────────────────────────────────
def in_gsm(text: str) -> bool:
    """Tell whether an SMS with this text takes 7 bits a character."""
    try:
        _codec.encode(text)
    except UnicodeEncodeError:
        return False
    return True


def segments(text: str) -> int:
    """Count the SMS segments of a text, as carriers bill them.

    GSM 03.38: 160 septets, or 153 in each of several; a character of the extension table takes two,
    kept together. Anything else is UCS-2: 70 UTF-16 units, or 67 in each of several; a surrogate
    pair is kept together.
    """
    if not text:
        return 0
    try:
        sizes = [len(_codec.encode(char)[0]) for char in text]
        alone = 160
        many = 153
    except UnicodeEncodeError:
        sizes = [len(char.encode("utf-16-le")) // 2 for char in text]
        alone = 70
        many = 67
    if sum(sizes) <= alone:
        return 1
    count = 1
    used = 0
    for size in sizes:
        if used + size > many:
            count = count + 1
            used = 0
        used += size
    return count
