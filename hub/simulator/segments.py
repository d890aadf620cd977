"""Counting segments as the carrier does; the hub counts for itself, so that the two can be
compared.
"""

from __future__ import annotations

from collections.abc import Iterable

import gsm0338  # noqa: F401 - registers the codec


def count(text: str) -> int:
    """Count the segments of a text: GSM 03.38 septets, or UTF-16 units when a character is not in
    that set.
    """
    try:
        return _fill((len(char.encode("gsm03.38")) for char in text), whole=160, part=153)
    except UnicodeEncodeError:
        return _fill((1 + (ord(char) > 0xFFFF) for char in text), whole=70, part=67)


def _fill(sizes: Iterable[int], *, whole: int, part: int) -> int:
    """Fill segments one by one; a character is never cut in two."""
    units = list(sizes)
    if sum(units) <= whole:
        return 1
    segments = 1
    room = part
    for size in units:
        if size > room:
            segments = segments + 1
            room = part
        room -= size
    return segments
