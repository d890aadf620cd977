"""Prepare changes before the write lock is taken: read, decide, render and encrypt first.

SQLite has one writer at a time, so the work under its lock limits how much the hub can accept. A
function with `@optimistic` runs without the lock, on a snapshot. Its reads are remembered and its
writes are collected. Under the lock the reads are repeated. If all rows are unchanged, the writes
are made, otherwise the function runs again under the lock. On PostgreSQL, whose writers do not wait
for each other, it is an ordinary transaction.
"""

from __future__ import annotations

import functools
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from hub.db.current_change import Change, PreparedChange, make_current
from hub.db.engine import db
from hub.db.group_commit import WriteFailed, get_group_commit
from hub.db.sqlite_connections import sqlite_connections
from hub.db.store import (
    ReadOnlySession,
    in_transaction,
    mark_stored,
    transaction,
    wake_all,
)

P = ParamSpec("P")
T = TypeVar("T")

# seconds without optimism after a lost race, because workers of one queue would lose again
CONTENDED_SECONDS = 0.5


def optimistic(change: Callable[P, T]) -> Callable[P, T]:
    """Run a function as one transaction that is prepared before the lock is taken.

    Inside another transaction it joins that. The function may run several times, and must change
    only the database. If it uses more than `store.read` and `store.write`, or if a savepoint in it
    fails, it runs under the lock.
    """
    run_locked = transaction(change)

    @functools.wraps(change)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        connections = sqlite_connections()
        group = get_group_commit()
        is_contended = group is not None and time.monotonic() < group.contended.get(change, 0)
        if connections is None or group is None or is_contended or in_transaction():
            return run_locked(*args, **kwargs)
        prepared = PreparedChange(connections)
        current = Change(prepared)
        try:
            with make_current(current), _prepare(prepared):
                result = change(*args, **kwargs)
        except ReadOnlySession:
            return run_locked(*args, **kwargs)
        try:
            group.commit(prepared.pending)
        except WriteFailed as error:
            if isinstance(error.__cause__, sqlite3.OperationalError | OSError):
                raise
            # the written values are the cause: under the lock the error shows which
            return run_locked(*args, **kwargs)
        if prepared.pending.is_stale:
            group.contended[change] = time.monotonic() + CONTENDED_SECONDS
            return run_locked(*args, **kwargs)
        if prepared.pending.writes:
            mark_stored()
        wake_all(current.queues)
        return result

    return run


@contextmanager
def _prepare(prepared: PreparedChange) -> Iterator[None]:
    """Keep the session out of a change that is being prepared, and end its snapshot."""
    _end_session()  # what it has read before is older than the snapshot
    try:
        yield
        session = db.session.registry.has() and db.session()
        if session and (session.new or session.dirty or session.deleted):
            raise ReadOnlySession
    finally:
        prepared.end_snapshot()
        _end_session()


def _end_session() -> None:
    """End what the session has begun, without making a session."""
    if db.session.registry.has():
        db.session.rollback()
