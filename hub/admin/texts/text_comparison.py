"""Compare two versions of a text word by word."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import NamedTuple

MAX_WORDS = 4000  # longer texts are shown without a comparison, which takes quadratic time


class Change(NamedTuple):
    """A part of a text: `same`, `removed` or `added`."""

    kind: str
    text: str


def compare_words(old: str, new: str) -> list[Change]:
    """Return the parts that turn an old text into a new one."""
    if old == new:
        return [Change("same", old)] if old else []
    before = re.findall(r"\s+|\w+|[^\w\s]", old)
    after = re.findall(r"\s+|\w+|[^\w\s]", new)
    if max(len(before), len(after)) > MAX_WORDS:
        return [Change("removed", old), Change("added", new)]
    return list(_changes(before, after))


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
