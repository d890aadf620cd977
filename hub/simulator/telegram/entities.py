"""HTML as Telegram reads it: a text and its entities, or an error that names the byte where reading ended.

https://core.telegram.org/bots/api#html-style
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup, escape

from hub.simulator.telegram.errors import TelegramError

KINDS = {  # tag → kind of entity
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline", "ins": "underline", "s": "strikethrough",
    "strike": "strikethrough", "del": "strikethrough", "span": "spoiler", "tg-spoiler": "spoiler", "a": "text_link", "code": "code",
    "pre": "pre", "blockquote": "blockquote", "tg-emoji": "custom_emoji", "tg-time": "date_time",
}  # fmt: skip
SHOWN = {"bold": "strong", "italic": "em", "underline": "u", "strikethrough": "s", "code": "code", "pre": "code", "blockquote": "q"}
NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
REFERENCE = re.compile(r"&(?:(lt|gt|amp|quot)|#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6}));?")
START = re.compile(r"<([^\s>/]*)((?:\s+[^\s=>/]+(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s>\"']+))?)*)\s*>")
ATTRIBUTE = re.compile(r"([^\s=>/]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>\"']+)))?")
END = re.compile(r"</([^>]*)>")
ADDRESS = re.compile(r"(?:https?://|tg://|mailto:)\S+")
MOST = 100  # entities of one message


@dataclass(frozen=True)
class Formatted:
    """A text as its readers see it: plain, its entities with offsets in UTF-16 units, and the same as HTML of ours."""

    text: str
    entities: list[dict[str, Any]]
    html: Markup


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
    text = text.strip()
    return Formatted(text, [], escape(text))


def parse(source: str) -> Formatted:
    """Read HTML; raise TelegramError for tags that are unknown, or not closed in order."""
    text, shown, opened, at = "", [], list[_Open](), 0
    found: list[tuple[int, int, _Open]] = []
    while at < len(source):
        char = source[at]
        if char == "&" and (reference := REFERENCE.match(source, at)):
            letter = _referenced(reference)
            text, at = text + letter, reference.end()
            shown.append(escape(letter))
        elif char != "<":
            text, at = text + char, at + 1
            shown.append(escape(char))
        elif source.startswith("</", at):
            at, closed = _close(source, at, opened)
            found.append((closed.start, len(text), closed))
            shown.append(_shown(closed, end=True))
        else:
            at, begun = _begin(source, at, len(text))
            opened.append(begun)
            shown.append(_shown(begun))
    if opened:
        raise _wrong(f"Can't find end tag corresponding to start tag \"{opened[-1].tag}\"")
    return Formatted(text.strip(), _entities(text, found), Markup("").join(shown))


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
            raise _wrong(f'Unsupported start tag "{tag}" at byte offset {offset}')
        raise _wrong(f'Unclosed start tag "{tag}" at byte offset {offset}')
    tag = match[1].lower()
    if tag not in KINDS:
        raise _wrong(f'Unsupported start tag "{tag}" at byte offset {offset}')
    attributes = {one[1].lower(): _unescaped(one[2] or one[3] or one[4] or "") for one in ATTRIBUTE.finditer(match[2])}
    if tag == "span" and attributes.get("class") != "tg-spoiler":
        raise _wrong(f'Tag "span" must have class "tg-spoiler" at byte offset {offset}')
    return match.end(), _Open(tag, offset, start, attributes)


def _close(source: str, at: int, opened: list[_Open]) -> tuple[int, _Open]:
    offset, match = len(source[:at].encode()), END.match(source, at)
    name = match[1].strip().lower() if match else ""
    if not opened:
        raise _wrong(f"Unexpected end tag at byte offset {offset}")
    last = opened.pop()
    if match is None or name not in ("", last.tag):
        raise _wrong(f'Unmatched end tag at byte offset {offset}, expected "</{last.tag}>", found "</{name}>"')
    return match.end(), last


def _shown(one: _Open, *, end: bool = False) -> Markup:
    if one.kind == "text_link":
        address = one.attributes.get("href", "")
        if not ADDRESS.fullmatch(address):
            return Markup()
        return Markup("</a>") if end else Markup('<a href="{}" rel="noreferrer">').format(address)
    if one.kind == "spoiler":
        return Markup("</span>") if end else Markup('<span class="sp-spoiler">')
    tag = SHOWN.get(one.kind)
    return Markup(f"</{tag}>" if end else f"<{tag}>") if tag else Markup()  # noqa: S704 - a tag out of the table


def _entities(text: str, found: list[tuple[int, int, _Open]]) -> list[dict[str, Any]]:
    """List what is formatted, by place; spaces at the text's ends are gone, and with them what covered nothing else."""
    begins, ends = len(text) - len(text.lstrip()), len(text.rstrip())
    entities = []
    for start, end, one in sorted(found, key=lambda entity: (entity[0], -entity[1])):
        start, end = max(start, begins), min(end, ends)
        address = one.attributes.get("href", "")
        if start >= end or (one.kind == "text_link" and not ADDRESS.fullmatch(address)):
            continue
        entity = {"offset": _units(text[begins:start]), "length": _units(text[start:end]), "type": one.kind}
        entities.append(entity | ({"url": address} if one.kind == "text_link" else {}))
    return entities[:MOST]


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _unescaped(text: str) -> str:
    return REFERENCE.sub(_referenced, text)


def _wrong(what: str) -> TelegramError:
    return TelegramError(400, f"Bad Request: can't parse entities: {what}")
