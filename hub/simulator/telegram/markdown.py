"""Markdown and MarkdownV2 as Telegram reads them, with its refusals.

https://core.telegram.org/bots/api#markdownv2-style, #markdown-style; the wordings are those of
its server, tdlib/td.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

from hub.simulator.telegram.entities import Formatted, Span, formatted, wrong

RESERVED = "_*[]()~`>#+-=|{}.!"
LEGACY = {"_": "italic", "*": "bold"}
NAMES = {  # how refusals call an entity that is not closed
    "bold": "Bold",
    "italic": "Italic",
    "underline": "Underline",
    "strikethrough": "Strikethrough",
    "spoiler": "Spoiler",
    "code": "Code",
    "pre": "Pre",
    "pre_code": "PreCode",
    "text_link": "TextUrl",
    "custom_emoji": "CustomEmoji",
}
MARKS = {  # how an entity ends, and begins unless it is a link or code
    "underline": "__",
    "spoiler": "||",
    "italic": "_",
    "bold": "*",
    "strikethrough": "~",
    "code": "`",
    "pre": "```",
    "pre_code": "```",
    "text_link": "]",
    "custom_emoji": "]",
}
BEGINNINGS = ("underline", "spoiler", "italic", "bold", "strikethrough")


@dataclass
class _Open:
    """An entity that is not closed yet: where it stands in the source, and in the text."""

    kind: str
    at: int
    start: int
    language: str = ""


@dataclass
class _Reader:
    """The state of reading MarkdownV2."""

    source: str
    at: int = 0
    text: str = ""
    opened: list[_Open] = field(default_factory=list)
    found: list[Span] = field(default_factory=list)
    quote: int | None = None  # where a quotation begins in the text

    def ahead(self, mark: str) -> bool:
        return self.source.startswith(mark, self.at)

    def take(self, count: int = 1) -> None:
        self.text += self.source[self.at : self.at + count]
        self.at += count

    def offset(self, at: int) -> int:
        return len(self.source[:at].encode())


def parse_v2(source: str) -> Formatted:
    """Read MarkdownV2. Raises TelegramError for an unescaped character or a missing end."""
    reader = _Reader(source)
    while reader.at < len(source):
        _read_v2(reader)
    if reader.opened:
        last = reader.opened[-1]
        _no_end(f"{NAMES[last.kind]} entity", reader.offset(last.at))
    _end_quote(reader)
    return formatted(reader.text, reader.found)


def _read_v2(reader: _Reader) -> None:
    char = reader.source[reader.at]
    following = reader.source[reader.at + 1 : reader.at + 2]
    inside = reader.opened[-1].kind if reader.opened else ""
    if char == "\\" and following and ord(following) <= 126:
        reader.at += 1
        reader.take()
    elif inside and _ends(reader, inside):
        _close(reader)
    elif char not in ("`" if inside in ("code", "pre", "pre_code") else RESERVED):
        reader.take()
        if char == "\n" and reader.quote is not None and not inside:
            _continue_quote(reader)
    else:
        _begin(reader, char, following)


def _ends(reader: _Reader, kind: str) -> bool:
    return reader.ahead(MARKS[kind]) and not (kind == "italic" and reader.ahead("__"))


def _begin(reader: _Reader, char: str, following: str) -> None:
    at_line_start = reader.at == 0 or reader.source[reader.at - 1] == "\n"
    for kind in BEGINNINGS:
        if reader.ahead(MARKS[kind]):
            return _open(reader, kind, len(MARKS[kind]))
    if char == "[":
        return _open(reader, "text_link", 1)
    if char == "!" and following == "[":
        return _open(reader, "custom_emoji", 2)
    if char == "`":
        return _open_code(reader)
    if char == ">" and at_line_start and not reader.opened:
        reader.quote = len(reader.text)
        reader.at += 1
        return None
    raise wrong(f"Character '{char}' is reserved and must be escaped with the preceding '\\'")


def _open(reader: _Reader, kind: str, length: int, language: str = "") -> None:
    reader.opened.append(_Open(kind, reader.at, len(reader.text), language))
    reader.at += length


def _open_code(reader: _Reader) -> None:
    if not reader.ahead("```"):
        return _open(reader, "code", 1)
    begin, language = _language(reader.source, reader.at + 3)
    _open(reader, "pre_code" if language else "pre", begin - reader.at, language)
    return None


def _close(reader: _Reader) -> None:
    last = reader.opened.pop()
    reader.at += len(MARKS[last.kind])
    kind = last.kind
    address = ""
    if kind in ("text_link", "custom_emoji"):
        address = _address(reader, last)
    emoji = ("tg://emoji?id=", "tg:emoji?id=")
    if kind == "custom_emoji" and not address.lower().startswith(emoji):
        raise wrong("Custom emoji entity must contain a tg://emoji URL")
    kind = "pre" if kind == "pre_code" else kind
    reader.found.append(Span(last.start, len(reader.text), kind, address, last.language))


def _address(reader: _Reader, last: _Open) -> str:
    """Read `(address)` behind a text; without it the text itself is the address."""
    if not reader.ahead("("):
        return reader.text[last.start :]
    begun = reader.at
    found = ""
    reader.at += 1
    while reader.at < len(reader.source) and not reader.ahead(")"):
        if reader.ahead("\\") and reader.at + 1 < len(reader.source):
            reader.at += 1
        found += reader.source[reader.at]
        reader.at += 1
    if reader.at >= len(reader.source):
        emoji = last.kind == "custom_emoji"
        _no_end("a custom emoji URL" if emoji else "a URL", reader.offset(begun))
    reader.at += 1
    return found


def _continue_quote(reader: _Reader) -> None:
    if reader.ahead(">"):
        reader.at += 1
    else:
        _end_quote(reader)


def _end_quote(reader: _Reader) -> None:
    if reader.quote is not None:
        reader.found.append(Span(reader.quote, len(reader.text.rstrip("\n")), "blockquote"))
        reader.quote = None


def _no_end(what: str, offset: int) -> NoReturn:
    raise wrong(f"Can't find end of {what} at byte offset {offset}")


def parse_legacy(source: str) -> Formatted:
    """Read Markdown, the old way: entities do not nest, and four characters begin them."""
    text = ""
    found = list[Span]()
    at = 0
    while at < len(source):
        char = source[at]
        if char == "\\" and source[at + 1 : at + 2] and source[at + 1] in "_*`[":
            text += source[at + 1]
            at += 2
        elif char not in "_*`[":
            text += char
            at += 1
        else:
            at, inner, span = _legacy_entity(source, at, len(text))
            text += inner
            if inner:
                found.append(span)
    return formatted(text, found)


def _legacy_entity(source: str, at: int, start: int) -> tuple[int, str, Span]:
    """Return where an entity ends in the source, its text, and what it is."""
    char = source[at]
    pre = source.startswith("```", at)
    mark = "]" if char == "[" else char
    if pre:
        mark = "```"
    begin = at + (3 if pre else 1)
    language = ""
    if pre:
        begin, language = _language(source, begin)
    end = source.find(mark, begin)
    if end < 0:
        offset = len(source[:at].encode())
        raise wrong(f"Can't find end of the entity starting at byte offset {offset}")
    inner = source[begin:end]
    after = end + len(mark)
    if char != "[":
        kind = LEGACY.get(char) or ("pre" if pre else "code")
        return after, inner, Span(start, start + len(inner), kind, language=language)
    address = inner
    if source.startswith("(", after):
        closed = source.find(")", after)
        closed = len(source) if closed < 0 else closed
        address = source[after + 1 : closed]
        after = closed + 1
    return after, inner, Span(start, start + len(inner), "text_link", address)


def _language(source: str, begin: int) -> tuple[int, str]:
    """Return where a block of code begins after the name of its language, and that name."""
    end = begin
    while end < len(source) and not source[end].isspace() and source[end] != "`":
        end += 1
    language = ""
    if end > begin and end < len(source) and source[end] != "`":
        language = source[begin:end]
        begin = end
    if source[begin : begin + 1] in ("\n", "\r"):
        begin += 2 if source[begin : begin + 2] in ("\n\r", "\r\n") else 1
    return begin, language
