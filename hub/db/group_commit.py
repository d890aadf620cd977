"""Committing together: on SQLite the threads of a process share one transaction, and its one wait
for the disk.

The thread that gets to lead writes everything that is pending and commits once; the others find
theirs written. A failed commit fails every one of them. PostgreSQL does the like by itself, so
there each commits alone.
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
from hub.db.engine import POOL_SECONDS, db, patience
from hub.db.store import writers_lock
from hub.lib import disk


class WriteFailed(HubError):
    """The database did not take it; nothing was stored."""


@dataclass
class PendingWrite:
    """A change that was worked out beforehand, as the driver takes it: what was read for it, and
    what is to be written.
    """

    # text, parameters, the rows that came
    reads: list[tuple[str, Any, list[Any]]] = field(default_factory=list)
    # text, parameters of each execution
    writes: list[tuple[str, list[Any]]] = field(default_factory=list)
    driver: Any = None  # what it reads over while it is worked out
    changed: int = 0  # how many rows were written
    stale: bool = False  # what was read has changed, so nothing was written
    done: bool = False
    error: Exception | None = None


class GroupCommit:
    """Commits the units of many threads of this process together, on a connection of its own."""

    def __init__(
        self, database: str, lock: Callable[[], AbstractContextManager[None]] = writers_lock
    ) -> None:
        self._database = database
        self._lock = lock
        self._pending: list[PendingWrite] = []
        self._pending_lock = threading.Lock()
        self._lead = threading.Lock()
        # changes for which others were faster just now, and until when that counts
        self.contended: dict[Any, float] = {}
        self._connection: sqlite3.Connection | None = None
        self._owner = 0

    def commit(self, unit: PendingWrite) -> None:
        """Write a unit durably, unless it is stale. Raises NotStored."""
        with self._pending_lock:
            self._pending.append(unit)
        with self._lead:
            if not unit.done:
                self._write_pending()
        if unit.error is not None:
            raise WriteFailed(
                f"The database did not store it: {type(unit.error).__name__}."
            ) from unit.error

    def close(self) -> None:
        """Let go of the database; the next unit opens it again."""
        with self._lead:
            self._close()

    def _write_pending(self) -> None:
        with self._pending_lock:
            batch = self._pending
            self._pending = []
        try:
            if not self._write(batch) and len(batch) > 1:
                for unit in batch:  # one of them spoils it for all
                    self._write([unit])
        finally:
            for unit in batch:
                unit.done = True

    def _write(self, batch: list[PendingWrite]) -> bool:
        try:
            with self._lock():
                self._run(batch)
        # an OSError of the lock too: nothing that was not written may pass for written
        except Exception as problem:
            disk.note_failure(problem)
            for unit in batch:
                unit.changed = 0
                unit.stale = False
                unit.error = problem
            self._close()
            return False
        return True

    def _run(self, batch: list[PendingWrite]) -> None:
        connection = self._open()
        connection.execute("BEGIN IMMEDIATE")
        try:
            for unit in batch:
                unit.error = None
                unit.changed = 0
                unit.stale = any(
                    connection.execute(sql, bound).fetchall() != rows
                    for sql, bound, rows in unit.reads
                )
                for sql, many in () if unit.stale else unit.writes:
                    for bound in many:
                        unit.changed += connection.execute(sql, bound).rowcount
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _open(self) -> sqlite3.Connection:
        # a connection must not be used across a fork
        if self._connection is None or self._owner != os.getpid():
            connection = sqlite3.connect(
                self._database, isolation_level=None, check_same_thread=False, cached_statements=256
            )
            set_up_sqlite(connection)
            self._connection = connection
            self._owner = os.getpid()
        return self._connection

    def _close(self) -> None:
        if self._connection is not None and self._owner == os.getpid():
            self._connection.close()
        self._connection = None


def committer() -> GroupCommit | None:
    """Return what commits together in this process; None on PostgreSQL."""
    found = current_app.extensions.get("hub.group_commit")
    if found is None and db.engine.dialect.name == "sqlite":
        found = current_app.extensions.setdefault(
            "hub.group_commit", GroupCommit(str(db.engine.url.database))
        )
    return cast("GroupCommit | None", found)


# ── Rows with a unique key: for webhooks, which come in bursts and twice ──────────────────────────
class Storage(Protocol):
    """Stores rows of one table."""

    def insert(self, row: Mapping[str, Any]) -> bool:
        """Store a row durably; False when one with its unique key was there. Raises NotStored."""

    def close(self) -> None:
        """Let go of the database; the next insert opens it again."""


def storage_of(model: Any, engine: Engine) -> Storage:
    """Return the storage of a table in the database of `engine`."""
    insert = Statement.insert(model.__table__, on_conflict_do_nothing=True)
    together = committer()
    return (
        DirectInsert(engine, insert)
        if together is None
        else GroupedInsert(together, insert, engine)
    )


@dataclass
class GroupedInsert:
    """An insert among the units that this process commits together."""

    group: GroupCommit
    statement: Statement
    engine: Engine

    def insert(self, row: Mapping[str, Any]) -> bool:
        form = self.statement.form(self.engine.dialect, row)
        unit = PendingWrite(writes=[(form.sql, [form.bind(row)])])
        self.group.commit(unit)
        return unit.changed > 0

    def close(self) -> None:
        self.group.close()


@dataclass
class DirectInsert:
    """A plain insert, committed by itself, over a pool of its own."""

    engine: Engine
    statement: Statement

    def __post_init__(self) -> None:
        # no ping before each use: an insert that met a dead connection is simply made again
        own = {
            "connect_args": {"autocommit": True, **patience(self.engine.url)},
            "pool_reset_on_return": None,
        }
        pool = {"pool_size": 8, "max_overflow": 8, "pool_timeout": POOL_SECONDS}
        self.engine = create_engine(self.engine.url, hide_parameters=True, **pool, **own)

    def insert(self, row: Mapping[str, Any]) -> bool:
        form = self.statement.form(self.engine.dialect, row)
        values = form.bind(row)
        dialect = self.engine.dialect
        until = time.monotonic() + POOL_SECONDS
        while True:
            pooled = None
            try:
                pooled = self.engine.raw_connection()
                return bool(pooled.driver_connection.execute(form.sql, values).rowcount)  # type: ignore[union-attr]
            except dialect.loaded_dbapi.Error as problem:
                lost = pooled is not None and dialect.is_disconnect(
                    problem, pooled.driver_connection, None
                )
                if pooled is not None and lost:
                    pooled.invalidate(problem)
                # whoever lost one has lost them all: each is thrown away until the next is a new
                # one
                if not lost or time.monotonic() > until:
                    disk.note_failure(problem)
                    raise WriteFailed(
                        f"The database did not store it: {type(problem).__name__}."
                    ) from problem
            finally:
                if pooled is not None:
                    pooled.close()

    def close(self) -> None:
        self.engine.dispose()
