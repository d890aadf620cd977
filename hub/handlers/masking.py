"""Remove values of events and people from the text of an error."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hub.lib.redaction import DOT, mask
from hub.lib.storable import make_storable
from hub.lib.text import one_line

MASKED = DOT * 3
MAX_LENGTH = 300  # characters
# an address of email or a URL, and anything with at least 5 digits, such as a phone number
_EMAIL = re.compile(r"[^\s\"'<>@]+@[^\s\"'<>@]+")
_URL = re.compile(r"\b([a-z][a-z0-9+.-]*://)[^\s\"'<>]+", re.IGNORECASE)
_DIGITS = re.compile(r"\+?\d(?:[\d\s().-]*\d){4,}")
# fields of events that are names of the hub itself
_OWN_FIELDS = {"id", "type", "version", "at", "test", "role", "channel", "status", "code", "kind"}


def mask_message(message: str, payload: Mapping[str, Any] | None = None) -> str:
    """Return the message of an error without the values of the event, addresses and numbers."""
    text = message
    values = sorted(
        {
            value
            for name, value in (payload or {}).items()
            if isinstance(value, str) and len(value) > 1 and name not in _OWN_FIELDS
        },
        key=len,
        reverse=True,
    )
    for value in values:
        for written in (value, repr(value)[1:-1]):
            text = text.replace(written, MASKED)
    text = _URL.sub(rf"\1{MASKED}", text)
    text = _EMAIL.sub(MASKED, text)
    text = _DIGITS.sub(MASKED, mask(text))
    text = one_line(make_storable(text)).strip()
    return text if len(text) <= MAX_LENGTH else f"{text[: MAX_LENGTH - 1]}…"
