"""Rows of many threads are stored in one commit."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from hub.db.current_change import PendingWrite
from hub.db.group_commit import GroupCommit, WriteFailed
from hub.db.sqlite_connections import SqliteConnections
from tests.hub_fixtures import connection as connection
from tests.hub_fixtures import signing_app as signing_app

INSERT = "INSERT INTO things VALUES (?) ON CONFLICT DO NOTHING"


@pytest.fixture
def connections(tmp_path: Path) -> Iterator[SqliteConnections]:
    connections = SqliteConnections(create_engine(f"sqlite:///{tmp_path}/things.db"))
    with connections.borrow() as connection:
        connection.execute("CREATE TABLE things (name TEXT PRIMARY KEY)")
    yield connections
    connections.close()


def insert_concurrently(group: GroupCommit, rows: list[str]) -> list[Any]:
    """Insert rows at the same moment and return their results in order."""
    results: dict[int, Any] = {}
    barrier = threading.Barrier(len(rows))

    def insert_row(n: int, row: str) -> None:
        barrier.wait()
        try:
            unit = PendingWrite(writes=[(INSERT, [[row]])])
            group.commit(unit)
            results[n] = bool(unit.rows_written)
        except WriteFailed as problem:
            results[n] = problem

    threads = [threading.Thread(target=insert_row, args=item) for item in enumerate(rows)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[n] for n in range(len(rows))]


@contextmanager
def no_lock() -> Iterator[None]:
    yield


def test_rows_of_many_threads_are_stored_and_repeats_are_reported(
    connections: SqliteConnections,
) -> None:
    group = GroupCommit(connections, no_lock)
    assert insert_concurrently(group, [f"{n}" for n in range(20)]) == [True] * 20
    assert sorted(insert_concurrently(group, ["20", "20", "1", "21"])) == [False, False, True, True]
    assert connections.fetch("SELECT count(*) FROM things", ()) == [(22,)]


@pytest.mark.parametrize(
    "problem",
    [OSError("no more files"), sqlite3.OperationalError("disk is full"), RuntimeError("anything")],
)
def test_failed_group_commit_reports_no_row_as_stored(
    connections: SqliteConnections, problem: Exception
) -> None:
    failing = True

    @contextmanager
    def lock() -> Iterator[None]:
        time.sleep(0.05)  # so that others gather behind
        if failing:
            raise problem
        yield

    group = GroupCommit(connections, lock)
    results = insert_concurrently(group, [f"{n}" for n in range(8)])
    assert [type(result) for result in results] == [WriteFailed] * 8
    failing = False
    assert insert_concurrently(group, ["0"]) == [True], "it goes on when it can"


def test_thread_that_ends_while_it_writes_reports_no_row_as_stored(
    connections: SqliteConnections,
) -> None:
    is_ending = True

    @contextmanager
    def lock() -> Iterator[None]:
        nonlocal is_ending
        time.sleep(0.05)  # so that others gather behind
        if is_ending:
            is_ending = False
            raise SystemExit
        yield

    group = GroupCommit(connections, lock)
    changes = [PendingWrite(writes=[(INSERT, [[f"{number}"]])]) for number in range(4)]
    group._queue += changes[1:]  # as if their threads had come first, and still waited
    with pytest.raises(SystemExit):
        group.commit(changes[0])
    assert [(change.is_done, change.rows_written) for change in changes] == [(True, 0)] * 4
    assert {type(change.error) for change in changes} == {SystemExit}
    assert insert_concurrently(group, ["0", "1"]) == [True, True], "it goes on"


def test_change_is_written_although_nothing_wakes_its_thread(
    connections: SqliteConnections,
) -> None:
    group = GroupCommit(connections, no_lock)
    group._is_led = True  # by a thread that ended before it wrote
    assert insert_concurrently(group, ["0", "1", "2"]) == [True, True, True]
    assert not group._is_led


def test_each_of_many_changes_is_written_once(connections: SqliteConnections) -> None:
    group = GroupCommit(connections, no_lock)
    numbers = iter(range(1000))
    written = []

    def insert_rows() -> None:
        for number in numbers:
            change = PendingWrite(writes=[(INSERT, [[f"{number}"]])])
            group.commit(change)
            written.append(change.rows_written)

    threads = [threading.Thread(target=insert_rows) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert written == [1] * 1000
    assert connections.fetch("SELECT count(*) FROM things", ()) == [(1000,)]


def test_unstorable_row_is_reported() -> None:
    group = GroupCommit(SqliteConnections(create_engine("sqlite:////nowhere/hub.db")), no_lock)
    with pytest.raises(WriteFailed):
        group.commit(PendingWrite(writes=[(INSERT, [["a"]])]))
