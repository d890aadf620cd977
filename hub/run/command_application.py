"""The application in which a command of the terminal does its work, and what the command writes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

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


def write_output(data: bytes, output: Path | None) -> None:
    """Write what a command returns into a file, or else to the standard output."""
    if output is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        output.write_bytes(data)
    except OSError as error:
        raise click.ClickException(f"Cannot write {output}: {error.strerror}.") from None
