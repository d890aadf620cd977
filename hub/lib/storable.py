"""Text that every database can store: PostgreSQL takes no NUL, and no driver takes half of a
surrogate pair.
"""

from __future__ import annotations

import json
import re
from typing import Any

_HALF = re.compile("[\ud800-\udfff]")


def is_storable(text: str) -> bool:
    """Tell whether a text can be stored as it is."""
    return "\0" not in text and _HALF.search(text) is None


def make_storable(text: str) -> str:
    """Return a text without NULs, each half of a surrogate pair replaced by U+FFFD."""
    return text if is_storable(text) else _HALF.sub("\ufffd", text.replace("\0", ""))


def make_storable_json(value: Any) -> Any:
    """Return a JSON value with every text in it made storable, the names of members too."""
    if isinstance(value, dict):
        return {make_storable(name): make_storable_json(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [make_storable_json(inner) for inner in value]
    return make_storable(value) if isinstance(value, str) else value


def json_object(body: bytes | str) -> dict[str, Any]:
    """Return the object that a JSON text holds, made storable; {} when it holds something else or
    nothing.
    """
    try:
        found = json.loads(body)
        return make_storable_json(found) if isinstance(found, dict) else {}
    except (ValueError, RecursionError):
        return {}


def has_nul(value: Any, path: str = "") -> str | None:
    """Return the path of the first NUL in the texts of a JSON value, such as `signers[0].name`;
    None where there is none.
    """
    if isinstance(value, str):
        return path if "\0" in value else None
    if isinstance(value, dict):
        parts = [(f"{path}.{name}" if path else name, name, inner) for name, inner in value.items()]
    elif isinstance(value, list):
        parts = [(f"{path}[{n}]", "", inner) for n, inner in enumerate(value)]
    else:
        return None
    for inner_path, name, inner in parts:
        found = path if "\0" in name else has_nul(inner, inner_path)
        if found is not None:
            return found
    return None
