"""Texts of Telegram messages: HTML that Telegram can always parse, or plain text, within its
length.

https://core.telegram.org/bots/api#html-style
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hub.integrations.api import (
    ELLIPSIS,
    LONGEST_BUTTON,
    Button,
    CardText,
    Outbound,
    card_text,
    clean_text,
    escape_html,
    fit_card_text,
    is_blank,
    shorten,
)

# after its tags and entities are parsed; Telegram counts characters, and UTF-16 units are never
# fewer
LONGEST = 4096
MOST_BUTTONS = 100  # of a keyboard; undocumented
SHORT = 24  # characters of a button that shares its row with another
LONGEST_TOKEN = 64  # bytes of callback_data
BETWEEN_BLOCKS = 2  # line feeds

Run = tuple[str, str]  # a tag, '' for none, and the text in it


def html(message: Outbound) -> str:
    """Return the text in Telegram's HTML: the title bold, facts a line each, notes in italics."""
    return "".join(
        f"<{tag}>{escape_html(text)}</{tag}>" if tag else escape_html(text)
        for tag, text in _runs(message)
    )


def plain(message: Outbound) -> str:
    """Return the same text without any formatting."""
    return "".join(text for _, text in _runs(message))


def keyboard(buttons: Sequence[Button]) -> dict[str, Any]:
    """Return an inline keyboard, two short buttons in a row."""
    rows: list[list[dict[str, str]]] = []
    room = False
    for button in buttons[:MOST_BUTTONS]:
        label = shorten(clean_text(button.text), LONGEST_BUTTON) or ELLIPSIS
        acts = 0 < len(button.token) <= LONGEST_TOKEN
        made = (
            {"text": label, "callback_data": button.token}
            if acts
            else {"text": label, "url": button.url}
        )
        short = len(label) <= SHORT
        if room and short:
            rows[-1].append(made)
        else:
            rows.append([made])
        room = short and len(rows[-1]) == 1
    return {"inline_keyboard": rows}


def units(char: str) -> int:
    """Return how many UTF-16 units a character takes."""
    return 2 if ord(char) > 0xFFFF else 1


def _runs(message: Outbound) -> list[Run]:
    whole = card_text(message.text, message.card)
    between = 0
    if message.card is not None:  # blanks and line feeds
        between = 4 * BETWEEN_BLOCKS + 2 * len(whole.facts) + len(whole.notes)
    blocks = [block for block in _blocks(fit_card_text(whole, LONGEST - between, units)) if block]
    runs = [
        run
        for n, block in enumerate(blocks)
        for run in ([("", "\n" * BETWEEN_BLOCKS)] if n else []) + block
    ]
    # an empty text is refused
    return runs if not all(is_blank(text) for _, text in runs) else [("", ELLIPSIS)]


def _blocks(fit: CardText) -> Iterator[list[Run]]:
    yield [("b", fit.title)] if fit.title else []
    yield [("", fit.text)] if fit.text else []
    yield _lines([_fact(label, value) for label, value in fit.facts])
    yield _lines([[("i", note)] for note in fit.notes if note])


def _fact(label: str, value: str) -> list[Run]:
    return [("b", label), ("", f" {value}")] if label else [("", value)]


def _lines(lines: Sequence[list[Run]]) -> list[Run]:
    return [run for n, line in enumerate(lines) for run in ([("", "\n")] if n else []) + line]
