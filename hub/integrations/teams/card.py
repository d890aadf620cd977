"""The Adaptive Card that is posted to Teams, in the envelope that a workflow takes, within its
size.

https://learn.microsoft.com/connectors/teams/#microsoft-teams-webhook
https://adaptivecards.io/explorer/AdaptiveCard.html
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hub.integrations.api import (
    ELLIPSIS,
    LONGEST_BUTTON,
    Button,
    CardText,
    Outbound,
    card_text,
    clean_text,
    fit_card_text,
    is_blank,
    shorten,
)
from hub.integrations.teams.text import cost, neutral

LARGEST = 20_000  # bytes of JSON; Teams takes about 28 KB, of which its own wrapping is a part
# bytes of them: links that are longer together leave no room for what they are about
LARGEST_BUTTONS = 12_000
FALLBACK = 400  # bytes of the text where a card cannot be shown
STYLES = {"primary": "positive", "danger": "destructive"}


def envelope(message: Outbound) -> dict[str, Any]:
    """Return the payload for a message: title, text, facts, small print, and a link for each
    button.
    """
    whole = card_text(message.text, message.card)
    actions = _actions(message.buttons)
    if all(is_blank(piece) for piece in whole.pieces):
        whole = CardText(text=ELLIPSIS)
    fallback = neutral(
        shorten(next(piece for piece in whole.pieces if not is_blank(piece)), FALLBACK, cost)
    )
    # what is not text takes the same room however long the texts are
    around = len(encoded(_wrapped(_blank(whole), actions, fallback)))
    return _wrapped(fit_card_text(whole, LARGEST - around, cost), actions, fallback)


def encoded(payload: dict[str, Any]) -> bytes:
    """Return a payload as it is sent."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def _wrapped(fit: CardText, actions: list[dict[str, Any]], fallback: str) -> dict[str, Any]:
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": fallback,
        "body": _body(fit),
        "actions": actions,
        "msteams": {"width": "Full"},
    }
    # always a list: of anything else the workflow fails after it has said 202
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


def _body(fit: CardText) -> list[dict[str, Any]]:
    facts = [{"title": neutral(label), "value": neutral(value)} for label, value in fit.facts]
    blocks = [
        _block(fit.title, weight="Bolder", size="Medium") if fit.title else {},
        _block(fit.text) if fit.text else {},
        {"type": "FactSet", "facts": facts} if facts else {},
        *(_block(note, isSubtle=True, size="Small", spacing="Small") for note in fit.notes if note),
    ]
    return [block for block in blocks if block]


def _block(text: str, **looks: Any) -> dict[str, Any]:
    return {"type": "TextBlock", "text": neutral(text), "wrap": True, **looks}


def _blank(whole: CardText) -> CardText:
    """Return it with a piece of one character in place of each, which takes what any beginning may
    take.
    """
    return replace(
        whole,
        title="-" if whole.title else "",
        text="-" if whole.text else "",
        facts=(("-", "-"),) * len(whole.facts),
        notes=("-",) * len(whole.notes),
    )


def _actions(buttons: Sequence[Button]) -> list[dict[str, Any]]:
    """Return a link for each button: what a card sends back has no receiver where a workflow posts
    it.
    """
    made: list[dict[str, Any]] = []
    for button in buttons:
        title = shorten(clean_text(button.text), LONGEST_BUTTON) or ELLIPSIS
        style = {"style": STYLES[button.style]} if button.style in STYLES else {}
        made.append(
            {"type": "Action.OpenUrl", "title": title, "url": clean_text(button.url), **style}
        )
    while made and len(json.dumps(made, ensure_ascii=False).encode()) > LARGEST_BUTTONS:
        made.pop()
    return made
