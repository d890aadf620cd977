"""Transactions prepared before the lock have the result of a normal transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import bindparam, select, update

from hub.db import store
from hub.db.compiled_sql import Statement, get_table
from hub.db.current_change import PendingWrite
from hub.db.engine import db
from hub.db.group_commit import GroupCommit, WriteFailed
from hub.db.optimistic_transaction import optimistic
from hub.db.sqlite_connections import SqliteConnections, sqlite_connections
from hub.db.store import read, transaction, wake, write
from hub.models import Setting, Throttle

throttles = get_table(Throttle)
ADD = Statement.insert(throttles)
SET = Statement(
    update(throttles)
    .where(throttles.c.name == bindparam("key"))
    .values(epoch=bindparam("new_value"))
)
FIND = Statement(
    select(throttles.c.epoch).where(throttles.c.name == bindparam("name")).with_for_update()
)

pytestmark = pytest.mark.usefixtures("in_app")


def load_counter(name: str = "n") -> int | None:
    db.session.rollback()
    rows = read(FIND, name=name)
    return rows[0][0] if rows else None


def increase_counter(name: str = "n") -> int:
    rows = read(FIND, name=name)
    after = rows[0][0] + 1 if rows else 1
    if rows:
        write(SET, {"key": name, "new_value": after})
    else:
        write(ADD, {"name": name, "reason": "", "epoch": after})
    return int(after)


increase = optimistic(increase_counter)


def open_connections() -> SqliteConnections:
    """Return the open connections to SQLite, or skip the test on another database."""
    connections = sqlite_connections()
    if connections is None:
        pytest.skip("on PostgreSQL, it is a transaction like any other")
    return connections


def start_thread(app: Flask, work: Callable[[], Any]) -> threading.Thread:
    def run() -> None:
        with app.app_context():
            work()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_change_is_stored(in_app: Flask) -> None:
    assert increase() == 1
    assert increase() == 2
    assert load_counter() == 2


def test_transaction_reruns_after_a_concurrent_change(in_app: Flask) -> None:
    runs = []

    @optimistic
    def change() -> int:
        after = increase_counter()
        runs.append(after)
        if len(runs) == 1:  # between the look and the lock
            (
                start_thread(in_app, transaction(increase_counter)).join()
                if db.engine.dialect.name == "sqlite"
                else None
            )
        return after

    after = change()
    assert load_counter() == after == len(runs)


def test_concurrent_increments_are_all_counted(in_app: Flask) -> None:
    increase()
    threads = [start_thread(in_app, lambda: [increase() for _ in range(20)]) for _ in range(6)]
    for thread in threads:
        thread.join()
    assert load_counter() == 121


def test_failed_transaction_stores_nothing(in_app: Flask) -> None:
    @optimistic
    def fail() -> None:
        increase_counter()
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        fail()
    assert load_counter() is None
    assert increase() == 1, "the session works again"


def test_optimistic_transaction_joins_an_outer_transaction(in_app: Flask) -> None:
    @transaction
    def outer() -> None:
        increase()
        assert read(FIND, name="n") == [(1,)], "written at once"
        raise ValueError

    with pytest.raises(ValueError):
        outer()
    assert load_counter() is None


def test_inner_transaction_joins_an_optimistic_one(in_app: Flask) -> None:
    @optimistic
    def outer() -> None:
        transaction(increase_counter)("a")
        transaction(increase_counter)("b")
        raise ValueError

    with pytest.raises(ValueError):
        outer()
    assert (load_counter("a"), load_counter("b")) == (None, None)


def test_workers_are_woken_after_the_commit(in_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    wakeups: list[tuple[str, int | None]] = []
    monkeypatch.setattr(
        "hub.db.store.wake_now", lambda queue: wakeups.append((queue, load_counter()))
    )

    @optimistic
    def change() -> None:
        increase_counter()
        wake("deliver")

    change()
    assert wakeups == [("deliver", 1)]


def setting_exists(name: str) -> bool:
    return db.session.scalar(select(Setting.name).where(Setting.name == name)) is not None


def add_setting(name: str, *, flush: bool = False) -> None:
    row = Setting(name=name)
    row.value = "a"
    db.session.add(row)
    if flush:
        db.session.flush()


@pytest.mark.parametrize("flush", [False, True])
def test_session_writes_hold_the_write_lock(in_app: Flask, flush: bool) -> None:
    times = []

    @optimistic
    def change() -> None:
        times.append(increase_counter())
        add_setting("a", flush=flush)

    change()
    assert (load_counter(), setting_exists("a")) == (1, True)
    assert len(times) == (2 if db.engine.dialect.name == "sqlite" else 1)


def test_session_reads_hold_the_write_lock(in_app: Flask) -> None:
    runs = []

    @optimistic
    def change() -> bool:
        runs.append(increase_counter())
        return setting_exists("a")

    assert change() is False
    assert len(runs) == (2 if db.engine.dialect.name == "sqlite" else 1)
    assert load_counter() == 1


def test_session_reads_for_a_cache_do_not_hold_the_write_lock(in_app: Flask) -> None:
    runs = []

    @optimistic
    def change() -> bool:
        runs.append(increase_counter())
        return store.cached(("setting",), lambda: setting_exists("a"))

    assert change() is False
    assert len(runs) == 1
    assert load_counter() == 1


@pytest.mark.parametrize(("exists", "writes"), [(True, False), (False, True)])
def test_rows_read_to_change_hold_the_write_lock(in_app: Flask, exists: bool, writes: bool) -> None:
    if exists:
        increase()
    runs = []

    @optimistic
    def change() -> list[Any]:
        runs.append(1)
        if writes:
            write(ADD, {"name": "n", "reason": "", "epoch": 1})
        return store.read_to_change(FIND, name="n")

    assert change() == [(1,)], "also a row that the change has just written"
    assert len(runs) == (2 if db.engine.dialect.name == "sqlite" else 1)


def test_missing_rows_read_to_change_need_no_lock(in_app: Flask) -> None:
    runs = []

    @optimistic
    def change() -> list[Any]:
        runs.append(1)
        return store.read_to_change(FIND, name="n")

    assert change() == []
    assert len(runs) == 1


def test_prepared_change_reads_one_snapshot(in_app: Flask) -> None:
    open_connections()
    values = []

    @optimistic
    def change() -> None:
        values.append(read(FIND, name="n"))
        if len(values) == 1:
            start_thread(in_app, transaction(increase_counter)).join()
            values.append(read(FIND, name="n"))
        write(ADD, {"name": "other", "reason": "", "epoch": 1})

    change()
    assert values == [[], [], [(1,)]], "then it runs again under the lock"


def test_prepared_change_sees_what_others_wrote_since_the_session_last_read(in_app: Flask) -> None:
    assert not setting_exists("a")  # the session has a snapshot now
    start_thread(in_app, transaction(increase_counter)).join()
    assert increase() == 2


def test_failed_savepoint_is_rolled_back_alone(in_app: Flask) -> None:
    @optimistic
    def change() -> None:
        for name, fails in (("a", False), ("b", True), ("c", False)):
            with suppress(ZeroDivisionError), store.savepoint():
                write(ADD, {"name": name, "reason": "", "epoch": 1})
                if fails:
                    raise ZeroDivisionError

    change()
    assert [load_counter(name) for name in "abc"] == [1, None, 1]


def test_unbindable_value_is_a_driver_error_and_stores_nothing(in_app: Flask) -> None:
    increase()
    with pytest.raises(Exception, match=r"too large|out of range"):
        optimistic(
            lambda: write(
                ADD,
                [
                    {"name": "x", "reason": "", "epoch": 1},
                    {"name": "y", "reason": "", "epoch": 10**30},
                ],
            )
        )()
    assert load_counter("x") is None


def test_conflicting_row_raises_the_database_error(in_app: Flask) -> None:
    increase()
    with pytest.raises(store.DBAPIError):
        optimistic(lambda: write(ADD, {"name": "n", "reason": "", "epoch": 1}))()


def test_failed_group_commit_raises_write_failed(
    in_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def fail() -> Iterator[None]:
        raise OSError("no more files")
        yield

    open_connections()
    group = GroupCommit(SqliteConnections(db.engine), fail)
    monkeypatch.setitem(in_app.extensions, "hub.group_commit", group)
    with pytest.raises(WriteFailed):
        increase()


def test_failed_write_does_not_affect_others_in_its_group(in_app: Flask) -> None:
    group = GroupCommit(open_connections())
    insert = (
        "INSERT INTO throttles (name, epoch, tokens, failures, pauses, reason)"
        " VALUES (?, ?, 0, 0, 0, '')"
    )
    good, bad, other = (
        PendingWrite(writes=[(insert, [[name, number]])])
        for name, number in (("a", 1), ("b", None), ("c", 3))
    )
    group._queue = [bad, other]
    group.commit(good)  # leads, with those that wait
    assert (load_counter("a"), load_counter("b"), load_counter("c")) == (1, None, 3)
    assert (good.error, other.error) == (None, None)
    assert bad.error is not None
