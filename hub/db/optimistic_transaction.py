"""Changes that are worked out before the lock is taken: read, decide, render and seal first;
confirm and write inside.

SQLite has one writer at a time, so what happens under its lock bounds how much the hub takes in. A
change under `@optimistic` runs beforehand, on a snapshot: what it reads is remembered, what it
writes is collected. Then, under the lock, what it read is read again; if all of it still holds, the
writes are made, else the change runs anew, under the lock. On PostgreSQL, whose writers do not wait
for each other, it is a transaction like any other.
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

# seconds after others were faster: several workers who choose from one queue would be so each time
CONTENDED = 0.5


def optimistic(change: Callable[P, T]) -> Callable[P, T]:
    """Run a function as one transaction that is worked out before the lock is taken; inside another
    it joins.

    The function may run several times, and must change nothing but the database. What it does
    otherwise than by `store.read` and `store.write`, or inside a savepoint that fails, is done
    under the lock.
    """
    locked = transaction(change)

    @functools.wraps(change)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        session = cast(Session, db.session())
        group = None if in_transaction(session) else committer()
        if group is None or time.monotonic() < group.contended.get(change, 0):
            return locked(*args, **kwargs)
        try:
            with _collecting(session) as unit:
                result = change(*args, **kwargs)
        except ReadOnlySession:
            return locked(*args, **kwargs)
        wakes = session.info.pop("hub_wakes")
        try:
            group.commit(unit)
        except WriteFailed as problem:
            if isinstance(problem.__cause__, sqlite3.OperationalError | OSError):
                raise
            # it lies in what was to be written: under the lock it is seen where
            return locked(*args, **kwargs)
        if unit.stale:
            group.contended[change] = time.monotonic() + CONTENDED
            return locked(*args, **kwargs)
        if unit.writes:
            mark_stored()
        for queue in wakes:
            wake_now(queue)
        return result

    return run


@contextmanager
def _collecting(session: Session) -> Iterator[PendingWrite]:
    session.info["hub_unit"] = PendingWrite()
    session.info["hub_wakes"] = set()
    try:
        yield session.info["hub_unit"]
        if session.new or session.dirty or session.deleted:
            raise ReadOnlySession
    finally:
        del session.info["hub_unit"]
        session.rollback()
