"""Set up connections to the database before they are used, on SQLite and on PostgreSQL.

A value that was stored and cannot be read must not fail the whole query: other rows may be fine. So
text that is not UTF-8 is read with replacement characters, and a time that Python cannot hold as
`models.types.BadTime`.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Boolean, Engine, Integer, LargeBinary, Numeric, String, event

from hub.db.types import BadTime, Stored

PRAGMAS = (
    "busy_timeout=10000",
    "auto_vacuum=INCREMENTAL",
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    # The commit that fills the log copies it back while the others wait. With 32 MB that is
    # rare, and most of the pages are the same few hundred.
    "wal_autocheckpoint=8000",
)


def prepare(engine: Engine) -> None:
    """Set up every connection that an engine makes."""
    (_prepare_sqlite if engine.dialect.name == "sqlite" else _prepare_postgresql)(engine)


class _Number(Numeric):  # type: ignore[type-arg]
    """A number; NaN for what is none."""

    def result_processor(self, dialect: Any, coltype: Any) -> Any:
        read = super().result_processor(dialect, coltype)  # type: ignore[no-untyped-call]

        def process(value: Any) -> Any:
            try:
                return value if read is None else read(value)
            except (TypeError, ValueError, ArithmeticError):
                return Decimal("NaN")

        return process


class _Text(String):
    """Text; other values are read as what they look like."""

    def result_processor(self, dialect: Any, coltype: Any) -> Any:
        def process(value: Any) -> Any:
            if value is None or isinstance(value, str):
                return value
            return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

        return process


class _Whole(Integer):
    """A whole number; 0 for what is none."""

    def result_processor(self, dialect: Any, coltype: Any) -> Any:
        return lambda value: value if value is None or isinstance(value, int | float) else 0


class _Truth(Boolean):
    """True or false; what is neither comes as it is."""

    def result_processor(self, dialect: Any, coltype: Any) -> Any:
        return lambda value: bool(value) if value in (0, 1) else value


def _prepare_sqlite(engine: Engine) -> None:
    # SQLite keeps any value in any column
    engine.dialect.colspecs = {
        **engine.dialect.colspecs,
        LargeBinary: Stored,
        Numeric: _Number,
        Boolean: _Truth,
        String: _Text,
        Integer: _Whole,
        BigInteger: BigInteger,
    }

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
