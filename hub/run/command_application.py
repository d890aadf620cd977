"""The application in which a command of the terminal does its work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hub.core.config import Config


@contextmanager
def open_application() -> Iterator[Config]:
    """Enter the context of an application, and close its database connections at the end.

    The activity log names the command line. Raises ConfigError if a setting is wrong, or if the
    tables are not those of this version.
    """
    from hub.shared import startup_checks

    config = startup_checks.load_config(migrated=True)
    import hub
    from hub.db.engine import db
    from hub.shared import audit

    with hub.create_app(config, blueprints=False).app_context():
        audit.act_as(audit.Actor("Command line"))
        try:
            yield config
        finally:
            db.session.remove()
            db.engine.dispose()
