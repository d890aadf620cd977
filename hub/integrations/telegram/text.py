"""Write texts of Telegram messages: HTML that Telegram can parse, or plain text, within its limits.

https://core.telegram.org/bots/api#html-style
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hub.integrations.api import (
    ELLIPSIS,
    Button,
    CardText,
    Outbound,
    button_label,
    card_text,
    escape_html,
    fit_card_text,
    is_blank,
)

# counted without tags and entities; Telegram counts characters, of which there are never more than
# UTF-16 units
MAX_LENGTH = 4096
MAX_BUTTONS = 100  # of a keyboard; this limit is not documented
SHORT = 24  # characters of a button that shares its row with another one
MAX_TOKEN_LENGTH = 64  # bytes of callback_data
BETWEEN_BLOCKS = 2  # line feeds

Run = tuple[str, str]  # a tag, or '' if there is none, and the text in it


def html(message: Outbound) -> str:
    """Return the text in Telegram's HTML: a bold title, a line per fact, and notes in italics."""
    return "".join(
        f"<{tag}>{escape_html(text)}</{tag}>" if tag else escape_html(text)
        for tag, text in _runs(message)
    )


def plain(message: Outbound) -> str:
    """Return the same text without any formatting."""
    return "".join(text for _, text in _runs(message))


def keyboard(buttons: Sequence[Button]) -> dict[str, Any]:
    """Return an inline keyboard with two short buttons in each row."""
    rows: list[list[dict[str, str]]] = []
    row_has_room = False
    for button in buttons[:MAX_BUTTONS]:
        label = button_label(button)
        is_action = 0 < len(button.token) <= MAX_TOKEN_LENGTH
        entry = (
            {"text": label, "callback_data": button.token}
            if is_action
            else {"text": label, "url": button.url}
        )
        is_short = len(label) <= SHORT
        if row_has_room and is_short:
            rows[-1].append(entry)
        else:
            rows.append([entry])
        row_has_room = is_short and len(rows[-1]) == 1
    return {"inline_keyboard": rows}


def units(char: str) -> int:
    """Return the number of UTF-16 units of a character."""
    return 2 if ord(char) > 0xFFFF else 1


def _runs(message: Outbound) -> list[Run]:
    full_text = card_text(message.text, message.card)
    separators = 0
    if message.card is not None:  # spaces and line feeds
        separators = 4 * BETWEEN_BLOCKS + 2 * len(full_text.facts) + len(full_text.notes)
    fitted = fit_card_text(full_text, MAX_LENGTH - separators, units)
    blocks = [block for block in _blocks(fitted) if block]
    runs = [
        run
        for number, block in enumerate(blocks)
        for run in ([("", "\n" * BETWEEN_BLOCKS)] if number else []) + block
    ]
    # Telegram refuses an empty text
    return runs if not all(is_blank(text) for _, text in runs) else [("", ELLIPSIS)]


def _blocks(card: CardText) -> Iterator[list[Run]]:
    yield [("b", card.title)] if card.title else []
    yield [("", card.text)] if card.text else []
    yield _lines([_fact(label, value) for label, value in card.facts])
    yield _lines([[("i", note)] for note in card.notes if note])


def _fact(label: str, value: str) -> list[Run]:
    return [("b", label), ("", f" {value}")] if label else [("", value)]


def _lines(lines: Sequence[list[Run]]) -> list[Run]:
    return [
        run for number, line in enumerate(lines) for run in ([("", "\n")] if number else []) + line
    ]
