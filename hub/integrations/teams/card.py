"""Build the Adaptive Card for Teams, in the form that a workflow accepts, within its size limit.

https://learn.microsoft.com/connectors/teams/#microsoft-teams-webhook
https://adaptivecards.io/explorer/AdaptiveCard.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hub.integrations.api import (
    ELLIPSIS,
    Button,
    CardText,
    Outbound,
    button_label,
    card_text,
    clean_text,
    fit_card_text,
    is_blank,
    shorten,
)
from hub.integrations.teams.text import cost, escape_text

MAX_SIZE = 20_000  # bytes of JSON; Teams accepts about 28 KB, including its own wrapping
# bytes of all buttons, so that the card's texts have room
MAX_BUTTONS_SIZE = 12_000
FALLBACK = 400  # bytes of the text that is shown if a card cannot be shown
STYLES = {"primary": "positive", "danger": "destructive"}


def envelope(message: Outbound) -> dict[str, Any]:
    """Return the payload for a message: its title, text, facts and notes, and its buttons."""
    full_text = card_text(message.text, message.card)
    actions = _actions(message.buttons)
    if all(is_blank(piece) for piece in full_text.pieces):
        full_text = CardText(text=ELLIPSIS)
    first_piece = next(piece for piece in full_text.pieces if not is_blank(piece))
    fallback = escape_text(shorten(first_piece, FALLBACK, cost))
    # the size of everything but the texts does not depend on their length
    overhead = len(encoded(_wrap_card(_blank(full_text), actions, fallback)))
    return _wrap_card(fit_card_text(full_text, MAX_SIZE - overhead, cost), actions, fallback)


def encoded(payload: Mapping[str, Any]) -> bytes:
    """Return a payload as the bytes of the request."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def _wrap_card(text: CardText, actions: list[dict[str, Any]], fallback: str) -> dict[str, Any]:
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": fallback,
        "body": _body(text),
        "actions": actions,
        "msteams": {"width": "Full"},
    }
    # must be a list: otherwise the workflow fails after it has returned 202
    return {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": None,
                "content": card,
            }
        ],
    }


def _body(card_text: CardText) -> list[dict[str, Any]]:
    facts = [
        {"title": escape_text(label), "value": escape_text(value)}
        for label, value in card_text.facts
    ]
    blocks = [
        _block(card_text.title, weight="Bolder", size="Medium") if card_text.title else {},
        _block(card_text.text) if card_text.text else {},
        {"type": "FactSet", "facts": facts} if facts else {},
        *(
            _block(note, isSubtle=True, size="Small", spacing="Small")
            for note in card_text.notes
            if note
        ),
    ]
    return [block for block in blocks if block]


def _block(text: str, **style: Any) -> dict[str, Any]:
    return {"type": "TextBlock", "text": escape_text(text), "wrap": True, **style}


def _blank(card: CardText) -> CardText:
    """Return the card text with `-` instead of each piece, which costs as much as any beginning."""
    return replace(
        card,
        title="-" if card.title else "",
        text="-" if card.text else "",
        facts=(("-", "-"),) * len(card.facts),
        notes=("-",) * len(card.notes),
    )


def _actions(buttons: Sequence[Button]) -> list[dict[str, Any]]:
    """Return a link for each button. A workflow cannot receive clicks of other actions."""
    actions: list[dict[str, Any]] = []
    for button in buttons:
        title = button_label(button)
        style = {"style": STYLES[button.style]} if button.style in STYLES else {}
        actions.append(
            {"type": "Action.OpenUrl", "title": title, "url": clean_text(button.url), **style}
        )
    while actions and len(json.dumps(actions, ensure_ascii=False).encode()) > MAX_BUTTONS_SIZE:
        actions.pop()
    return actions
