"""The change that is under way. This is the only place that knows it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from hub.db.sqlite_connections import SqliteConnections


def _locked() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass
class PendingWrite:
    """The rows that a change has read, and those that it writes while they are unchanged."""

    # SQL, parameters, the rows that were read
    reads: list[tuple[str, Any, list[Any]]] = field(default_factory=list)
    # SQL, parameters of each execution
    writes: list[tuple[str, Sequence[Any]]] = field(default_factory=list)
    rows_written: int = 0
    is_stale: bool = False  # rows that it has read have changed, so nothing was written
    is_done: bool = False
    error: BaseException | None = None
    # locked until another thread has written this change, or lets this thread write the next ones
    turn: threading.Lock = field(default_factory=_locked)


class PreparedChange:
    """A change before it takes the write lock: it reads one snapshot, and collects its writes."""

    def __init__(self, connections: SqliteConnections) -> None:
        self.dialect = connections.dialect
        self.pending = PendingWrite()
        self._connections = connections
        self._connection: sqlite3.Connection | None = None

    def fetch(self, sql: str, parameters: Any) -> list[Any]:
        """Return the rows that a statement finds in the snapshot. Raises DBAPIError."""
        try:
            if self._connection is None:
                self._connection = self._connections.take()
                self._connection.execute("BEGIN")
            rows = self._connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._connections.translate(error, sql) from error
        self.pending.reads.append((sql, parameters, rows))
        return rows

    def execute(self, sql: str, parameter_sets: Sequence[Any]) -> None:
        """Collect a changing statement."""
        self.pending.writes.append((sql, parameter_sets))

    def end_snapshot(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.rollback()
            self._connections.give_back(self._connection)


@dataclass
class Change:
    """A change that is under way. It holds the write lock unless it is `prepared` before that."""

    prepared: PreparedChange | None = None
    queues: set[str] = field(default_factory=set)  # to wake when it is stored


_change: ContextVar[Change | None] = ContextVar("change", default=None)


def current_change() -> Change | None:
    """Return the change that this thread makes, if any."""
    return _change.get()


def is_prepared() -> bool:
    """Return whether the change that is under way has yet to take the write lock."""
    change = current_change()
    return change is not None and change.prepared is not None


@contextmanager
def make_current(change: Change | None) -> Iterator[None]:
    """Let a change, or none, be the one that this thread makes."""
    token = _change.set(change)
    try:
        yield
    finally:
        _change.reset(token)
