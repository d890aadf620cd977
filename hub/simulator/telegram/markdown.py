"""Read Markdown and MarkdownV2 as Telegram does, with its errors.

https://core.telegram.org/bots/api#markdownv2-style, #markdown-style. The texts are those of its
server, tdlib/td.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

from hub.simulator.telegram.entities import Formatted, Span, entity_error, formatted

RESERVED = "_*[]()~`>#+-=|{}.!"
LEGACY = {"_": "italic", "*": "bold"}
NAMES = {  # kind of entity → its name in error messages
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
MARKS = {  # closing mark; also the opening mark, except for links and code
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
class _OpenEntity:
    """An entity that is not closed yet, with its position in the source and in the text."""

    kind: str
    position: int
    start: int
    language: str = ""


@dataclass
class _Reader:
    """The state of reading MarkdownV2."""

    source: str
    position: int = 0
    text: str = ""
    open_entities: list[_OpenEntity] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    quote: int | None = None  # start of a quotation in the text

    def starts_with(self, mark: str) -> bool:
        return self.source.startswith(mark, self.position)

    def read(self, count: int = 1) -> None:
        self.text += self.source[self.position : self.position + count]
        self.position += count

    def offset(self, at: int) -> int:
        return len(self.source[:at].encode())


def parse_v2(source: str) -> Formatted:
    """Read MarkdownV2. Raises TelegramError for an unescaped character or a missing end."""
    reader = _Reader(source)
    while reader.position < len(source):
        _read_v2(reader)
    if reader.open_entities:
        last = reader.open_entities[-1]
        _raise_missing_end(f"{NAMES[last.kind]} entity", reader.offset(last.position))
    _end_quote(reader)
    return formatted(reader.text, reader.spans)


def _read_v2(reader: _Reader) -> None:
    char = reader.source[reader.position]
    following = reader.source[reader.position + 1 : reader.position + 2]
    inside = reader.open_entities[-1].kind if reader.open_entities else ""
    if char == "\\" and following and ord(following) <= 126:
        reader.position += 1
        reader.read()
    elif inside and _ends(reader, inside):
        _close(reader)
    elif char not in ("`" if inside in ("code", "pre", "pre_code") else RESERVED):
        reader.read()
        if char == "\n" and reader.quote is not None and not inside:
            _continue_quote(reader)
    else:
        _begin(reader, char, following)


def _ends(reader: _Reader, kind: str) -> bool:
    return reader.starts_with(MARKS[kind]) and not (kind == "italic" and reader.starts_with("__"))


def _begin(reader: _Reader, char: str, following: str) -> None:
    at_line_start = reader.position == 0 or reader.source[reader.position - 1] == "\n"
    for kind in BEGINNINGS:
        if reader.starts_with(MARKS[kind]):
            return _open(reader, kind, len(MARKS[kind]))
    if char == "[":
        return _open(reader, "text_link", 1)
    if char == "!" and following == "[":
        return _open(reader, "custom_emoji", 2)
    if char == "`":
        return _open_code(reader)
    if char == ">" and at_line_start and not reader.open_entities:
        reader.quote = len(reader.text)
        reader.position += 1
        return None
    raise entity_error(
        f"Character '{char}' is reserved and must be escaped with the preceding '\\'"
    )


def _open(reader: _Reader, kind: str, length: int, language: str = "") -> None:
    reader.open_entities.append(_OpenEntity(kind, reader.position, len(reader.text), language))
    reader.position += length


def _open_code(reader: _Reader) -> None:
    if not reader.starts_with("```"):
        return _open(reader, "code", 1)
    begin, language = _language(reader.source, reader.position + 3)
    _open(reader, "pre_code" if language else "pre", begin - reader.position, language)
    return None


def _close(reader: _Reader) -> None:
    last = reader.open_entities.pop()
    reader.position += len(MARKS[last.kind])
    kind = last.kind
    address = ""
    if kind in ("text_link", "custom_emoji"):
        address = _address(reader, last)
    emoji = ("tg://emoji?id=", "tg:emoji?id=")
    if kind == "custom_emoji" and not address.lower().startswith(emoji):
        raise entity_error("Custom emoji entity must contain a tg://emoji URL")
    kind = "pre" if kind == "pre_code" else kind
    reader.spans.append(Span(last.start, len(reader.text), kind, address, last.language))


def _address(reader: _Reader, last: _OpenEntity) -> str:
    """Read `(address)` after text. Without it, the text itself is the address."""
    if not reader.starts_with("("):
        return reader.text[last.start :]
    start = reader.position
    address = ""
    reader.position += 1
    while reader.position < len(reader.source) and not reader.starts_with(")"):
        if reader.starts_with("\\") and reader.position + 1 < len(reader.source):
            reader.position += 1
        address += reader.source[reader.position]
        reader.position += 1
    if reader.position >= len(reader.source):
        emoji = last.kind == "custom_emoji"
        _raise_missing_end("a custom emoji URL" if emoji else "a URL", reader.offset(start))
    reader.position += 1
    return address


def _continue_quote(reader: _Reader) -> None:
    if reader.starts_with(">"):
        reader.position += 1
    else:
        _end_quote(reader)


def _end_quote(reader: _Reader) -> None:
    if reader.quote is not None:
        reader.spans.append(Span(reader.quote, len(reader.text.rstrip("\n")), "blockquote"))
        reader.quote = None


def _raise_missing_end(entity: str, offset: int) -> NoReturn:
    raise entity_error(f"Can't find end of {entity} at byte offset {offset}")


def parse_legacy(source: str) -> Formatted:
    """Read legacy Markdown: entities do not nest, and four characters start them."""
    text = ""
    spans = list[Span]()
    position = 0
    while position < len(source):
        char = source[position]
        if char == "\\" and source[position + 1 : position + 2] and source[position + 1] in "_*`[":
            text += source[position + 1]
            position += 2
        elif char not in "_*`[":
            text += char
            position += 1
        else:
            position, entity_text, span = _legacy_entity(source, position, len(text))
            text += entity_text
            if entity_text:
                spans.append(span)
    return formatted(text, spans)


def _legacy_entity(source: str, position: int, start: int) -> tuple[int, str, Span]:
    """Return the position after an entity in the source, its text and its span."""
    char = source[position]
    pre = source.startswith("```", position)
    mark = "]" if char == "[" else char
    if pre:
        mark = "```"
    begin = position + (3 if pre else 1)
    language = ""
    if pre:
        begin, language = _language(source, begin)
    end = source.find(mark, begin)
    if end < 0:
        offset = len(source[:position].encode())
        raise entity_error(f"Can't find end of the entity starting at byte offset {offset}")
    entity_text = source[begin:end]
    after = end + len(mark)
    if char != "[":
        kind = LEGACY.get(char) or ("pre" if pre else "code")
        return after, entity_text, Span(start, start + len(entity_text), kind, language=language)
    address = entity_text
    if source.startswith("(", after):
        address_end = source.find(")", after)
        address_end = len(source) if address_end < 0 else address_end
        address = source[after + 1 : address_end]
        after = address_end + 1
    return after, entity_text, Span(start, start + len(entity_text), "text_link", address)


def _language(source: str, begin: int) -> tuple[int, str]:
    """Return the start of a code block after the name of its language, and that name."""
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
