"""Cards as a workflow shows them after accepting a message, and errors that it reports to nobody.

https://learn.microsoft.com/en-us/microsoftteams/platform/task-modules-and-cards/cards/cards-reference
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

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
NEEDED = {"TextBlock": "text", "FactSet": "facts", "Image": "url", "Action.OpenUrl": "url"}
NO_ARRAY = (
    "The execution of template action 'Send_each_adaptive_card' failed: the result of the"
    " evaluation of 'foreach' expression '@triggerOutputs()?['body']?['attachments']' is of type"
    " 'Null'. The result must be a valid array."
)
UNSERVED = ("Action.Submit", "Action.Execute")


@dataclass(frozen=True)
class Run:
    """One run of the flow: the cards it posted, why it failed ('' if it did not), and what readers
    do not get of it.
    """

    cards: list[Card] = field(default_factory=list)
    failed: str = ""
    notes: list[str] = field(default_factory=list)


def mismatch(message: Any) -> str:
    """Say what the trigger's schema finds wrong with a message; '' for nothing: what it does not
    know it lets pass.
    """
    if not isinstance(message, dict):
        return "Invalid type. Expected Object."
    attachments = message.get("attachments")
    if attachments is None:
        return ""
    if not isinstance(attachments, list):
        return "Invalid type. Expected Array but got another at attachments."
    if not all(isinstance(one, dict) for one in attachments):
        return "Invalid type. Expected Object but got another at attachments[0]."
    return ""


def run(message: dict[str, Any]) -> Run:
    """Do what the flow does: post each attachment as a card."""
    if message.get("attachments") is None:
        return Run(failed=NO_ARRAY)
    cards: list[Card] = []
    notes: list[str] = []
    for attachment in message["attachments"]:
        card = attachment.get("content")
        if wrong := _wrong(attachment.get("contentType"), card):
            return Run(cards, wrong, notes)
        notes += list(_notes([*card.get("body", ()), *card.get("actions", ())]))
        cards.append(card)
    return Run(cards, "" if cards else "The message had no cards, so nothing was posted.", notes)


def _wrong(kind: Any, card: Any) -> str:
    """Say why the flow's action cannot post a card at all."""
    if kind != ADAPTIVE:
        return f"The attachment type {kind!r} is not an Adaptive Card."
    if not isinstance(card, dict) or card.get("type") != "AdaptiveCard":
        return "Property 'type' must be 'AdaptiveCard'."
    version = str(card.get("version", ""))
    if (
        not all(part.isdecimal() for part in version.split("."))
        or tuple(map(int, version.split("."))) > NEWEST
    ):
        return f"Teams does not support the card version {version!r}."
    if not isinstance(card.get("body", []), list) or not isinstance(card.get("actions", []), list):
        return "Property 'body' or 'actions' is not an array."
    return "" if card.get("body") or card.get("actions") else "The card is empty."


def _notes(elements: Any) -> Iterator[str]:
    """Say what readers of a card do not get, or cannot use."""
    for one in elements if isinstance(elements, list) else ():
        kind = one.get("type") if isinstance(one, dict) else None
        if kind in UNSERVED:
            yield (
                f"{kind} {one.get('title', '')!r} has no receiver, because a card from a"
                " workflow belongs to no bot."
            )
        elif isinstance(kind, str) and kind.startswith("Action."):
            if kind == "Action.OpenUrl" and not is_link(one.get("url")):
                yield f"{kind} {one.get('title', '')!r} has no address to open."
        elif kind not in ELEMENTS:
            yield f"{kind} is not supported."
        elif kind in NEEDED and not one.get(NEEDED[kind]):
            yield f"{kind} has no {NEEDED[kind]}."
        if kind in CONTAINERS:
            inside = one.get(CONTAINERS[kind])
            if kind == "ColumnSet" and isinstance(inside, list):
                inside = [{"type": "Column", **part} for part in inside if isinstance(part, dict)]
            yield from _notes(inside)


def walk(part: Any) -> Iterator[dict[str, Any]]:
    """Yield every element and action of a card, however deep."""
    if isinstance(part, list):
        for one in part:
            yield from walk(one)
    elif isinstance(part, dict):
        if isinstance(part.get("type"), str):
            yield part
        for one in part.values():
            yield from walk(one)


def is_link(address: Any) -> bool:
    """Tell whether a reader could open this web address."""
    try:
        parts = urlsplit(address) if isinstance(address, str) else None
    except ValueError:
        return False
    return parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname)
