"""Process cards as a workflow does after it accepted a message.

https://learn.microsoft.com/en-us/microsoftteams/platform/task-modules-and-cards/cards/cards-reference
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from hub.core.quotes import quoted

Card = dict[str, Any]
ADAPTIVE = "application/vnd.microsoft.card.adaptive"
NEWEST = (1, 5)  # version of Adaptive Cards that Teams draws
CONTAINERS = {
    "Container": "items",
    "ColumnSet": "columns",
    "Column": "items",
    "ActionSet": "actions",
}
ELEMENTS = {
    *CONTAINERS,
    "TextBlock",
    "RichTextBlock",
    "FactSet",
    "Image",
    "ImageSet",
    "CodeBlock",
    "Table",
}
REQUIRED_FIELD = {"TextBlock": "text", "FactSet": "facts", "Image": "url", "Action.OpenUrl": "url"}
NO_ARRAY = (
    "The execution of template action 'Send_each_adaptive_card' failed: the result of the"
    " evaluation of 'foreach' expression '@triggerOutputs()?['body']?['attachments']' is of type"
    " 'Null'. The result must be a valid array."
)
UNSUPPORTED_ACTIONS = ("Action.Submit", "Action.Execute")


@dataclass(frozen=True)
class Run:
    """One run of the flow.

    `cards` were posted, `failed` is the reason of a failure ('' if none), and `notes` list elements
    that readers do not see.
    """

    cards: list[Card] = field(default_factory=list)
    failed: str = ""
    notes: list[str] = field(default_factory=list)


def mismatch(message: Any) -> str:
    """Return the error of the trigger's schema for a message, or '' if there is none. Unknown
    fields are accepted.
    """
    if not isinstance(message, dict):
        return "Invalid type. Expected Object."
    attachments = message.get("attachments")
    if attachments is None:
        return ""
    if not isinstance(attachments, list):
        return "Invalid type. Expected Array but got another at attachments."
    if not all(isinstance(attachment, dict) for attachment in attachments):
        return "Invalid type. Expected Object but got another at attachments[0]."
    return ""


def run_flow(message: dict[str, Any]) -> Run:
    """Process a message as the flow does: post each attachment as a card."""
    if message.get("attachments") is None:
        return Run(failed=NO_ARRAY)
    cards: list[Card] = []
    notes: list[str] = []
    for attachment in message["attachments"]:
        card = attachment.get("content")
        if error := _card_error(attachment.get("contentType"), card):
            return Run(cards, error, notes)
        notes += list(_notes([*card.get("body", ()), *card.get("actions", ())]))
        cards.append(card)
    return Run(cards, "" if cards else "The message had no cards, so nothing was posted.", notes)


def _card_error(kind: Any, card: Any) -> str:
    """Return the reason why the flow cannot post a card, or '' if there is none."""
    if kind != ADAPTIVE:
        return f"The attachment type {quoted(kind)} is not an Adaptive Card."
    if not isinstance(card, dict) or card.get("type") != "AdaptiveCard":
        return "Property 'type' must be 'AdaptiveCard'."
    version = str(card.get("version", ""))
    if (
        not all(part.isdecimal() for part in version.split("."))
        or tuple(map(int, version.split("."))) > NEWEST
    ):
        return f"Teams does not support the card version {quoted(version)}."
    if not isinstance(card.get("body", []), list) or not isinstance(card.get("actions", []), list):
        return "Property 'body' or 'actions' is not an array."
    return "" if card.get("body") or card.get("actions") else "The card is empty."


def _notes(elements: Any) -> Iterator[str]:
    """Yield notes on parts of a card that readers do not see or cannot use."""
    for element in elements if isinstance(elements, list) else ():
        kind = element.get("type") if isinstance(element, dict) else None
        if kind in UNSUPPORTED_ACTIONS:
            yield (
                f"{kind} {quoted(element.get('title', ''))} has no receiver, because a card from a"
                " workflow belongs to no bot."
            )
        elif isinstance(kind, str) and kind.startswith("Action."):
            if kind == "Action.OpenUrl" and not is_link(element.get("url")):
                yield f"{kind} {quoted(element.get('title', ''))} has no address to open."
        elif kind not in ELEMENTS:
            yield f"{kind} is not supported."
        elif kind in REQUIRED_FIELD and not element.get(REQUIRED_FIELD[kind]):
            yield f"{kind} has no {REQUIRED_FIELD[kind]}."
        if kind in CONTAINERS:
            children = element.get(CONTAINERS[kind])
            if kind == "ColumnSet" and isinstance(children, list):
                children = [
                    {"type": "Column", **part} for part in children if isinstance(part, dict)
                ]
            yield from _notes(children)


def walk(part: Any) -> Iterator[dict[str, Any]]:
    """Yield every element and action of a card, at any depth."""
    if isinstance(part, list):
        for child in part:
            yield from walk(child)
    elif isinstance(part, dict):
        if isinstance(part.get("type"), str):
            yield part
        for child in part.values():
            yield from walk(child)


def is_link(address: Any) -> bool:
    """Return whether a reader can open this web address."""
    try:
        parts = urlsplit(address) if isinstance(address, str) else None
    except ValueError:
        return False
    return parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname)
