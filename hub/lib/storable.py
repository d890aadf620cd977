"""Make texts storable in every database.

PostgreSQL stores no NUL, and no driver accepts half of a surrogate pair.
"""

from __future__ import annotations

import json
import re
from typing import Any

_HALF_SURROGATE = re.compile("[\ud800-\udfff]")


def is_storable(text: str) -> bool:
    """Return whether text can be stored unchanged."""
    return "\0" not in text and _HALF_SURROGATE.search(text) is None


def make_storable(text: str) -> str:
    """Return text without NULs, with each half of a surrogate pair replaced by U+FFFD."""
    return text if is_storable(text) else _HALF_SURROGATE.sub("\ufffd", text.replace("\0", ""))


def make_storable_json(value: Any) -> Any:
    """Return a JSON value in which all strings and names of members are storable."""
    if isinstance(value, dict):
        return {make_storable(name): make_storable_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return [make_storable_json(item) for item in value]
    return make_storable(value) if isinstance(value, str) else value


def json_object(body: bytes | str) -> dict[str, Any]:
    """Return the object in a JSON text, made storable, or {} for anything else."""
    try:
        value = json.loads(body)
        return make_storable_json(value) if isinstance(value, dict) else {}
    except (ValueError, RecursionError):
        return {}


def find_nul(value: Any, path: str = "") -> str | None:
    """Return the path of the first NUL in a JSON value, such as `signers[0].name`, or None."""
    if isinstance(value, str):
        return path if "\0" in value else None
    if isinstance(value, dict):
        items = [(f"{path}.{name}" if path else name, name, item) for name, item in value.items()]
    elif isinstance(value, list):
        items = [(f"{path}[{index}]", "", item) for index, item in enumerate(value)]
    else:
        return None
    for item_path, name, item in items:
        nul_path = path if "\0" in name else find_nul(item, item_path)
        if nul_path is not None:
            return nul_path
    return None
