"""Build typed contents of people's messages from what providers say, whatever they say.

The fields of each kind are those that `ContentKind` names. What is missing or no such value is left
empty.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from hub.core.vocabulary import ContentKind
from hub.integrations.values import Content
from hub.lib.storable import json_object

MOST_ANSWERS = 200
DEEPEST = 8  # levels of a form's answers that are unfolded
# around the answers, as JSON or JSON in a text
WRAPPERS = "nfm_reply", "response_json", "data", "response"


def location(latitude: Any, longitude: Any, label: str = "", address: str = "") -> Content | None:
    """Return a place; None where neither its coordinates nor its name are known."""
    where = _degrees(latitude, 90), _degrees(longitude, 180)
    known = None not in where
    if not (known or label or address):
        return None
    fields: dict[str, Any] = {"latitude": where[0] if known else None}
    fields |= {"longitude": where[1] if known else None, "label": label, "address": address}
    return Content(ContentKind.LOCATION, fields)


def contact(name: str, phones: Iterable[str] = (), emails: Iterable[str] = ()) -> Content:
    """Return a contact card."""
    fields = {"name": name, "phones": [*filter(None, phones)], "emails": [*filter(None, emails)]}
    return Content(ContentKind.CONTACT, fields)


def reaction(emoji: str, message: str) -> Content:
    """Return a reaction to a message, by the provider's id; an empty `emoji` takes one back."""
    return Content(ContentKind.REACTION, {"emoji": emoji, "message": message})


def sticker(emoji: str = "") -> Content:
    """Return a sticker."""
    return Content(ContentKind.STICKER, {"emoji": emoji})


def form(answers: str) -> Content:
    """Return the answers of a form, from a JSON text; nested ones are named `parent.child`."""
    found = json_object(answers)
    for name in WRAPPERS:
        inner = found.get(name)
        if isinstance(inner, str) and (opened := json_object(inner)):
            found = opened
        elif isinstance(inner, dict):
            found = inner
    flat = dict(list(_flat(found, "", DEEPEST))[:MOST_ANSWERS])
    return Content(ContentKind.FORM, {"answers": flat})


def poll(question: str, options: Iterable[str]) -> Content:
    """Return a poll."""
    return Content(ContentKind.POLL, {"question": question, "options": [*options]})


def dice(emoji: str, value: int | None) -> Content:
    """Return a thrown die."""
    return Content(ContentKind.DICE, {"emoji": emoji, "value": value})


def referral(headline: str, text: str, url: str, source: str, id_: str) -> Content | None:
    """Return the ad or post that led a person here; None where nothing is said of it."""
    fields = {"headline": headline, "text": text, "url": url, "source": source, "id": id_}
    return Content(ContentKind.REFERRAL, fields) if any(fields.values()) else None


def edit(message: str) -> Content:
    """Return the mark of an edited message, by the provider's id of the earlier one."""
    return Content(ContentKind.EDIT, {"message": message})


def other(type_: str) -> Content:
    """Return something that cannot be shown, by the provider's word for it."""
    return Content(ContentKind.OTHER, {"type": type_[:100]})


def _degrees(value: Any, most: int) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and abs(number) <= most else None


def _flat(value: Any, name: str, deeper: int) -> Iterable[tuple[str, str]]:
    """Yield the answers in a JSON value with their names, as texts."""
    if isinstance(value, Mapping) and deeper:
        parts = value.items()
    elif isinstance(value, list) and deeper and any(isinstance(one, dict | list) for one in value):
        parts = {str(n): one for n, one in enumerate(value, 1)}.items()
    else:
        yield name, _text(value)
        return
    for inner, one in parts:
        yield from _flat(one, f"{name}.{inner}" if name else inner, deeper - 1)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
