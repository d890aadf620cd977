"""Connections to SQLite that stay open, for statements that bypass SQLAlchemy's session.

A thread takes the connection that was used last, or opens another one. So there are as many as
threads that use the database at the same moment.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from flask import current_app
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from hub.db.compiled_sql import translate_error
from hub.db.drivers import set_up_sqlite


class SqliteConnections:
    """The open connections of an application to its database file."""

    def __init__(self, engine: Engine) -> None:
        self.dialect = engine.dialect
        self._database = str(engine.url.database)
        self._idle: list[sqlite3.Connection] = []
        self._inherited: list[sqlite3.Connection] = []
        self._owner_pid = os.getpid()

    def fetch(self, sql: str, parameters: Any) -> list[Any]:
        """Return the rows that a statement finds now. Raises DBAPIError."""
        try:
            with self.borrow() as connection:
                return connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise self.translate(error, sql) from error

    @contextmanager
    def borrow(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection to a thread. An error closes it, which ends its transaction."""
        connection = self.take()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self.give_back(connection)

    def take(self) -> sqlite3.Connection:
        """Return a connection that no other thread uses until it is given back."""
        if self._owner_pid != os.getpid():
            # SQLite forbids to use or close the connections of a parent process
            self._inherited += self._idle
            self._idle = []
            self._owner_pid = os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            return self._open()

    def give_back(self, connection: sqlite3.Connection) -> None:
        """Keep a connection without a transaction open for the next thread."""
        self._idle.append(connection)

    def close(self) -> None:
        """Close the connections that are not in use. The next use opens another one."""
        while self._idle and self._owner_pid == os.getpid():
            self._idle.pop().close()

    def translate(self, error: sqlite3.Error, sql: str) -> DBAPIError:
        """Return an error of the driver as SQLAlchemy raises it."""
        return translate_error(error, sql, self.dialect, None)

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._database, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        set_up_sqlite(connection)
        return connection


def sqlite_connections() -> SqliteConnections | None:
    """Return the open connections of the current application; None on PostgreSQL."""
    return cast("SqliteConnections | None", current_app.extensions["hub.sqlite_connections"])
