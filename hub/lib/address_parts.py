"""Split addresses into the parts that a search finds them by.

A phone number is found by any 3 or more of its digits. An email address is found by any part that
begins before its @, and by its domain or a part of the domain that begins at a dot.
"""

from __future__ import annotations

import re

from hub.core.vocabulary import Address

MIN_LENGTH = 3  # characters of a part
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
    digits = re.sub(r"\D", "", typed)
    if _NUMBER.fullmatch(typed):
        # a national number begins with a zero that is not part of the international one
        texts = [digits, digits.lstrip("0")]
    else:
        texts = [] if re.search(r"\s", typed) else [typed.casefold()]
    return list(dict.fromkeys(_encode(text) for text in texts if len(text) >= MIN_LENGTH))


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "replace")[:MAX_BYTES]
