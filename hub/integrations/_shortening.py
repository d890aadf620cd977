"""Texts of any length and alphabet, made readable for every provider and short enough for one."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from hub.integrations.base import Card
from hub.lib.text import readable

ELLIPSIS = "…"
MOST_FACTS = 50
MOST_NOTES = 20  # of one card; nobody reads more
LONGEST_BUTTON = 64  # characters: what is longer is cut on every screen

Cost = Callable[[str], int]  # of one character


@dataclass(frozen=True)
class Said:
    """The pieces of a post; an empty piece is left out."""

    title: str = ""
    text: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def pieces(self) -> list[str]:
        return [
            self.title,
            self.text,
            *(piece for fact in self.facts for piece in fact),
            *self.notes,
        ]


def said(text: str, card: Card | None) -> Said:
    """Return what a message says, cleaned, with no more facts and notes than anybody reads."""
    if card is None:
        return Said(text=clean(text))
    facts = card.facts
    notes = card.notes
    if len(facts) > MOST_FACTS:
        facts = (*facts[:MOST_FACTS], (ELLIPSIS, f"and {len(facts) - MOST_FACTS} more"))
    if len(notes) > MOST_NOTES:
        # the newest come last
        notes = f"{ELLIPSIS} and {len(notes) - MOST_NOTES} more", *notes[-MOST_NOTES:]
    return Said(
        clean(card.title),
        clean(text),
        tuple((clean(label), clean(value)) for label, value in facts if label or value),
        tuple(clean(note) for note in notes if note),
    )


def fitted(whole: Said, most: int, cost: Cost) -> Said:
    """Return it with its longest pieces cut, so that it costs no more than `most` in all.

    A text that takes at most three quarters stays whole: links stand in it.
    """
    text_cost = _cost(whole.text, most, cost)
    others = replace(whole, text="")
    if text_cost > most * 3 // 4:
        others = whole
        text_cost = 0
    pieces = others.pieces
    each = level([_cost(piece, most, cost) for piece in pieces], most - text_cost)
    title, text, *rest = (cut(piece, each, cost) for piece in pieces)
    pairs = rest
    split = 2 * len(whole.facts)
    facts = tuple(zip(pairs[:split:2], pairs[1:split:2], strict=True))
    return Said(title, text or (whole.text if text_cost else ""), facts, tuple(rest[split:]))


def clean(text: str) -> str:
    """Return a text that can be sent anywhere, without space around it."""
    return readable(text).strip()


def is_blank(text: str) -> bool:
    """Tell whether a text shows nothing."""
    return all(unicodedata.category(char)[0] in "ZC" for char in text)


def level(costs: Sequence[int], budget: int) -> int:
    """Return what each may cost at most, so that together they cost no more than the budget: the
    cheap ones stay whole.
    """
    left = max(budget, 0)
    waiting = len(costs)
    for one in sorted(costs):
        if one * waiting > left:
            return left // waiting
        left = left - one
        waiting = waiting - 1
    return max(costs, default=0)


def cut(text: str, most: int, cost: Cost = lambda char: 1) -> str:
    """Return a text that costs no more than `most`: itself, or its beginning and an ellipsis."""
    if _cost(text, most, cost) <= most:
        return text
    left = most - cost(ELLIPSIS)
    kept = 0
    if left < 0:
        return ""
    for char in text:
        left -= cost(char)
        if left < 0:
            break
        kept += 1
    return text[:kept].rstrip() + ELLIPSIS


def _cost(text: str, most: int, cost: Cost) -> int:
    """Return what a text costs; more than `most` is not counted to the end, since each character
    costs something.
    """
    return sum(map(cost, text[: most + 1]))
