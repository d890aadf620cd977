"""Commit together: on SQLite, the threads of a process share one transaction and one disk write.

One thread writes everything that is pending and commits once. It then wakes the threads whose
changes are written, and one of those that have come since, which writes next. If the commit fails,
all of them fail. PostgreSQL does the same itself, so there each thread commits alone.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, cast

from flask import current_app
from sqlalchemy import Engine, create_engine

from hub.core.errors import HubError
from hub.db.compiled_sql import Statement
from hub.db.current_change import PendingWrite
from hub.db.engine import POOL_SECONDS, connect_options, db
from hub.db.sqlite_connections import SqliteConnections, sqlite_connections
from hub.db.store import writers_lock
from hub.lib import disk

TURN_SECONDS = 0.1  # a thread writes itself if nothing wakes it: the other one may have ended


class WriteFailed(HubError):
    """The database did not store a change."""


class GroupCommit:
    """Commits changes of many threads of this process together, always on one connection."""

    def __init__(
        self,
        connections: SqliteConnections,
        lock: Callable[[], AbstractContextManager[None]] = writers_lock,
    ) -> None:
        self.connections = connections
        self._lock = lock
        self._queue: list[PendingWrite] = []
        self._queue_lock = threading.Lock()
        self._is_led = False  # one thread writes, or was woken to do so
        self._leader_lock = threading.Lock()
        # changes that lost a race, until when they take the lock first
        self.contended: dict[Any, float] = {}

    def commit(self, change: PendingWrite) -> None:
        """Write a change durably, unless it is stale. Raises WriteFailed."""
        with self._queue_lock:
            self._queue.append(change)
            waits = self._is_led
            self._is_led = True
        if waits:
            change.turn.acquire(timeout=TURN_SECONDS)
        if not change.is_done:
            with self._leader_lock:
                if not change.is_done:
                    self._write_pending()
        if change.error is not None:
            raise WriteFailed(
                f"The database did not store it: {type(change.error).__name__}."
            ) from change.error

    def _write_pending(self) -> None:
        with self._queue_lock:
            batch = self._queue
            self._queue = []
        try:
            if not self._write(batch) and len(batch) > 1:
                for change in batch:  # one of them fails the whole batch
                    self._write([change])
        finally:
            for change in batch:
                change.is_done = True
                _wake(change)
            with self._queue_lock:
                self._is_led = bool(self._queue)
                if self._queue:
                    _wake(self._queue[0])

    def _write(self, batch: list[PendingWrite]) -> bool:
        try:
            with self._lock(), self.connections.borrow() as connection:
                _write_transaction(connection, batch)
        # also an OSError of the lock, or the end of this thread: a change that was not written must
        # not seem written
        except BaseException as error:
            disk.record_failure(error)
            for change in batch:
                change.rows_written = 0
                change.is_stale = False
                change.error = error
            if not isinstance(error, Exception):
                raise
            return False
        return True


def _wake(change: PendingWrite) -> None:
    if change.turn.locked():
        change.turn.release()


def _write_transaction(connection: sqlite3.Connection, batch: Sequence[PendingWrite]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for change in batch:
        change.error = None
        change.rows_written = 0
        change.is_stale = any(
            connection.execute(sql, parameters).fetchall() != rows
            for sql, parameters, rows in change.reads
        )
        for sql, parameter_sets in () if change.is_stale else change.writes:
            for parameters in parameter_sets:
                change.rows_written += connection.execute(sql, parameters).rowcount
    connection.execute("COMMIT")


def get_group_commit() -> GroupCommit | None:
    """Return the group commit of this process, or None on PostgreSQL."""
    group = current_app.extensions.get("hub.group_commit")
    if group is None and sqlite_connections() is not None:
        group = current_app.extensions.setdefault(
            "hub.group_commit", GroupCommit(SqliteConnections(db.engine))
        )
    return cast("GroupCommit | None", group)


# ── Rows with a unique key: webhooks arrive in bursts and repeatedly ──────────────────────────────
class Storage(Protocol):
    """Stores rows of one table."""

    def insert(self, row: Mapping[str, Any]) -> bool:
        """Store a row durably; return False if its unique key exists. Raises WriteFailed."""


def create_storage(model: Any, engine: Engine) -> Storage:
    """Return the storage of a table in the database of `engine`."""
    insert = Statement.insert(model.__table__, on_conflict_do_nothing=True)
    group = get_group_commit()
    return DirectInsert(engine, insert) if group is None else GroupedInsert(group, insert)


@dataclass
class GroupedInsert:
    """An insert that is committed together with other changes of this process."""

    group: GroupCommit
    statement: Statement

    def insert(self, row: Mapping[str, Any]) -> bool:
        compiled = self.statement.compiled_for(self.group.connections.dialect, row)
        change = PendingWrite(writes=[(compiled.sql, [compiled.bind(row)])])
        self.group.commit(change)
        return change.rows_written > 0


@dataclass
class DirectInsert:
    """A plain insert that commits alone, with its own connection pool."""

    engine: Engine
    statement: Statement

    def __post_init__(self) -> None:
        # no ping before each use, because an insert on a lost connection is repeated
        connection_options = {
            "connect_args": {"autocommit": True, **connect_options(self.engine.url)},
            "pool_reset_on_return": None,
        }
        pool_options = {"pool_size": 8, "max_overflow": 8, "pool_timeout": POOL_SECONDS}
        self.engine = create_engine(
            self.engine.url, hide_parameters=True, **pool_options, **connection_options
        )

    def insert(self, row: Mapping[str, Any]) -> bool:
        compiled = self.statement.compiled_for(self.engine.dialect, row)
        values = compiled.bind(row)
        dialect = self.engine.dialect
        deadline = time.monotonic() + POOL_SECONDS
        while True:
            pooled = None
            try:
                pooled = self.engine.raw_connection()
                driver: Any = pooled.driver_connection
                cursor = driver.execute(compiled.sql, values)
                return bool(cursor.rowcount)
            except dialect.loaded_dbapi.Error as error:
                is_lost = pooled is not None and dialect.is_disconnect(
                    error, pooled.driver_connection, None
                )
                if pooled is not None and is_lost:
                    pooled.invalidate(error)
                # if one connection is lost, all are: each is discarded until a new one is opened
                if not is_lost or time.monotonic() > deadline:
                    disk.record_failure(error)
                    raise WriteFailed(
                        f"The database did not store it: {type(error).__name__}."
                    ) from error
            finally:
                if pooled is not None:
                    pooled.close()

    def close(self) -> None:
        self.engine.dispose()
