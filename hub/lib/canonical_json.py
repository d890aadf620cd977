"""Write JSON in one form only (RFC 8785), so that equal values have equal hashes everywhere.

https://www.rfc-editor.org/rfc/rfc8785. Numbers are limited to the integers that every language
reads exactly, so that its rules for fractions are not needed.
"""

from __future__ import annotations

import json
from typing import Any

MAX_INTEGER = 2**53 - 1
_quote = json.JSONEncoder(ensure_ascii=False).encode


def encode(value: Any) -> bytes:
    """Return a value in canonical form. Raises ValueError for a value without one."""
    return _text(value).encode()  # raises UnicodeEncodeError, a ValueError, for half a character


def _text(value: Any) -> str:
    if isinstance(value, str):
        return _quote(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and abs(value) <= MAX_INTEGER:
        return str(value)
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_text, value))}]"
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        fields = (f"{_quote(name)}:{_text(value[name])}" for name in sorted(value, key=_order))
        return f"{{{','.join(fields)}}}"
    raise ValueError(f"{type(value).__name__} has no canonical form")


def _order(name: str) -> bytes:
    """Return what names are sorted by: their UTF-16 code units."""
    return name.encode("utf-16-be", "surrogatepass")


def representable(value: Any) -> Any:
    """Return a JSON value whose numbers and texts have a canonical form.

    Other numbers become text, and halves of characters the replacement character.
    """
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {representable(str(name)): representable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [representable(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) <= MAX_INTEGER:
        return value
    return str(value)
