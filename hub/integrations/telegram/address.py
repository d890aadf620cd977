"""Parse addresses of Telegram chats.

They are numbers, negative for groups and channels, or the @name of a public channel.
"""

from __future__ import annotations

import re
from typing import Any

from wtforms.validators import ValidationError

_CHAT_ID = re.compile(r"-?[0-9]{1,18}")
_CHAT_NAME = re.compile(r"@[a-z][a-z0-9_]{3,31}")
INVALID_CHAT = "Enter the chat’s ID, such as -1001234567890, or the @name of a public channel."
CHAT_OF_PERSON = (
    "This is the ID of a person. The ID of a group starts with a minus. The bot can message"
    " to a person after they press Start."
)


def clean_chat(address: str) -> str:
    """Return the normal form of a chat's address. Raises ValueError with the reason."""
    text = address.strip().lower()
    if _CHAT_ID.fullmatch(text) and int(text):
        return str(int(text))
    if _CHAT_NAME.fullmatch(text):
        return text
    raise ValueError(INVALID_CHAT)


def validate_team_chat(form: Any, field: Any) -> None:
    """Validate the setting for a team's chat. Raises ValidationError."""
    del form
    try:
        team = clean_chat(field.data)
    except ValueError as error:
        raise ValidationError(str(error)) from None
    if not team.startswith(("-", "@")):
        raise ValidationError(CHAT_OF_PERSON)
