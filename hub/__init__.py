"""Signpost, the messaging hub of signing apps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.core import __version__ as __version__

if TYPE_CHECKING:
    from flask import Flask

    from hub.core.config import Config


def create_app(config: Config | None = None, *, blueprints: bool = True) -> Flask:
    """Create the application: settings, extensions and, except in workers, blueprints.

    No connection is opened yet.
    """
    from hub.app import factory  # the command line shows its help without loading all this

    return factory.create(config, factory.BLUEPRINTS if blueprints else ())
