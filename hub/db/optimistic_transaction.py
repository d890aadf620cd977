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
from typing import ParamSpec, TypeVar, cast

from sqlalchemy.orm import Session

from hub.db.engine import db
from hub.db.group_commit import PendingWrite, WriteFailed, committer
from hub.db.store import ReadOnlySession, in_transaction, mark_stored, transaction, wake_now

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
        session = cast(Session, db.session())
        group = None if in_transaction(session) else committer()
        if group is None or time.monotonic() < group.contended.get(change, 0):
            return run_locked(*args, **kwargs)
        try:
            with _collect_writes(session) as pending:
                result = change(*args, **kwargs)
        except ReadOnlySession:
            return run_locked(*args, **kwargs)
        queues = session.info.pop("hub_wakes")
        try:
            group.commit(pending)
        except WriteFailed as error:
            if isinstance(error.__cause__, sqlite3.OperationalError | OSError):
                raise
            # the written values are the cause: under the lock the error shows which
            return run_locked(*args, **kwargs)
        if pending.stale:
            group.contended[change] = time.monotonic() + CONTENDED_SECONDS
            return run_locked(*args, **kwargs)
        if pending.writes:
            mark_stored()
        for queue in queues:
            wake_now(queue)
        return result

    return run


@contextmanager
def _collect_writes(session: Session) -> Iterator[PendingWrite]:
    session.info["hub_pending_write"] = PendingWrite()
    session.info["hub_wakes"] = set()
    try:
        yield session.info["hub_pending_write"]
        if session.new or session.dirty or session.deleted:
            raise ReadOnlySession
    finally:
        del session.info["hub_pending_write"]
        session.rollback()
