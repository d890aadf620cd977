"""The only way to write: one lock, one commit, and only then a wake-up."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import new_id
from hub.models import Attempt, Setting
from tests.db.rows import a_setting, add, names
from tests.hub_fixtures import connection as connection
from tests.hub_fixtures import signing_app as signing_app


def test_a_database_that_goes_away_after_the_last_read_does_not_spoil_the_answer(
    app: Flask,
) -> None:
    with app.test_request_context():
        assert names() == set()
        dead: Any = db.session.connection().connection.driver_connection
        dead.close()
    with app.app_context():
        assert names() == set(), "the next one begins anew"


# ── Writing ───────────────────────────────────────────────────────────────────────────────────────
def test_a_transaction_commits_once_at_its_end(in_app: Flask) -> None:
    add("a", "b")
    assert names() == {"a", "b"}


def test_a_failed_transaction_leaves_nothing(in_app: Flask) -> None:
    @transaction
    def fail() -> None:
        add("a")  # joins, so that it goes with the rest
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        fail()
    assert names() == set()


def test_a_nested_transaction_joins(in_app: Flask) -> None:
    @transaction
    def outer() -> bool:
        add("a")
        return db.session.get(Setting, "a") is not None and bool(db.session().info["hub_writes"])

    assert outer()
    assert names() == {"a"}


def test_a_session_that_reads_refuses_to_write(in_app: Flask) -> None:
    db.session.add(a_setting("a"))
    with pytest.raises(RuntimeError, match="@transaction"):
        db.session.flush()
    db.session.rollback()
    for statement in (update(Setting).values(name="b"), delete(Setting)):
        with pytest.raises(RuntimeError, match="@transaction"):
            db.session.execute(statement)
    add("a")
    db.session.delete(db.session.get_one(Setting, "a"))
    with pytest.raises(RuntimeError, match="@transaction"):
        db.session.commit()
    db.session.rollback()
    assert names() == {"a"}


def test_after_a_transaction_the_session_reads_again(in_app: Flask) -> None:
    add("a")
    db.session.add(a_setting("b"))
    with pytest.raises(RuntimeError):
        db.session.flush()
    db.session.rollback()

    @transaction
    def fail() -> None:
        raise ValueError

    with pytest.raises(ValueError):
        fail()
    db.session.add(a_setting("c"))
    with pytest.raises(RuntimeError):
        db.session.flush()


def test_a_transaction_sees_what_others_wrote_since_the_session_last_read(in_app: Flask) -> None:
    add("a")
    assert db.session.get(Setting, "b") is None  # a reading transaction is open now

    def elsewhere() -> None:
        with in_app.app_context():
            add("b")

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()

    @transaction
    def look() -> bool:
        return db.session.get(Setting, "b") is not None

    assert look()


def test_many_writers_wait_for_each_other(in_app: Flask) -> None:
    add("counter")

    @transaction
    def increase() -> None:
        row = db.session.scalars(
            select(Setting).where(Setting.name == "counter").with_for_update()
        ).one()
        row.value = row.value + "x"

    def work() -> None:
        with in_app.app_context():
            for _ in range(10):
                increase()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    db.session.rollback()
    assert db.session.get_one(Setting, "counter").value == "counter" + "x" * 60


def test_a_deadlock_is_tried_again(in_app: Flask) -> None:
    if db.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has one writer, so that nothing can wait in a circle")
    add("a", "b")
    both = threading.Barrier(2)
    tries = []

    @transaction
    def change(first: str, second: str) -> None:
        tries.append(first)
        db.session.scalars(select(Setting).where(Setting.name == first).with_for_update()).one()
        if len(tries) <= 2:
            both.wait(5)
        db.session.scalars(
            select(Setting).where(Setting.name == second).with_for_update()
        ).one().value = first

    def work(*order: str) -> None:
        with in_app.app_context():
            change(*order)

    threads = [threading.Thread(target=work, args=order) for order in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(tries) == 3
    assert names() == {"a", "b"}


def test_a_query_that_is_wrong_is_not_tried_again(in_app: Flask) -> None:
    tries = []

    @transaction
    def wrong() -> None:
        tries.append(1)
        db.session.execute(text("SELECT nothing FROM nowhere"))

    with pytest.raises(DBAPIError):
        wrong()
    assert len(tries) == 1


# ── SQLite ────────────────────────────────────────────────────────────────────────────────────────
def test_sqlite_is_set_up_to_lose_nothing(in_app: Flask) -> None:
    if db.engine.dialect.name != "sqlite":
        pytest.skip("not this database")
    with db.engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in (
                "journal_mode",
                "synchronous",
                "foreign_keys",
                "auto_vacuum",
                "busy_timeout",
            )
        }
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "auto_vacuum": 2,
        "busy_timeout": 10_000,
    }


def test_a_row_that_points_nowhere_is_refused(in_app: Flask) -> None:
    @transaction
    def point() -> None:
        db.session.add(Attempt(message_id=new_id("msg"), number=1, connection_id=new_id("con")))

    with pytest.raises(IntegrityError):
        point()
    with (
        pytest.raises(OperationalError)
        if db.engine.dialect.name == "sqlite"
        else pytest.raises(DBAPIError)
    ):
        db.session.execute(text("SELECT * FROM nowhere"))


def test_a_file_that_another_program_holds_is_told_as_every_failure_of_the_database(
    in_app: Flask,
) -> None:
    if db.engine.dialect.name != "sqlite":
        pytest.skip("not this database")

    @transaction
    def change() -> None:
        """Begin, and nothing else."""

    with contextlib.closing(
        sqlite3.connect(db.engine.url.database or "", isolation_level=None, uri=True)
    ) as other:
        db.session.connection().exec_driver_sql("PRAGMA busy_timeout=50")
        other.execute("BEGIN IMMEDIATE")
        # which becomes 503, and keeps outcomes in the hands of a worker
        with pytest.raises(OperationalError, match="locked"):
            change()
        other.execute("ROLLBACK")
        change()
