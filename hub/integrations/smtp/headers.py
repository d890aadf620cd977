"""Write the headers of emails: folded lines, encoded words, and addresses that stay whole.

The standard library folds a header with other letters so that spaces get lost, and it encodes long
addresses in headers. Both are done here by RFC 5322 and RFC 2047.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from email.headerregistry import (
    DateHeader,
    HeaderRegistry,
    UniqueSingleAddressHeader,
    UniqueUnstructuredHeader,
)
from email.policy import SMTP, EmailPolicy
from typing import Any

CRLF = "\r\n"
MAX_LINE_LENGTH = 76  # characters of a line with encoded words; others may have 78
WORD_BYTES = 39  # of the text in one encoded word: =?utf-8?b?…?= then has 64 characters
# text that may stand in a header as it is: no encoded word, and no space at an end or in a row
_PLAIN = re.compile(r"(?!.*=\?)[!-~]+(?: [!-~]+)*", re.DOTALL)
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")


class _LiteralHeader(UniqueUnstructuredHeader):
    """A header with a text as it is. The base class would decode encoded words in it.

    They could contain line breaks, which are refused in the text itself.
    """

    name: str

    @classmethod
    def parse(cls, value: str, kwds: dict[str, Any]) -> None:
        super().parse(value, kwds)
        kwds["decoded"] = value


class TextHeader(_LiteralHeader):
    """A header with a text, such as Subject."""

    def fold(self, *, policy: Any) -> str:
        text = str(self)
        if policy.utf8 or (_PLAIN.fullmatch(text) and max(map(len, text.split())) < 60):
            pieces = text.split(" ")
        else:
            pieces = list(encoded_words(text))
        return _folded(self.name, pieces) + CRLF


class MailboxHeader(UniqueSingleAddressHeader):
    """A header with one address and the name of its owner, such as From."""

    name: str

    def fold(self, *, policy: Any) -> str:
        [mailbox] = self.addresses
        address = f"{mailbox.username}@{mailbox.domain}"
        name = mailbox.display_name
        if not name:
            return f"{self.name}: {address}{CRLF}"
        if _ATOMS.fullmatch(name) and len(name) < 60 and "=?" not in name:
            pieces = name.split(" ")
        elif (policy.utf8 or _PLAIN.fullmatch(name)) and len(name) < 60:
            pieces = ['"' + re.sub(r'(["\\])', r"\\\1", name) + '"']
        else:
            pieces = list(encoded_words(name))
        return _folded(self.name, [*pieces, f"<{address}>"]) + CRLF


class UrlHeader(_LiteralHeader):
    """A header with addresses in angle brackets, which stays on one line as it is."""

    def fold(self, *, policy: Any) -> str:
        return f"{self.name}: {self}{CRLF}"


def email_policy() -> EmailPolicy[Any]:
    """Return the policy by which emails are written."""
    registry: Any = HeaderRegistry()  # its types do not know classes without BaseHeader
    for name in ("from", "to", "reply-to", "sender"):
        registry.map_to_type(name, MailboxHeader)
    for name in ("list-unsubscribe", "references", "message-id"):
        registry.map_to_type(name, UrlHeader)
    registry.map_to_type("subject", TextHeader)
    registry.map_to_type("date", DateHeader)
    # 7bit: bodies are encoded, because not every server accepts other letters as they are
    return SMTP.clone(max_line_length=MAX_LINE_LENGTH, cte_type="7bit", header_factory=registry)


def encoded_words(text: str) -> Iterator[str]:
    """Return a text as encoded words, none of which ends within a character."""
    chunk = b""
    for character in text:
        encoded = character.encode()
        if len(chunk) + len(encoded) > WORD_BYTES:
            yield _encoded_word(chunk)
            chunk = b""
        chunk += encoded
    if chunk:
        yield _encoded_word(chunk)


def _encoded_word(chunk: bytes) -> str:
    return f"=?utf-8?b?{b64encode(chunk).decode()}?="


def _folded(name: str, pieces: list[str]) -> str:
    """Return a header of pieces with spaces or line breaks between them."""
    lines = [f"{name}: {pieces[0]}"]
    for piece in pieces[1:]:
        if len(lines[-1]) + 1 + len(piece) <= MAX_LINE_LENGTH:
            lines[-1] += f" {piece}"
        else:
            lines.append(f" {piece}")
    return CRLF.join(lines)
