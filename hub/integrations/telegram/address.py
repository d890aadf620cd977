"""Addresses of Telegram chats: a number, negative for groups and channels, or the @name of a public
channel.
"""

from __future__ import annotations

import re
from typing import Any

from wtforms.validators import ValidationError

_NUMBER = re.compile(r"-?[0-9]{1,18}")
_NAME = re.compile(r"@[a-z][a-z0-9_]{3,31}")
WRONG = "Enter the chat’s ID, such as -1001234567890, or the @name of a public channel."
PERSONS = (
    "This is the ID of a person. The ID of a group starts with a minus. The bot can write"
    " to a person after they press Start."
)


def clean(address: str) -> str:
    """Return the normal form of a chat's name. Raises ValueError that says why not."""
    text = address.strip().lower()
    if _NUMBER.fullmatch(text) and int(text):
        return str(int(text))
    if _NAME.fullmatch(text):
        return text
    raise ValueError(WRONG)


def valid_team(form: Any, field: Any) -> None:
    """Check the chat of a team, a setting."""
    del form
    try:
        team = clean(field.data)
    except ValueError as problem:
        raise ValidationError(str(problem)) from None
    if not team.startswith(("-", "@")):
        raise ValidationError(PERSONS)
