"""Compare two versions of a text word by word."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import NamedTuple

MAX_WORDS = 4000  # longer texts are shown without a comparison, which takes quadratic time
MAX_PAIRS = 4_000_000  # of words that one page compares


class Change(NamedTuple):
    """A part of a text: `same`, `removed` or `added`."""

    kind: str
    text: str


def compare_words(old: str, new: str) -> list[Change]:
    """Return the parts that turn an old text into a new one."""
    if old == new:
        return [Change("same", old)] if old else []
    before = _split(old)
    after = _split(new)
    if max(len(before), len(after)) > MAX_WORDS:
        return [Change("removed", old), Change("added", new)]
    return list(_changes(before, after))


class WordComparison:
    """Compare many texts for one page, within a limit of work for all of them."""

    def __init__(self) -> None:
        self.left = MAX_PAIRS

    def compare(self, old: str, new: str) -> list[Change]:
        """Return the parts that turn an old text into a new one, whole ones if no work is left."""
        if old and new and old != new:
            self.left -= len(_split(old)) * len(_split(new))
            if self.left < 0:
                return [Change("removed", old), Change("added", new)]
        return compare_words(old, new)


def _split(text: str) -> list[str]:
    return re.findall(r"\s+|\w+|[^\w\s]", text)


def _changes(before: list[str], after: list[str]) -> Iterator[Change]:
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for kind, start, end, new_start, new_end in matcher.get_opcodes():
        if kind == "equal":
            yield Change("same", "".join(before[start:end]))
            continue
        if end > start:
            yield Change("removed", "".join(before[start:end]))
        if new_end > new_start:
            yield Change("added", "".join(after[new_start:new_end]))
