"""Read HTML as Telegram does: text with entities, or an error at a byte offset.

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
MAX_ENTITIES = 100  # in one message
# entities that Telegram detects in text, in order of precedence:
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
    """A text as its readers see it.

    It is plain, with entities whose offsets count UTF-16 units, and as HTML for the simulator's
    page.
    """

    text: str
    entities: list[dict[str, Any]]
    html: Markup


@dataclass(frozen=True)
class Span:
    """An entity in text, from `start` to `end` in characters."""

    start: int
    end: int
    kind: str
    url: str = ""
    language: str = ""


@dataclass
class _OpenTag:
    """A tag that is not closed yet."""

    tag: str
    offset: int  # in the source, in bytes
    start: int  # of its text, in characters
    attributes: dict[str, str]
    kind: str = field(init=False)

    def __post_init__(self) -> None:
        self.kind = KINDS[self.tag]


def plain(text: str) -> Formatted:
    """Return text without formatting."""
    return formatted(text, [])


def formatted(text: str, spans: list[Span]) -> Formatted:
    """Combine text with its entities and those that Telegram detects itself."""
    spans = [span for span in spans if span.start < span.end]
    shown = _to_html(text, spans)
    return Formatted(
        text.strip(), _entities_json(text, spans + _detect_entities(text, spans)), shown
    )


def _to_html(text: str, spans: list[Span]) -> Markup:
    """Return text as HTML. Spans are nested and never overlap in part."""
    order = sorted(spans, key=lambda span: (span.start, -span.end))
    tags: dict[int, list[Markup]] = {}
    for span in reversed(order):
        tags.setdefault(span.start, []).insert(0, _tag(span, end=False))
    for span in sorted(order, key=lambda span: span.start - span.end):
        tags.setdefault(span.end, []).insert(0, _tag(span, end=True))
    positions = sorted({0, len(text), *tags})
    parts = list[Markup]()
    for position, following in zip(positions, [*positions[1:], len(text)], strict=True):
        parts += [*tags.get(position, []), escape(text[position:following])]
    return Markup("").join(parts)


def _tag(span: Span, *, end: bool) -> Markup:
    if span.kind == "text_link":
        return _link_tag(span.url, end=end)
    if span.kind == "spoiler":
        return Markup("</span>") if end else Markup('<span class="sp-spoiler">')
    tag = SHOWN.get(span.kind)
    return Markup(f"</{tag}>" if end else f"<{tag}>") if tag else Markup()  # noqa: S704


def _link_tag(address: str, *, end: bool) -> Markup:
    if not ADDRESS.fullmatch(address):
        return Markup()
    return Markup("</a>") if end else Markup('<a href="{}" rel="noreferrer">').format(address)


def _detect_entities(text: str, spans: list[Span]) -> list[Span]:
    """Return the addresses, commands, mentions and hashtags in text."""
    protected = [
        span for span in spans if span.kind in ("code", "pre", "text_link", "custom_emoji")
    ]
    detected: list[Span] = []
    for kind, pattern in DETECTED:
        for match in pattern.finditer(text):
            start, end = match.span()
            if all(end <= span.start or start >= span.end for span in [*protected, *detected]):
                detected.append(Span(start, end, kind))
    return detected


def _entities_json(text: str, spans: list[Span]) -> list[dict[str, Any]]:
    """Return entities in the API's format. Offsets do not count spaces around the text."""
    text_start = len(text) - len(text.lstrip())
    text_end = len(text.rstrip())
    entities = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        start = max(span.start, text_start)
        end = min(span.end, text_end)
        if start >= end or (span.kind == "text_link" and not ADDRESS.fullmatch(span.url)):
            continue
        entity: dict[str, Any] = {
            "type": span.kind,
            "offset": _utf16_length(text[text_start:start]),
        }
        entity["length"] = _utf16_length(text[start:end])
        if span.kind == "text_link":
            entity["url"] = span.url
        if span.language:
            entity["language"] = span.language
        entities.append(entity)
    return entities[:MAX_ENTITIES]


def parse(source: str) -> Formatted:
    """Read HTML. Raises TelegramError for unknown tags, or tags that are not closed in order."""
    text = ""
    open_tags = list[_OpenTag]()
    position = 0
    spans: list[Span] = []
    while position < len(source):
        char = source[position]
        if char == "&" and (reference := REFERENCE.match(source, position)):
            letter = _referenced(reference)
            text = text + letter
            position = reference.end()
        elif char != "<":
            text = text + char
            position = position + 1
        elif source.startswith("</", position):
            position, closed = _end_tag(source, position, open_tags)
            spans.append(
                Span(closed.start, len(text), closed.kind, closed.attributes.get("href", ""))
            )
        else:
            position, tag = _start_tag(source, position, len(text))
            open_tags.append(tag)
    if open_tags:
        raise entity_error(f'Can\'t find end tag corresponding to start tag "{open_tags[-1].tag}"')
    return formatted(text, spans)


def _referenced(match: re.Match[str]) -> str:
    if match[1]:
        return NAMED[match[1]]
    code = int(match[2]) if match[2] else int(match[3], 16)
    return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else match[0]


def _start_tag(source: str, position: int, text_start: int) -> tuple[int, _OpenTag]:
    offset = len(source[:position].encode())
    match = START.match(source, position)
    if match is None:
        name = re.match(r"<([^\s>/]*)", source[position:])
        tag = name[1].lower() if name else ""
        if tag not in KINDS:
            raise entity_error(f'Unsupported start tag "{tag}" at byte offset {offset}')
        raise entity_error(f'Unclosed start tag "{tag}" at byte offset {offset}')
    tag = match[1].lower()
    if tag not in KINDS:
        raise entity_error(f'Unsupported start tag "{tag}" at byte offset {offset}')
    attributes = {
        attribute[1].lower(): _unescaped(attribute[2] or attribute[3] or attribute[4] or "")
        for attribute in ATTRIBUTE.finditer(match[2])
    }
    if tag == "span" and attributes.get("class") != "tg-spoiler":
        raise entity_error(f'Tag "span" must have class "tg-spoiler" at byte offset {offset}')
    return match.end(), _OpenTag(tag, offset, text_start, attributes)


def _end_tag(source: str, position: int, open_tags: list[_OpenTag]) -> tuple[int, _OpenTag]:
    offset = len(source[:position].encode())
    match = END.match(source, position)
    name = match[1].strip().lower() if match else ""
    if not open_tags:
        raise entity_error(f"Unexpected end tag at byte offset {offset}")
    last = open_tags.pop()
    if match is None or name not in ("", last.tag):
        raise entity_error(
            f'Unmatched end tag at byte offset {offset}, expected "</{last.tag}>", found'
            f' "</{name}>"'
        )
    return match.end(), last


def _utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _unescaped(text: str) -> str:
    return REFERENCE.sub(_referenced, text)


def entity_error(problem: str) -> TelegramError:
    return TelegramError(400, f"Bad Request: can't parse entities: {problem}")
