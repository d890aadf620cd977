"""Find the packages and the file that declare handlers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points

from flask import current_app

from hub.core.config import Config

GROUP = "hub.handlers"


@dataclass(frozen=True)
class HandlerSource:
    """A file with handlers, or a module of an installed package.

    `name` is the same on every machine: the name of the file or of the entry point.
    """

    name: str
    location: str  # the path, or the module of the entry point
    is_file: bool


def find_sources() -> Sequence[HandlerSource]:
    """Return the file of HUB_HANDLERS and the modules of all entry points. Nothing is loaded."""
    config: Config = current_app.extensions["hub.config"]
    points = {(point.name, point.value) for point in entry_points(group=GROUP)}
    sources = [HandlerSource(name, value, is_file=False) for name, value in sorted(points)]
    if config.handlers is not None:
        path = config.handlers.expanduser().resolve()
        sources.insert(0, HandlerSource(path.name, str(path), is_file=True))
    return sources
