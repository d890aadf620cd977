"""Escape text for the markup of a provider, so that names and titles cannot format a message."""

from __future__ import annotations

import re
from dataclasses import dataclass

MARKDOWN_MARKS = "\\`*_[]<>#|~!"
ZERO_WIDTH_SPACE = "\u200b"
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_URL = re.compile(r"https?://[^\s<>\"`]+")
# where mentions are switched off, a web address ends before a mark that may end the link
_SHORT_URL = re.compile(r"https?://[^\s<>\"`()\[\]]+")
_INDENT = re.compile(r"(?m)^[ \t]+")  # a block of code
# marks that begin a list at the start of a line, and the line that makes a title of the one above
_LIST_MARK = re.compile(r"(?m)^(?:[-+]|[0-9]+(?=[.)]))")
_TITLE_MARK = re.compile(r"(?m)^=")


@dataclass(frozen=True)
class Escaper:
    """A function that escapes text. Web addresses stay as they are, so that they remain links.

    `marks` are characters before which Markdown honors a backslash. With them, a line cannot begin
    a list, a title or a block of code either. `entities` are those of `&<>` that are written as
    entities. `shortcuts` are characters that begin a mention, a channel, a hashtag or an emoji,
    such as `@#:~`: an invisible space behind them switches it off.
    """

    marks: str = ""
    entities: str = ""
    shortcuts: str = ""

    def __call__(self, text: str) -> str:
        special = re.escape(self.marks + self.entities + self.shortcuts)
        if not special:
            return text
        pieces = []
        start = 0
        for url in (_SHORT_URL if self.shortcuts else _URL).finditer(text):
            piece = text[start : url.start()]
            pieces += [re.sub(f"[{special}]", self._escape_character, piece), url[0]]
            start = url.end()
        pieces.append(re.sub(f"[{special}]", self._escape_character, text[start:]))
        return self._escape_line_starts("".join(pieces))

    def _escape_character(self, match: re.Match[str]) -> str:
        char = match[0]
        text = match.string
        escaped = char
        # a backslash before a letter is always shown, and some renderers show an escaped one twice
        is_plain = char == "\\" and text[match.end() : match.end() + 1].isalnum()
        if char in self.entities:
            escaped = _ENTITIES[char]
        elif char in self.marks and not is_plain:
            escaped = f"\\{char}"
        # not in an email address or a time, where a letter or digit comes before
        begins_word = not text[max(match.start() - 1, 0) : match.start()].isalnum()
        is_shortcut = char in self.shortcuts and begins_word
        return escaped + ZERO_WIDTH_SPACE if is_shortcut else escaped

    def _escape_line_starts(self, text: str) -> str:
        if not self.marks:
            return text
        text = _LIST_MARK.sub(_escape_list_mark, _INDENT.sub("", text))
        return _TITLE_MARK.sub(f"{ZERO_WIDTH_SPACE}=", text)


def _escape_list_mark(match: re.Match[str]) -> str:
    mark = match[0]
    return f"{mark}\\" if mark.isdigit() else f"\\{mark}"


NO_ESCAPING = Escaper()
# HTML that allows entities in place of `&`, `<` and `>`
escape_html = Escaper(entities="&<>")
# Markdown that honors a backslash before punctuation, as CommonMark does
escape_markdown = Escaper(marks=MARKDOWN_MARKS)
