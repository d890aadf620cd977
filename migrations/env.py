"""Run migrations: one transaction for all of them, on SQLite under the writers' lock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic import context
from sqlalchemy import Connection

from hub.db.engine import db
from hub.db.store import writers_lock
from hub.db.types import Details, Id, Time


def _render(kind: str, item: Any, _: Any) -> str | bool:
    """Write our column types by the names that script.py.mako declares: a migration must not change
    with the code.
    """
    if kind == "type" and isinstance(item, Id):
        return "ID"
    if kind == "type" and isinstance(item, Time):
        return "TIME"
    if kind == "type" and isinstance(item, Details):
        return "sa.JSON()"
    return False


@contextmanager
def _without_foreign_keys(connection: Connection) -> Iterator[None]:
    """Let a migration replace a table that others refer to, which is how SQLite changes one.

    The setting does not change inside a transaction, so it is made before the transaction begins.
    """
    driver = connection.connection.driver_connection
    if driver is None or connection.dialect.name != "sqlite":
        yield
        return
    driver.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys=ON")


with db.engine.connect() as connection, writers_lock(), _without_foreign_keys(connection):
    context.configure(
        connection=connection.execution_options(hub_writes=True),
        target_metadata=db.metadata,
        render_item=_render,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=False,
    )
    with context.begin_transaction():
        context.run_migrations()
