"""Count segments as a carrier does, independently of the hub, so that both counts can be
compared.
"""

from __future__ import annotations

from collections.abc import Iterable

import gsm0338  # noqa: F401 - registers the codec


def count(text: str) -> int:
    """Return the number of segments of text.

    It counts GSM 03.38 septets, or UTF-16 units if a character is not in that set.
    """
    try:
        return _fill((len(char.encode("gsm03.38")) for char in text), single=160, multi=153)
    except UnicodeEncodeError:
        return _fill((1 + (ord(char) > 0xFFFF) for char in text), single=70, multi=67)


def _fill(sizes: Iterable[int], *, single: int, multi: int) -> int:
    """Fill segments without splitting a character."""
    units = list(sizes)
    if sum(units) <= single:
        return 1
    segments = 1
    free_units = multi
    for size in units:
        if size > free_units:
            segments = segments + 1
            free_units = multi
        free_units -= size
    return segments
