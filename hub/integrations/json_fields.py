"""Read fields of a provider's JSON, which may have another shape than documented."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def json_objects(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list in a response or a webhook; [] for anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def json_part(fields: Any, path: str) -> dict[str, Any]:
    """Return the object in a field such as `error`, or `message.chat`; {} for anything else."""
    value = json_field(fields, path)
    return value if isinstance(value, dict) else {}


def json_field(fields: Any, path: str) -> Any:
    """Return a field, or None without it. `usage.price` is a field in the object `usage`.

    A field that is itself called `usage.price` is returned before that.
    """
    if not isinstance(fields, Mapping):
        return None
    if path in fields or "." not in path:
        return fields.get(path)
    name, _, rest = path.partition(".")
    return json_field(fields.get(name), rest)
