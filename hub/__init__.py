"""Signpost, the messaging hub of signing apps."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from hub.config import Config

__version__ = "0.1.0"


def create_app(config: Config | None = None, *, doors: bool = True) -> Flask:
    """Make the application: settings, extensions, and the three doors, which workers do without.

    Nothing connects yet.
    """
    from hub import application  # the command line shows its help without loading all this

    return application.create(config, application.DOORS if doors else ())
