"""Clean texts so that every provider can show them, and shorten them to a provider's limits."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from hub.integrations.values import Card, Outbound
from hub.lib.text import readable

ELLIPSIS = "…"
MAX_FACTS = 50
MAX_NOTES = 20  # per card
LONGEST_BUTTON = 64  # characters; screens cut longer labels

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
    """Return the cleaned texts of a message, with at most MOST_FACTS facts and MOST_NOTES notes."""
    if card is None:
        return CardText(text=clean_text(text))
    facts = card.facts
    notes = card.notes
    if len(facts) > MAX_FACTS:
        facts = (*facts[:MAX_FACTS], (ELLIPSIS, f"and {len(facts) - MAX_FACTS} more"))
    if len(notes) > MAX_NOTES:
        # the newest notes are last
        notes = f"{ELLIPSIS} and {len(notes) - MAX_NOTES} more", *notes[-MAX_NOTES:]
    return CardText(
        clean_text(card.title),
        clean_text(text),
        tuple((clean_text(label), clean_text(value)) for label, value in facts if label or value),
        tuple(clean_text(note) for note in notes if note),
    )


def fit_card_text(whole: CardText, limit: int, cost: CharacterCost) -> CardText:
    """Return the card text with its longest pieces shortened, so that all cost at most `limit`.

    A text that costs at most three quarters of the limit is not shortened, because it may contain
    links.
    """
    text_cost = _cost(whole.text, limit, cost)
    shortened = replace(whole, text="")
    if text_cost > limit * 3 // 4:
        shortened = whole
        text_cost = 0
    pieces = shortened.pieces
    budget = share_budget([_cost(piece, limit, cost) for piece in pieces], limit - text_cost)
    title, text, *rest = (shorten(piece, budget, cost) for piece in pieces)
    split = 2 * len(whole.facts)
    facts = tuple(zip(rest[:split:2], rest[1:split:2], strict=True))
    return CardText(title, text or (whole.text if text_cost else ""), facts, tuple(rest[split:]))


def plain_text(message: Outbound, limit: int, *, escape: Callable[[str], str] | None = None) -> str:
    """Return a message as lines of text: its card if it has one, its text, and its links.

    The result has at most `limit` characters after `escape`, which is applied to everything but
    the URLs of buttons. Buttons are never cut. The text is cut only if it does not fit on
    its own. Long titles, facts and notes are cut first.
    """

    def escaped(text: str) -> str:
        return escape(text) if escape else text

    def cost(char: str) -> int:
        # after a digit, as in “1.”, a character may begin a numbered list
        return max(len(escaped(char)), len(escaped(f"1{char}")) - 1)

    card = card_text(message.text, message.card)
    links = [f"{escaped(clean_text(button.text))}: {button.url}" for button in message.buttons]
    others = [
        card.title,
        *(": ".join(filter(None, fact)) for fact in card.facts),
        *card.notes,
    ]
    remaining = limit - sum(len(line) + 1 for line in links)
    text = shorten(card.text, remaining, cost)
    remaining -= _cost(text, remaining, cost) + 1 + sum(1 for line in others if line)
    budget = share_budget([_cost(line, limit, cost) for line in others], remaining)
    title, *rest = (shorten(line, budget, cost) for line in others)
    lines = [*(escaped(line) for line in (title, text, *rest) if line), *links]
    return "\n".join(lines)


def clean_text(text: str) -> str:
    """Return text that every provider can show, without surrounding space."""
    return readable(text).strip()


def is_blank(text: str) -> bool:
    """Return whether text has no visible character."""
    return all(unicodedata.category(char)[0] in "ZC" for char in text)


def share_budget(costs: Sequence[int], budget: int) -> int:
    """Return the highest cost per piece with which all pieces together fit the budget.

    Pieces that cost less are not shortened.
    """
    remaining = max(budget, 0)
    count = len(costs)
    for piece_cost in sorted(costs):
        if piece_cost * count > remaining:
            return remaining // count
        remaining -= piece_cost
        count -= 1
    return max(costs, default=0)


def shorten(text: str, limit: int, cost: CharacterCost = lambda char: 1) -> str:
    """Return text that costs at most `limit`: unchanged, or its beginning and an ellipsis."""
    if _cost(text, limit, cost) <= limit:
        return text
    remaining = limit - cost(ELLIPSIS)
    length = 0
    if remaining < 0:
        return ""
    for char in text:
        remaining -= cost(char)
        if remaining < 0:
            break
        length += 1
    return text[:length].rstrip() + ELLIPSIS


def _cost(text: str, limit: int, cost: CharacterCost) -> int:
    """Return the cost of text, or any value above `limit` if the text costs more.

    Every character costs at least 1, so characters far beyond the limit are not counted.
    """
    return sum(map(cost, text[: limit + 1]))
