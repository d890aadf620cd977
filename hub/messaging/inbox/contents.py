"""Say what a person sent that is neither text nor a file, in words for a list or a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hub.core.vocabulary import ContentKind

Fields = Mapping[str, Any]
MOST_PARTS = 20  # of a form's answers or a poll's options that are named


def describe_content(content: Fields) -> str:
    """Return a line that says what a content is and what it holds, from how a body keeps it."""
    words = WORDS.get(str(content.get("kind", "")))
    try:
        return words(content) if words is not None else UNKNOWN
    except (AttributeError, KeyError, TypeError, ValueError):  # stored by another version
        return UNKNOWN


def coordinates(content: Fields) -> str:
    """Return the coordinates of a place, such as `39.7684,-86.1581`; "" where there are none."""
    latitude = content.get("latitude")
    longitude = content.get("longitude")
    if content.get("kind") != ContentKind.LOCATION:
        return ""
    if not isinstance(latitude, int | float) or not isinstance(longitude, int | float):
        return ""
    return f"{_degrees(latitude)},{_degrees(longitude)}"


def _degrees(number: float) -> str:
    """Return degrees with at most 5 decimal places, which is about a meter."""
    rounded = round(number, 5) + 0.0  # no -0
    return f"{rounded:.5f}".rstrip("0").rstrip(".")


def _location(content: Fields) -> str:
    named = ", ".join(filter(None, (content["label"], content["address"])))
    where = coordinates(content).replace(",", ", ")
    return f"Location: {named} ({where})" if named and where else f"Location: {named or where}"


def _contact(content: Fields) -> str:
    parts = [content["name"], *content["phones"], *content["emails"]]
    return f"Contact card: {', '.join(filter(None, parts))}" if any(parts) else "Contact card"


def _reaction(content: Fields) -> str:
    return f"Reaction: {content['emoji']}" if content["emoji"] else "Reaction removed"


def _sticker(content: Fields) -> str:
    return f"Sticker {content['emoji']}".strip()


def _form(content: Fields) -> str:
    answers = [
        f"{name}: {text}" if name else str(text) for name, text in content["answers"].items()
    ]
    return f"Form: {_listed(answers)}" if answers else "Form without answers"


def _poll(content: Fields) -> str:
    return f"Poll: {content['question']} ({_listed(content['options'])})"


def _dice(content: Fields) -> str:
    return f"{content['emoji'] or 'Dice'}: {content['value']}"


def _referral(content: Fields) -> str:
    told = content["headline"] or content["text"] or content["id"]
    return f"From the {content['source'] or 'ad'} “{told}”" if told else f"From {content['url']}"


def _edit(_: Fields) -> str:
    return "Edited an earlier message"


def _other(content: Fields) -> str:
    return f"Signpost cannot show this kind of message: {content['type']}"


def _listed(parts: list[str]) -> str:
    more = len(parts) - MOST_PARTS
    return ", ".join(map(str, parts[:MOST_PARTS])) + (f" and {more} more" if more > 0 else "")


UNKNOWN = "Signpost cannot show this kind of message"
WORDS: Mapping[str, Callable[[Fields], str]] = {
    ContentKind.LOCATION: _location,
    ContentKind.CONTACT: _contact,
    ContentKind.REACTION: _reaction,
    ContentKind.STICKER: _sticker,
    ContentKind.FORM: _form,
    ContentKind.POLL: _poll,
    ContentKind.DICE: _dice,
    ContentKind.REFERRAL: _referral,
    ContentKind.EDIT: _edit,
    ContentKind.OTHER: _other,
}
