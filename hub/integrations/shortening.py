"""Clean texts so that every provider can show them, and shorten them to a provider's limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from hub.integrations.values import Button, Card, Outbound
from hub.lib.text import is_blank, readable, utf16_length
from hub.lib.text import shorten as shorten_to_fit

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
    """Return the cleaned texts of a message, with at most MAX_FACTS facts and MAX_NOTES notes."""
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


def plain_text(
    message: Outbound,
    limit: int,
    *,
    escape: Callable[[str], str] = str,
    size: Callable[[str], int] = len,
    title: bool = True,
    heading: str = "{}",
) -> str:
    """Return a message as lines of text: its card if it has one, its text, and its links.

    The result has at most `limit` units of `size` after `escape`, which is applied to everything
    but the URLs of buttons. Buttons are never cut. The text is cut only if it does not fit
    on its own. Long titles, facts and notes are cut first. `heading` has `{}` where the card's
    title is written. Pass `title=False` to leave out the title.
    """

    def cut(text: str, budget: int) -> str:
        return _cut_escaped(text, budget, escape, size)

    card = card_text(message.text, message.card)
    links = [f"{escape(clean_text(button.text))}: {button.url}" for button in message.buttons]
    others = [
        card.title if title else "",
        *(": ".join(filter(None, fact)) for fact in card.facts),
        *card.notes,
    ]
    remaining = limit - sum(size(line) + 1 for line in links)
    text = cut(card.text, remaining)
    remaining -= size(text) + 1 + sum(1 for line in others if line)
    remaining -= size(heading.replace("{}", "")) if others[0] else 0
    budget = share_budget([size(escape(line)) for line in others], remaining)
    first, *rest = (cut(line, budget) for line in others)
    first = heading.replace("{}", first) if first else ""
    lines = [*(line for line in (first, text, *rest) if line), *links]
    return "\n".join(lines)


def _cut_escaped(
    text: str, limit: int, escape: Callable[[str], str], size: Callable[[str], int]
) -> str:
    """Return an escaped text of at most `limit` units: all of it, or its beginning."""
    escaped = escape(text)
    if size(escaped) <= limit:
        return escaped
    # an escaped character may depend on its neighbors, so only the result is measured
    beginning = shorten_to_fit(text[: max(limit, 0) + 1], lambda part: size(escape(part)) <= limit)
    return escape(beginning or "")


def fit_text(text: str, limit: int, size: Callable[[str], int] = len) -> str:
    """Return a cleaned text of at most `limit` units: all of it, or its beginning."""
    return _cut_escaped(clean_text(text), limit, str, size)


def button_label(button: Button, limit: int = LONGEST_BUTTON) -> str:
    """Return the label of a button of the provider, which is never blank."""
    label = shorten(clean_text(button.text), limit)
    return ELLIPSIS if is_blank(label) else label


def unit_size(unit: str) -> Callable[[str], int]:
    """Return the function that counts text in `bytes` or `UTF-16 units`; else in characters."""
    return _SIZES.get(unit, len)


def _bytes_of(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


_SIZES: Mapping[str, Callable[[str], int]] = {"bytes": _bytes_of, "UTF-16 units": utf16_length}


def clean_text(text: str) -> str:
    """Return text that every provider can show, without surrounding space."""
    return readable(text).strip()


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
