"""Split addresses into the parts that a search finds them by.

A phone number is found by any 3 or more of its digits. An email address is found by any part that
begins before its @, and by its domain or a part of the domain that begins at a dot.

The number of a person without messages is indexed like a name, only by its last digits.
"""

from __future__ import annotations

import re
import unicodedata

from hub.core.vocabulary import Address

MIN_LENGTH = 3  # characters of a part
MIN_ENDING = 4  # digits of an ending
MAX_BYTES = 32  # of a part
MAX_PARTS = 64  # of one address
_NUMBER = re.compile(r"[+(]?[\d\s().+/-]*")
_LABEL = re.compile(r"(?<=[.@])|(?=@)")


def address_parts(kind: str, address: str) -> list[bytes]:
    """Return the ends of an address that begin where a search may begin."""
    if kind == Address.PHONE:
        text = re.sub(r"\D", "", address)
        starts = list(range(len(text)))
    elif kind == Address.EMAIL:
        text = address.casefold()
        before_at = range(text.rfind("@"))
        starts = sorted({*before_at, *(match.start() for match in _LABEL.finditer(text))})
    else:
        text = address.casefold()
        starts = [0]
    ends = (text[start:] for start in starts if len(text) - start >= MIN_LENGTH)
    return list(dict.fromkeys(map(_encode, ends)))[:MAX_PARTS]


def query_parts(query: str) -> list[bytes]:
    """Return the beginnings of ends that a query may mean: its digits, or the text itself."""
    typed = query.strip()
    texts = _query_digits(typed)
    if not texts and not re.search(r"\s", typed):
        texts = [typed.casefold()]
    return list(dict.fromkeys(_encode(text) for text in texts if len(text) >= MIN_LENGTH))


def number_endings(number: str) -> list[str]:
    """Return the last digits of a phone number, of each length from 4 digits on."""
    digits = re.sub(r"\D", "", number)
    return [digits[start:] for start in range(len(digits) - MIN_ENDING + 1)]


def query_endings(query: str) -> list[str]:
    """Return the last digits of a number that a query may mean. It is empty for other text."""
    return [digits for digits in _query_digits(query.strip()) if len(digits) >= MIN_ENDING]


def _query_digits(typed: str) -> list[str]:
    """Return the digits of a number as it may be stored, or nothing for other text."""
    plain = unicodedata.normalize("NFKC", typed)
    if not plain or not _NUMBER.fullmatch(plain):
        return []
    # a national number begins with a zero that is not part of the international one
    international = _digits(plain.replace("(0)", ""))
    return list(dict.fromkeys([_digits(plain), international, international.lstrip("0")]))


def _digits(text: str) -> str:
    """Return the digits of a text, those of other scripts as ASCII."""
    return "".join(str(unicodedata.decimal(char)) for char in text if char.isdecimal())


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "replace")[:MAX_BYTES]
