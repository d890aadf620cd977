"""HTML as Telegram reads it: a text and its entities, or an error that names the byte where reading
ended.

https://core.telegram.org/bots/api#html-style
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup, escape

from hub.simulator.telegram.errors import TelegramError

KINDS = {  # tag → kind of entity
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "span": "spoiler",
    "tg-spoiler": "spoiler",
    "a": "text_link",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
    "tg-emoji": "custom_emoji",
    "tg-time": "date_time",
}
SHOWN = {
    "bold": "strong",
    "italic": "em",
    "underline": "u",
    "strikethrough": "s",
    "code": "code",
    "pre": "code",
    "blockquote": "q",
}
NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
REFERENCE = re.compile(r"&(?:(lt|gt|amp|quot)|#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6}));?")
START = re.compile(
    r"<([^\s>/]*)((?:\s+[^\s=>/]+(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s>\"']+))?)*)\s*>"
)
ATTRIBUTE = re.compile(r"([^\s=>/]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>\"']+)))?")
END = re.compile(r"</([^>]*)>")
ADDRESS = re.compile(r"(?:https?://|tg://|mailto:)\S+")
MOST = 100  # entities of one message
# what Telegram finds by itself, first things first;
# https://core.telegram.org/bots/api#messageentity
_TAIL = r"[^\s<>\"']*[^\s<>\"'.,;:!?)\]}]"
_URL = (
    rf"(?<![\w@/])(?:https?://|tg://|www\.){_TAIL}"
    rf"|(?<![\w@/.-])(?:[a-z0-9-]+\.)+(?:com|org|net|io|dev|app|de|eu)\b(?:/{_TAIL})?"
)
DETECTED = (
    ("url", re.compile(_URL, re.IGNORECASE)),
    ("email", re.compile(r"(?<![\w.+-])[\w.+-]+@(?:[\w-]+\.)+[a-z]{2,}\b", re.IGNORECASE)),
    ("bot_command", re.compile(r"(?<![\w/@<>])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?\b(?!/)")),
    ("mention", re.compile(r"(?<![\w@/])@[A-Za-z][A-Za-z0-9_]{3,31}\b")),
    ("hashtag", re.compile(r"(?<![\w#])#(?=\w*[^\W\d])\w{1,256}")),
)


@dataclass(frozen=True)
class Formatted:
    """A text as its readers see it: plain, its entities with offsets in UTF-16 units, and the same
    as HTML of ours.
    """

    text: str
    entities: list[dict[str, Any]]
    html: Markup


@dataclass(frozen=True)
class Span:
    """An entity of a text, from `start` to `end` in characters."""

    start: int
    end: int
    kind: str
    url: str = ""
    language: str = ""


@dataclass
class _Open:
    """A tag that is not closed yet."""

    tag: str
    at: int  # where it stands in the source, in bytes
    start: int  # of its text, in characters
    attributes: dict[str, str]
    kind: str = field(init=False)

    def __post_init__(self) -> None:
        self.kind = KINDS[self.tag]


def plain(text: str) -> Formatted:
    """Take a text without formatting."""
    return formatted(text, [])


def formatted(text: str, spans: list[Span]) -> Formatted:
    """Put a text and its entities together; those that Telegram finds by itself are added."""
    spans = [span for span in spans if span.start < span.end]
    shown = _marked_up(text, spans)
    return Formatted(text.strip(), _written(text, spans + _detected(text, spans)), shown)


def _marked_up(text: str, spans: list[Span]) -> Markup:
    """Write a text as HTML; spans lie inside one another, and never across."""
    order = sorted(spans, key=lambda span: (span.start, -span.end))
    marks: dict[int, list[Markup]] = {}
    for span in reversed(order):
        marks.setdefault(span.start, []).insert(0, _tag(span, end=False))
    for span in sorted(order, key=lambda span: span.start - span.end):
        marks.setdefault(span.end, []).insert(0, _tag(span, end=True))
    ends = sorted({0, len(text), *marks})
    shown = list[Markup]()
    for here, following in zip(ends, [*ends[1:], len(text)], strict=True):
        shown += [*marks.get(here, []), escape(text[here:following])]
    return Markup("").join(shown)


def _tag(span: Span, *, end: bool) -> Markup:
    if span.kind == "text_link":
        return _link_tag(span.url, end=end)
    if span.kind == "spoiler":
        return Markup("</span>") if end else Markup('<span class="sp-spoiler">')
    tag = SHOWN.get(span.kind)
    return Markup(f"</{tag}>" if end else f"<{tag}>") if tag else Markup()  # noqa: S704 - a tag out of the table


def _link_tag(address: str, *, end: bool) -> Markup:
    if not ADDRESS.fullmatch(address):
        return Markup()
    return Markup("</a>") if end else Markup('<a href="{}" rel="noreferrer">').format(address)


def _detected(text: str, spans: list[Span]) -> list[Span]:
    """Return what Telegram finds in a text by itself: addresses, commands, mentions, hashtags."""
    closed = [span for span in spans if span.kind in ("code", "pre", "text_link", "custom_emoji")]
    found: list[Span] = []
    for kind, pattern in DETECTED:
        for match in pattern.finditer(text):
            start, end = match.span()
            if all(end <= span.start or start >= span.end for span in [*closed, *found]):
                found.append(Span(start, end, kind))
    return found


def _written(text: str, spans: list[Span]) -> list[dict[str, Any]]:
    """Write entities as the API does, with offsets in the text without blanks around it."""
    begins = len(text) - len(text.lstrip())
    ends = len(text.rstrip())
    written = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        start = max(span.start, begins)
        end = min(span.end, ends)
        if start >= end or (span.kind == "text_link" and not ADDRESS.fullmatch(span.url)):
            continue
        entity: dict[str, Any] = {"type": span.kind, "offset": _units(text[begins:start])}
        entity["length"] = _units(text[start:end])
        if span.kind == "text_link":
            entity["url"] = span.url
        if span.language:
            entity["language"] = span.language
        written.append(entity)
    return written[:MOST]


def parse(source: str) -> Formatted:
    """Read HTML; raise TelegramError for tags that are unknown, or not closed in order."""
    text = ""
    opened = list[_Open]()
    at = 0
    found: list[Span] = []
    while at < len(source):
        char = source[at]
        if char == "&" and (reference := REFERENCE.match(source, at)):
            letter = _referenced(reference)
            text = text + letter
            at = reference.end()
        elif char != "<":
            text = text + char
            at = at + 1
        elif source.startswith("</", at):
            at, closed = _close(source, at, opened)
            found.append(
                Span(closed.start, len(text), closed.kind, closed.attributes.get("href", ""))
            )
        else:
            at, begun = _begin(source, at, len(text))
            opened.append(begun)
    if opened:
        raise wrong(f'Can\'t find end tag corresponding to start tag "{opened[-1].tag}"')
    return formatted(text, found)


def _referenced(match: re.Match[str]) -> str:
    if match[1]:
        return NAMED[match[1]]
    code = int(match[2]) if match[2] else int(match[3], 16)
    return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else match[0]


def _begin(source: str, at: int, start: int) -> tuple[int, _Open]:
    offset = len(source[:at].encode())
    match = START.match(source, at)
    if match is None:
        name = re.match(r"<([^\s>/]*)", source[at:])
        tag = name[1].lower() if name else ""
        if tag not in KINDS:
            raise wrong(f'Unsupported start tag "{tag}" at byte offset {offset}')
        raise wrong(f'Unclosed start tag "{tag}" at byte offset {offset}')
    tag = match[1].lower()
    if tag not in KINDS:
        raise wrong(f'Unsupported start tag "{tag}" at byte offset {offset}')
    attributes = {
        one[1].lower(): _unescaped(one[2] or one[3] or one[4] or "")
        for one in ATTRIBUTE.finditer(match[2])
    }
    if tag == "span" and attributes.get("class") != "tg-spoiler":
        raise wrong(f'Tag "span" must have class "tg-spoiler" at byte offset {offset}')
    return match.end(), _Open(tag, offset, start, attributes)


def _close(source: str, at: int, opened: list[_Open]) -> tuple[int, _Open]:
    offset = len(source[:at].encode())
    match = END.match(source, at)
    name = match[1].strip().lower() if match else ""
    if not opened:
        raise wrong(f"Unexpected end tag at byte offset {offset}")
    last = opened.pop()
    if match is None or name not in ("", last.tag):
        raise wrong(
            f'Unmatched end tag at byte offset {offset}, expected "</{last.tag}>", found'
            f' "</{name}>"'
        )
    return match.end(), last


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _unescaped(text: str) -> str:
    return REFERENCE.sub(_referenced, text)


def wrong(what: str) -> TelegramError:
    return TelegramError(400, f"Bad Request: can't parse entities: {what}")
