"""Build typed contents of people's messages from values of a provider, of any type.

`ContentKind` lists the fields of each kind. Missing and invalid values become empty.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from hub.core.vocabulary import ContentKind
from hub.integrations.values import Content
from hub.lib.storable import json_object

MAX_ANSWERS = 200
DEEPEST = 8  # levels of nested answers that are read
# fields that may contain the answers, as JSON or as a JSON string
WRAPPERS = "nfm_reply", "response_json", "data", "response"


def location(latitude: Any, longitude: Any, label: str = "", address: str = "") -> Content | None:
    """Return a location, or None if neither its coordinates nor a name or address are known."""
    coordinates = _degrees(latitude, 90), _degrees(longitude, 180)
    if None in coordinates:
        coordinates = None, None
        if not (label or address):
            return None
    fields = {
        "latitude": coordinates[0],
        "longitude": coordinates[1],
        "label": label,
        "address": address,
    }
    return Content(ContentKind.LOCATION, fields)


def contact(name: str, phones: Iterable[str] = (), emails: Iterable[str] = ()) -> Content:
    """Return a contact card."""
    fields = {"name": name, "phones": [*filter(None, phones)], "emails": [*filter(None, emails)]}
    return Content(ContentKind.CONTACT, fields)


def reaction(emoji: str, message: str) -> Content:
    """Return a reaction to a message, by its provider ID; an empty `emoji` removes a reaction."""
    return Content(ContentKind.REACTION, {"emoji": emoji, "message": message})


def sticker(emoji: str = "") -> Content:
    """Return a sticker."""
    return Content(ContentKind.STICKER, {"emoji": emoji})


def form(answers: str) -> Content:
    """Return the answers of a form, from a JSON text; nested answers are named `parent.child`."""
    values = json_object(answers)
    for name in WRAPPERS:
        inner = values.get(name)
        if isinstance(inner, str) and (parsed := json_object(inner)):
            values = parsed
        elif isinstance(inner, dict):
            values = inner
    flat = dict(list(_flatten(values, "", DEEPEST))[:MAX_ANSWERS])
    return Content(ContentKind.FORM, {"answers": flat})


def poll(question: str, options: Iterable[str]) -> Content:
    """Return a poll."""
    return Content(ContentKind.POLL, {"question": question, "options": [*options]})


def dice(emoji: str, value: int | None) -> Content:
    """Return a thrown die."""
    return Content(ContentKind.DICE, {"emoji": emoji, "value": value})


def referral(headline: str, text: str, url: str, source: str, id_: str) -> Content | None:
    """Return the ad or post that a person followed, or None if all fields are empty."""
    fields = {"headline": headline, "text": text, "url": url, "source": source, "id": id_}
    return Content(ContentKind.REFERRAL, fields) if any(fields.values()) else None


def edit(message: str) -> Content:
    """Return the mark of an edited message, with the provider ID of the earlier version."""
    return Content(ContentKind.EDIT, {"message": message})


def other(type_: str) -> Content:
    """Return a content that cannot be shown, with the provider's name for its type."""
    return Content(ContentKind.OTHER, {"type": type_[:100]})


def _degrees(value: Any, limit: int) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and abs(number) <= limit else None


def _flatten(value: Any, name: str, levels: int) -> Iterable[tuple[str, str]]:
    """Yield the names and texts of the answers in a JSON value, down to a number of levels."""
    if isinstance(value, Mapping) and levels:
        parts = value.items()
    elif (
        isinstance(value, list) and levels and any(isinstance(part, dict | list) for part in value)
    ):
        parts = {str(number): part for number, part in enumerate(value, 1)}.items()
    else:
        yield name, _text(value)
        return
    for inner_name, part in parts:
        full_name = f"{name}.{inner_name}" if name else inner_name
        yield from _flatten(part, full_name, levels - 1)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
