"""Commit together: on SQLite, the threads of a process share one transaction and one disk write.

One thread writes everything that is pending and commits once. The others then find their changes
written. If the commit fails, all of them fail. PostgreSQL does the same itself, so there each
thread commits alone.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from flask import current_app
from sqlalchemy import Engine, create_engine

from hub.core.errors import HubError
from hub.db.compiled_sql import Statement
from hub.db.drivers import set_up_sqlite
from hub.db.engine import POOL_SECONDS, connect_options, db
from hub.db.store import writers_lock
from hub.lib import disk


class WriteFailed(HubError):
    """The database did not store a change."""


@dataclass
class PendingWrite:
    """A change prepared for the driver: the rows that it has read, and the rows to write."""

    # SQL, parameters, the rows that were read
    reads: list[tuple[str, Any, list[Any]]] = field(default_factory=list)
    # SQL, parameters of each execution
    writes: list[tuple[str, list[Any]]] = field(default_factory=list)
    driver: Any = None  # connection that it reads from while it is prepared
    changed: int = 0  # number of rows that were written
    stale: bool = False  # rows that it has read have changed, so nothing was written
    done: bool = False
    error: Exception | None = None


class GroupCommit:
    """Commits changes of many threads of this process together, on a connection of its own."""

    def __init__(
        self, database: str, lock: Callable[[], AbstractContextManager[None]] = writers_lock
    ) -> None:
        self._database = database
        self._lock = lock
        self._queue: list[PendingWrite] = []
        self._queue_lock = threading.Lock()
        self._leader_lock = threading.Lock()
        # changes that lost a race, until when they take the lock first
        self.contended: dict[Any, float] = {}
        self._connection: sqlite3.Connection | None = None
        self._owner_pid = 0

    def commit(self, change: PendingWrite) -> None:
        """Write a change durably, unless it is stale. Raises WriteFailed."""
        with self._queue_lock:
            self._queue.append(change)
        with self._leader_lock:
            if not change.done:
                self._write_pending()
        if change.error is not None:
            raise WriteFailed(
                f"The database did not store it: {type(change.error).__name__}."
            ) from change.error

    def close(self) -> None:
        """Close the database. The next change opens it again."""
        with self._leader_lock:
            self._close()

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
                change.done = True

    def _write(self, batch: list[PendingWrite]) -> bool:
        try:
            with self._lock():
                self._write_transaction(batch)
        # also an OSError of the lock: a change that was not written must not seem written
        except Exception as error:
            disk.record_failure(error)
            for change in batch:
                change.changed = 0
                change.stale = False
                change.error = error
            self._close()
            return False
        return True

    def _write_transaction(self, batch: list[PendingWrite]) -> None:
        connection = self._open()
        connection.execute("BEGIN IMMEDIATE")
        try:
            for change in batch:
                change.error = None
                change.changed = 0
                change.stale = any(
                    connection.execute(sql, parameters).fetchall() != rows
                    for sql, parameters, rows in change.reads
                )
                for sql, parameter_sets in () if change.stale else change.writes:
                    for parameters in parameter_sets:
                        change.changed += connection.execute(sql, parameters).rowcount
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _open(self) -> sqlite3.Connection:
        # a connection must not be used across a fork
        if self._connection is None or self._owner_pid != os.getpid():
            connection = sqlite3.connect(
                self._database, isolation_level=None, check_same_thread=False, cached_statements=256
            )
            set_up_sqlite(connection)
            self._connection = connection
            self._owner_pid = os.getpid()
        return self._connection

    def _close(self) -> None:
        if self._connection is not None and self._owner_pid == os.getpid():
            self._connection.close()
        self._connection = None


def committer() -> GroupCommit | None:
    """Return the group commit of this process, or None on PostgreSQL."""
    group = current_app.extensions.get("hub.group_commit")
    if group is None and db.engine.dialect.name == "sqlite":
        group = current_app.extensions.setdefault(
            "hub.group_commit", GroupCommit(str(db.engine.url.database))
        )
    return cast("GroupCommit | None", group)


# ── Rows with a unique key: webhooks arrive in bursts and repeatedly ──────────────────────────────
class Storage(Protocol):
    """Stores rows of one table."""

    def insert(self, row: Mapping[str, Any]) -> bool:
        """Store a row durably; return False if its unique key exists. Raises WriteFailed."""

    def close(self) -> None:
        """Close the database. The next insert opens it again."""


def storage_of(model: Any, engine: Engine) -> Storage:
    """Return the storage of a table in the database of `engine`."""
    insert = Statement.insert(model.__table__, on_conflict_do_nothing=True)
    group = committer()
    return DirectInsert(engine, insert) if group is None else GroupedInsert(group, insert, engine)


@dataclass
class GroupedInsert:
    """An insert that is committed together with other changes of this process."""

    group: GroupCommit
    statement: Statement
    engine: Engine

    def insert(self, row: Mapping[str, Any]) -> bool:
        compiled = self.statement.compiled_for(self.engine.dialect, row)
        change = PendingWrite(writes=[(compiled.sql, [compiled.bind(row)])])
        self.group.commit(change)
        return change.changed > 0

    def close(self) -> None:
        self.group.close()


@dataclass
class DirectInsert:
    """A plain insert that commits alone, with a connection pool of its own."""

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
                cursor = pooled.driver_connection.execute(compiled.sql, values)  # type: ignore[union-attr]
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
