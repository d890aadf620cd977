"""Declare the settings of `Config`: one environment variable for each field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Setting:
    """One environment variable. `empty` is the value if it is not set and has no default."""

    name: str
    default: str
    meaning: str
    parse: Callable[[str], Any]
    secret: bool
    empty: Any


def setting(
    name: str,
    default: str,
    meaning: str,
    parse: Callable[[str], Any] = str,
    *,
    secret: bool = False,
    empty: Any = None,
) -> Any:
    """Declare a field of `Config` that is read from an environment variable."""
    declared = Setting(name, default, meaning, parse, secret, empty)
    return field(repr=not secret, metadata={"setting": declared})
