"""Texts of any length and alphabet, made readable for every provider and short enough for one."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from hub.integrations.values import Card, Outbound
from hub.lib.text import readable

ELLIPSIS = "…"
MOST_FACTS = 50
MOST_NOTES = 20  # of one card; nobody reads more
LONGEST_BUTTON = 64  # characters: what is longer is cut on every screen

CharacterCost = Callable[[str], int]  # of one character


@dataclass(frozen=True)
class CardText:
    """The pieces of a post. An empty piece is left out."""

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


def card_text(text: str, card: Card | None) -> CardText:
    """Return what a message says, cleaned, with no more facts and notes than anybody reads."""
    if card is None:
        return CardText(text=clean_text(text))
    facts = card.facts
    notes = card.notes
    if len(facts) > MOST_FACTS:
        facts = (*facts[:MOST_FACTS], (ELLIPSIS, f"and {len(facts) - MOST_FACTS} more"))
    if len(notes) > MOST_NOTES:
        # the newest come last
        notes = f"{ELLIPSIS} and {len(notes) - MOST_NOTES} more", *notes[-MOST_NOTES:]
    return CardText(
        clean_text(card.title),
        clean_text(text),
        tuple((clean_text(label), clean_text(value)) for label, value in facts if label or value),
        tuple(clean_text(note) for note in notes if note),
    )


def fit_card_text(whole: CardText, most: int, cost: CharacterCost) -> CardText:
    """Return it with its longest pieces cut, so that it costs no more than `most` in all.

    A text that takes at most three quarters stays whole: links stand in it.
    """
    text_cost = _cost(whole.text, most, cost)
    others = replace(whole, text="")
    if text_cost > most * 3 // 4:
        others = whole
        text_cost = 0
    pieces = others.pieces
    each = share_budget([_cost(piece, most, cost) for piece in pieces], most - text_cost)
    title, text, *rest = (shorten(piece, each, cost) for piece in pieces)
    pairs = rest
    split = 2 * len(whole.facts)
    facts = tuple(zip(pairs[:split:2], pairs[1:split:2], strict=True))
    return CardText(title, text or (whole.text if text_cost else ""), facts, tuple(rest[split:]))


def plain_text(message: Outbound, limit: int, *, escape: Callable[[str], str] | None = None) -> str:
    """Return a message as lines of text: its card if it has one, its text, and its links.

    The result has at most `limit` characters after `escape`, which is applied to everything but
    the web addresses of buttons. Buttons are never cut. The text is cut only when it does not fit
    on its own. Long titles, facts and notes are cut first.
    """

    def written(text: str) -> str:
        return escape(text) if escape else text

    def cost(char: str) -> int:
        # a digit before it, as in “1.”, may begin a numbered list
        return max(len(written(char)), len(written(f"1{char}")) - 1)

    card = card_text(message.text, message.card)
    links = [f"{written(clean_text(one.text))}: {one.url}" for one in message.buttons]
    others = [
        card.title,
        *(": ".join(filter(None, fact)) for fact in card.facts),
        *card.notes,
    ]
    left = limit - sum(len(line) + 1 for line in links)
    text = shorten(card.text, left, cost)
    left -= _cost(text, left, cost) + 1 + sum(1 for line in others if line)
    room = share_budget([_cost(line, limit, cost) for line in others], left)
    title, *rest = (shorten(line, room, cost) for line in others)
    lines = [*(written(line) for line in (title, text, *rest) if line), *links]
    return "\n".join(lines)


def clean_text(text: str) -> str:
    """Return a text that can be sent anywhere, without space around it."""
    return readable(text).strip()


def is_blank(text: str) -> bool:
    """Tell whether a text shows nothing."""
    return all(unicodedata.category(char)[0] in "ZC" for char in text)


def share_budget(costs: Sequence[int], budget: int) -> int:
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


def shorten(text: str, most: int, cost: CharacterCost = lambda char: 1) -> str:
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


def _cost(text: str, most: int, cost: CharacterCost) -> int:
    """Return what a text costs; more than `most` is not counted to the end, since each character
    costs something.
    """
    return sum(map(cost, text[: most + 1]))
