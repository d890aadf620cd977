"""Describe the parts of a received message that are neither text nor files, such as a location."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hub.core.vocabulary import ContentKind

Fields = Mapping[str, Any]
MAX_PARTS = 20  # answers of a form, or options of a poll, in one description


def describe_content(content: Fields) -> str:
    """Return a one-line description of a content, as a message body stores it."""
    describe = DESCRIBERS.get(str(content.get("kind", "")))
    try:
        return describe(content) if describe is not None else UNKNOWN
    except (AttributeError, KeyError, TypeError, ValueError):  # stored by another version
        return UNKNOWN


def coordinates(content: Fields) -> str:
    """Return the coordinates of a location, such as `39.7684,-86.1581`, or "" if it has none."""
    latitude = content.get("latitude")
    longitude = content.get("longitude")
    if content.get("kind") != ContentKind.LOCATION:
        return ""
    if not isinstance(latitude, int | float) or not isinstance(longitude, int | float):
        return ""
    return f"{_degrees(latitude)},{_degrees(longitude)}"


def _degrees(number: float) -> str:
    """Return degrees with at most 5 decimal places, which is about a meter."""
    rounded = round(number, 5) + 0.0  # adding 0 turns -0 into 0
    return f"{rounded:.5f}".rstrip("0").rstrip(".")


def _describe_location(content: Fields) -> str:
    name = ", ".join(filter(None, (content["label"], content["address"])))
    position = coordinates(content).replace(",", ", ")
    if name and position:
        return f"Location: {name} ({position})"
    return f"Location: {name or position}"


def _describe_contact(content: Fields) -> str:
    parts = [content["name"], *content["phones"], *content["emails"]]
    return f"Contact card: {', '.join(filter(None, parts))}" if any(parts) else "Contact card"


def _describe_reaction(content: Fields) -> str:
    return f"Reaction: {content['emoji']}" if content["emoji"] else "Reaction removed"


def _describe_sticker(content: Fields) -> str:
    return f"Sticker {content['emoji']}".strip()


def _describe_form(content: Fields) -> str:
    answers = [
        f"{name}: {text}" if name else str(text) for name, text in content["answers"].items()
    ]
    return f"Form: {_join_parts(answers)}" if answers else "Form without answers"


def _describe_poll(content: Fields) -> str:
    return f"Poll: {content['question']} ({_join_parts(content['options'])})"


def _describe_dice(content: Fields) -> str:
    return f"{content['emoji'] or 'Dice'}: {content['value']}"


def _describe_referral(content: Fields) -> str:
    title = content["headline"] or content["text"] or content["id"]
    return f"From the {content['source'] or 'ad'} “{title}”" if title else f"From {content['url']}"


def _describe_edit(_: Fields) -> str:
    return "Edited an earlier message"


def _describe_other(content: Fields) -> str:
    return f"Signpost cannot show this kind of message: {content['type']}"


def _join_parts(parts: list[str]) -> str:
    more = len(parts) - MAX_PARTS
    return ", ".join(map(str, parts[:MAX_PARTS])) + (f" and {more} more" if more > 0 else "")


UNKNOWN = "Signpost cannot show this kind of message"
DESCRIBERS: Mapping[str, Callable[[Fields], str]] = {
    ContentKind.LOCATION: _describe_location,
    ContentKind.CONTACT: _describe_contact,
    ContentKind.REACTION: _describe_reaction,
    ContentKind.STICKER: _describe_sticker,
    ContentKind.FORM: _describe_form,
    ContentKind.POLL: _describe_poll,
    ContentKind.DICE: _describe_dice,
    ContentKind.REFERRAL: _describe_referral,
    ContentKind.EDIT: _describe_edit,
    ContentKind.OTHER: _describe_other,
}
