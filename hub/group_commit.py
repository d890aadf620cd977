"""Storing rows with a unique key, fast and durably: for webhooks, which come in bursts and twice.

On SQLite the threads of a process commit together: the one that gets to lead writes everything that is pending, in one
transaction, and commits once; the others find their row written. A failed commit fails every one of them. PostgreSQL does
the like by itself, so there it is a plain insert over a pooled connection.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DBAPIError

from hub.errors import HubError
from hub.models.types import raw
from hub.store import writers_lock


class NotStored(HubError):
    """The database did not take it; nothing was stored."""


class Storage(Protocol):
    """Stores rows of one table."""

    def insert(self, row: Mapping[str, Any]) -> bool:
        """Store a row durably; False when one with its unique key was there. Raises NotStored."""

    def close(self) -> None:
        """Let go of the database; the next insert opens it again."""


def storage_of(model: Any, engine: Engine) -> Storage:
    """Return the storage of a table in the database of `engine`."""
    table, dialect = model.__table__, engine.dialect
    mark = "?" if dialect.name == "sqlite" else "%s"
    names = [column.name for column in table.columns]
    statement = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join([mark] * len(names))}) ON CONFLICT DO NOTHING"  # noqa: S608

    def plain(row: Mapping[str, Any]) -> list[Any]:
        return [raw(column, row[column.name], dialect) for column in table.columns]

    if dialect.name == "sqlite":
        return Together(GroupCommit(str(engine.url.database), statement, writers_lock), plain)
    return OneByOne(engine, statement, plain)


@dataclass
class OneByOne:
    """A plain insert, committed by itself, over a pool of its own."""

    engine: Engine
    statement: str
    plain: Callable[[Mapping[str, Any]], list[Any]]

    def __post_init__(self) -> None:
        # no ping before each use: an insert that met a dead connection is simply made again
        self.engine = create_engine(self.engine.url, isolation_level="AUTOCOMMIT", pool_size=8, max_overflow=8, hide_parameters=True)

    def insert(self, row: Mapping[str, Any]) -> bool:
        values = tuple(self.plain(row))
        for last in (False, True):
            try:
                with self.engine.connect() as connection:
                    return connection.exec_driver_sql(self.statement, values).rowcount > 0
            except DBAPIError as problem:
                if last or not problem.connection_invalidated:
                    raise NotStored(f"The database did not store it: {type(problem.orig).__name__}.") from problem
        raise AssertionError  # pragma: no cover - the loop ends by itself

    def close(self) -> None:
        self.engine.dispose()


@dataclass
class Together:
    """Group commit."""

    group: GroupCommit
    plain: Callable[[Mapping[str, Any]], list[Any]]

    def insert(self, row: Mapping[str, Any]) -> bool:
        return self.group.insert(self.plain(row))

    def close(self) -> None:
        self.group.close()


@dataclass
class _Item:
    row: Sequence[Any]
    done: bool = False
    new: bool = False
    error: Exception | None = None


class GroupCommit:
    """Runs one INSERT … ON CONFLICT DO NOTHING for rows of many threads."""

    def __init__(self, database: str, statement: str, lock: Callable[[], AbstractContextManager[None]]) -> None:
        self._database, self._statement, self._lock = database, statement, lock
        self._pending: list[_Item] = []
        self._pending_lock = threading.Lock()
        self._lead = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._owner = 0

    def insert(self, row: Sequence[Any]) -> bool:
        """Store a row durably; False when an equal one was there. Raises NotStored."""
        item = _Item(row)
        with self._pending_lock:
            self._pending.append(item)
        with self._lead:
            if not item.done:
                self._write()
        if item.error is not None:
            raise NotStored(f"The database did not store it: {item.error}.") from item.error
        return item.new

    def close(self) -> None:
        with self._lead:
            self._close()

    def _write(self) -> None:
        with self._pending_lock:
            batch, self._pending = self._pending, []
        try:
            with self._lock():
                self._insert(batch)
        except Exception as problem:  # an OSError of the lock too: nothing that was not written may pass for a repeat
            for item in batch:
                item.new, item.error = False, problem
            self._close()
        finally:
            for item in batch:
                item.done = True

    def _insert(self, batch: list[_Item]) -> None:
        connection = self._open()
        connection.execute("BEGIN IMMEDIATE")
        try:
            for item in batch:
                item.new = connection.execute(self._statement, item.row).rowcount > 0
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _open(self) -> sqlite3.Connection:
        if self._connection is None or self._owner != os.getpid():  # a connection must not be used across a fork
            connection = sqlite3.connect(self._database, isolation_level=None, check_same_thread=False, timeout=10, cached_statements=16)
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
                connection.execute(f"PRAGMA {pragma}")
            self._connection, self._owner = connection, os.getpid()
        return self._connection

    def _close(self) -> None:
        if self._connection is not None and self._owner == os.getpid():
            self._connection.close()
        self._connection = None
