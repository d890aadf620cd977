"""Changes prepared before the lock end as if they had been prepared under it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import bindparam, select, update

from hub.db import store
from hub.db.compiled_sql import Statement, table_of
from hub.db.engine import db
from hub.db.group_commit import GroupCommit, PendingWrite, WriteFailed
from hub.db.optimistic_transaction import optimistic
from hub.db.store import read, transaction, wake, write
from hub.models import Setting, Throttle

throttles = table_of(Throttle)
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


def value(name: str = "n") -> int | None:
    db.session.rollback()
    found = read(FIND, name=name)
    return found[0][0] if found else None


def increased(name: str = "n") -> int:
    found = read(FIND, name=name)
    after = found[0][0] + 1 if found else 1
    if found:
        write(SET, {"key": name, "new_value": after})
    else:
        write(ADD, {"name": name, "reason": "", "epoch": after})
    return int(after)


increase = optimistic(increased)


def in_a_thread(app: Flask, work: Callable[[], Any]) -> threading.Thread:
    def run() -> None:
        with app.app_context():
            work()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_change_is_written(in_app: Flask) -> None:
    assert increase() == 1
    assert increase() == 2
    assert value() == 2


def test_transaction_reruns_after_a_concurrent_change(in_app: Flask) -> None:
    runs = []

    @optimistic
    def change() -> int:
        after = increased()
        runs.append(after)
        if len(runs) == 1:  # between the look and the lock
            (
                in_a_thread(in_app, transaction(increased)).join()
                if db.engine.dialect.name == "sqlite"
                else None
            )
        return after

    after = change()
    assert value() == after == len(runs)


def test_many_at_once_lose_nothing(in_app: Flask) -> None:
    increase()
    threads = [in_a_thread(in_app, lambda: [increase() for _ in range(20)]) for _ in range(6)]
    for thread in threads:
        thread.join()
    assert value() == 121


def test_a_change_that_fails_leaves_nothing(in_app: Flask) -> None:
    @optimistic
    def fail() -> None:
        increased()
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        fail()
    assert value() is None
    assert increase() == 1, "the session works again"


def test_inside_a_transaction_it_joins(in_app: Flask) -> None:
    @transaction
    def outer() -> None:
        increase()
        assert read(FIND, name="n") == [(1,)], "written at once"
        raise ValueError

    with pytest.raises(ValueError):
        outer()
    assert value() is None


def test_a_transaction_inside_joins_it(in_app: Flask) -> None:
    @optimistic
    def outer() -> None:
        transaction(increased)("a")
        transaction(increased)("b")
        raise ValueError

    with pytest.raises(ValueError):
        outer()
    assert (value("a"), value("b")) == (None, None)


def test_workers_are_woken_after_it_is_stored(
    in_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, int | None]] = []
    for module in ("hub.db.store", "hub.db.optimistic_transaction"):
        monkeypatch.setattr(f"{module}.wake_now", lambda queue: seen.append((queue, value())))

    @optimistic
    def change() -> None:
        increased()
        wake("deliver")

    change()
    assert seen == [("deliver", 1)]


def noted(name: str) -> bool:
    return db.session.scalar(select(Setting.name).where(Setting.name == name)) is not None


def add(name: str, *, flush: bool = False) -> None:
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
        times.append(increased())
        add("a", flush=flush)

    change()
    assert (value(), noted("a")) == (1, True)
    assert len(times) == (2 if db.engine.dialect.name == "sqlite" else 1)


def test_a_savepoint_that_fails_takes_back_its_own(in_app: Flask) -> None:
    @optimistic
    def change() -> None:
        for name, fails in (("a", False), ("b", True), ("c", False)):
            with suppress(ZeroDivisionError), store.savepoint():
                write(ADD, {"name": name, "reason": "", "epoch": 1})
                if fails:
                    raise ZeroDivisionError

    change()
    assert [value(name) for name in "abc"] == [1, None, 1]


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
    assert value("x") is None


def test_a_row_that_conflicts_is_told_as_the_database_tells_it(in_app: Flask) -> None:
    increase()
    with pytest.raises(store.DBAPIError):
        optimistic(lambda: write(ADD, {"name": "n", "reason": "", "epoch": 1}))()


def test_when_it_cannot_be_stored_that_is_said(
    in_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    if db.engine.dialect.name != "sqlite":
        pytest.skip("there it is a transaction like any other")
    group = GroupCommit("/nowhere/hub.db")
    monkeypatch.setitem(in_app.extensions, "hub.group_commit", group)
    with pytest.raises(WriteFailed):
        increase()


def test_one_unit_that_fails_spoils_no_other(in_app: Flask) -> None:
    if db.engine.dialect.name != "sqlite":
        pytest.skip("there each commits alone")
    group = GroupCommit(str(db.engine.url.database))
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
    group.close()
    assert (value("a"), value("b"), value("c")) == (1, None, 3)
    assert (good.error, other.error) == (None, None)
    assert bad.error is not None
