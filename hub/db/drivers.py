"""Prepare connections to SQLite and PostgreSQL.

A stored value that cannot be read must not fail the whole query, because other rows may be fine.
Text that is not UTF-8 is read with replacement characters, and a time that Python cannot represent
as `hub.db.types.BadTime`.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Boolean, Engine, Integer, LargeBinary, Numeric, String, event

from hub.db.types import BadTime, RawBytes

PRAGMAS = (
    "busy_timeout=10000",
    "auto_vacuum=INCREMENTAL",
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    # The commit that fills the log copies it back while others wait. With 32 MB that is rare,
    # and most pages are the same few hundred.
    "wal_autocheckpoint=8000",
)


def prepare(engine: Engine) -> None:
    """Prepare every connection of an engine."""
    (_prepare_sqlite if engine.dialect.name == "sqlite" else _prepare_postgresql)(engine)


class _Number(Numeric):  # type: ignore[type-arg]
    """A number, or NaN for an invalid value."""

    def result_processor(self, dialect: Any, coltype: Any) -> Any:
        convert = super().result_processor(dialect, coltype)  # type: ignore[no-untyped-call]

        def process(value: Any) -> Any:
            try:
                return value if convert is None else convert(value)
            except (TypeError, ValueError, ArithmeticError):
                return Decimal("NaN")

        return process


class _Text(String):
    """Text. Other values are converted."""

    def result_processor(self, dialect: Any, coltype: Any) -> Any:
        def process(value: Any) -> Any:
            if value is None or isinstance(value, str):
                return value
            return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

        return process


class _Int(Integer):
    """A whole number, or 0 for an invalid value."""

    def result_processor(self, dialect: Any, coltype: Any) -> Any:
        return lambda value: value if value is None or isinstance(value, int | float) else 0


class _Bool(Boolean):
    """True or false. Other values are returned unchanged."""

    def result_processor(self, dialect: Any, coltype: Any) -> Any:
        return lambda value: bool(value) if value in (0, 1) else value


def _prepare_sqlite(engine: Engine) -> None:
    # SQLite stores any value in any column
    engine.dialect.colspecs = {
        **engine.dialect.colspecs,
        LargeBinary: RawBytes,
        Numeric: _Number,
        Boolean: _Bool,
        String: _Text,
        Integer: _Int,
        BigInteger: BigInteger,
    }

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _: Any) -> None:
        # the hub sends BEGIN itself, because the driver would start too late
        connection.isolation_level = None
        set_up_sqlite(connection)

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Any) -> None:
        writes = connection.get_execution_options().get("hub_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def set_up_sqlite(connection: sqlite3.Connection) -> None:
    """Set the options of a connection that are not stored in the database file."""
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    connection.text_factory = lambda text: text.decode("utf-8", "replace")


def _prepare_postgresql(engine: Engine) -> None:
    from psycopg.types.datetime import TimestamptzLoader  # only loaded with PostgreSQL

    class Lenient(TimestamptzLoader):
        """Reads years that Python does not support, and infinity, as BadTime."""

        def load(self, data: Any) -> Any:
            text = bytes(data).decode()
            try:  # several times faster than the driver's own Python code
                return datetime.fromisoformat(text)
            except ValueError:
                return BadTime.from_stored(text)

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _: Any) -> None:
        connection.adapters.register_loader("timestamptz", Lenient)
