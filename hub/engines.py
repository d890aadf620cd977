"""What a connection to the database needs before it is used, on SQLite and on PostgreSQL.

A value that was stored and cannot be read must not fail the whole query: other rows may be fine. So text that is
not UTF-8 is read with replacement characters, and a time that Python cannot hold as `models.types.BadTime`.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, event

from hub.models.types import BadTime

PRAGMAS = (
    "busy_timeout=10000", "auto_vacuum=INCREMENTAL", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON",
    # whoever fills the log copies it back while the others wait: once in 32 MB, most of whose pages are the same few hundred
    "wal_autocheckpoint=8000",
)  # fmt: skip


def prepare(engine: Engine) -> None:
    """Set up every connection that an engine makes."""
    (_prepare_sqlite if engine.dialect.name == "sqlite" else _prepare_postgresql)(engine)


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves; the driver would start too late
        set_up_sqlite(connection)

    @event.listens_for(engine, "begin")
    def _begun(connection: Any) -> None:
        writes = connection.get_execution_options().get("hub_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def set_up_sqlite(connection: sqlite3.Connection) -> None:
    """Set what every connection to the database needs that is not kept in its file."""
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    connection.text_factory = lambda text: text.decode("utf-8", "replace")


def _prepare_postgresql(engine: Engine) -> None:
    from psycopg.types.datetime import TimestamptzLoader  # only where the driver is used

    class Lenient(TimestamptzLoader):
        """Reads years that Python does not have, and infinity, as BadTime."""

        def load(self, data: Any) -> Any:
            text = bytes(data).decode()
            try:  # several times faster than the driver's own reader in Python
                return datetime.fromisoformat(text)
            except ValueError:
                return BadTime.of(text)

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _: Any) -> None:
        connection.adapters.register_loader("timestamptz", Lenient)

