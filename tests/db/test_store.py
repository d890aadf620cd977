"""The transaction: one lock, one commit, and wake-ups after it."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from hub import create_app
from hub.core import config
from hub.db.engine import db
from hub.db.store import in_transaction, transaction
from hub.db.types import new_id
from hub.models import Attempt, Setting
from tests.conftest import POSTGRES
from tests.db.rows import add_settings, make_setting, setting_names
from tests.hub_fixtures import connection as connection
from tests.hub_fixtures import signing_app as signing_app


def test_connection_lost_after_the_last_read_does_not_fail_the_request(
    app: Flask,
) -> None:
    with app.test_request_context():
        assert setting_names() == set()
        dead: Any = db.session.connection().connection.driver_connection
        dead.close()
    with app.app_context():
        assert setting_names() == set(), "the next one uses a new connection"


@pytest.mark.skipif(bool(POSTGRES), reason="its server limits the number of connections")
def test_many_threads_read_while_one_writes(app: Flask) -> None:
    """Threads that wait for the lock keep the connections that they read with."""
    readers = 30
    all_read = threading.Barrier(readers + 1, timeout=10)

    def read_then_wait() -> None:
        with app.app_context():
            setting_names()
            all_read.wait()
            all_read.wait()

    threads = [threading.Thread(target=read_then_wait) for _ in range(readers)]
    for thread in threads:
        thread.start()
    all_read.wait()
    with app.app_context():
        add_settings("a")
    all_read.wait()
    for thread in threads:
        thread.join()


# ── Writing ───────────────────────────────────────────────────────────────────────────────────────
def test_transaction_commits_once_at_its_end(in_app: Flask) -> None:
    add_settings("a", "b")
    assert setting_names() == {"a", "b"}


def test_failed_transaction_stores_nothing(in_app: Flask) -> None:
    @transaction
    def fail() -> None:
        add_settings("a")  # joins, so that it goes with the rest
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        fail()
    assert setting_names() == set()


def test_nested_transaction_joins_the_outer_one(in_app: Flask) -> None:
    @transaction
    def outer() -> bool:
        add_settings("a")
        return db.session.get(Setting, "a") is not None and in_transaction()

    assert outer()
    assert setting_names() == {"a"}


def test_read_only_session_refuses_to_write(in_app: Flask) -> None:
    db.session.add(make_setting("a"))
    with pytest.raises(RuntimeError, match="@transaction"):
        db.session.flush()
    db.session.rollback()
    for statement in (update(Setting).values(name="b"), delete(Setting)):
        with pytest.raises(RuntimeError, match="@transaction"):
            db.session.execute(statement)
    add_settings("a")
    db.session.delete(db.session.get_one(Setting, "a"))
    with pytest.raises(RuntimeError, match="@transaction"):
        db.session.commit()
    db.session.rollback()
    assert setting_names() == {"a"}


def test_second_application_adds_no_check_of_the_session(
    in_app: Flask, environ: dict[str, str]
) -> None:
    before = count_checks()
    create_app(config.load(environ), blueprints=False)
    assert count_checks() == before > 0


def count_checks() -> int:
    """Return how many functions check a statement of the session, which all applications share."""
    return len(list(db.session().dispatch.do_orm_execute))


def test_session_is_read_only_again_after_a_transaction(in_app: Flask) -> None:
    add_settings("a")
    db.session.add(make_setting("b"))
    with pytest.raises(RuntimeError):
        db.session.flush()
    db.session.rollback()

    @transaction
    def fail() -> None:
        raise ValueError

    with pytest.raises(ValueError):
        fail()
    db.session.add(make_setting("c"))
    with pytest.raises(RuntimeError):
        db.session.flush()


def test_transaction_sees_concurrent_commits_since_the_last_read(in_app: Flask) -> None:
    add_settings("a")
    assert db.session.get(Setting, "b") is None  # a reading transaction is open now

    def add_elsewhere() -> None:
        with in_app.app_context():
            add_settings("b")

    thread = threading.Thread(target=add_elsewhere)
    thread.start()
    thread.join()

    @transaction
    def is_visible() -> bool:
        return db.session.get(Setting, "b") is not None

    assert is_visible()


def test_concurrent_writers_wait_for_each_other(in_app: Flask) -> None:
    add_settings("counter")

    @transaction
    def increase() -> None:
        row = db.session.scalars(
            select(Setting).where(Setting.name == "counter").with_for_update()
        ).one()
        row.value = row.value + "x"

    def increase_repeatedly() -> None:
        with in_app.app_context():
            for _ in range(10):
                increase()

    threads = [threading.Thread(target=increase_repeatedly) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    db.session.rollback()
    assert db.session.get_one(Setting, "counter").value == "counter" + "x" * 60


def test_deadlock_is_retried(in_app: Flask) -> None:
    if db.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has one writer, so that nothing can wait in a circle")
    add_settings("a", "b")
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
    assert setting_names() == {"a", "b"}


def test_invalid_query_is_not_retried(in_app: Flask) -> None:
    tries = []

    @transaction
    def run_invalid_query() -> None:
        tries.append(1)
        db.session.execute(text("SELECT nothing FROM nowhere"))

    with pytest.raises(DBAPIError):
        run_invalid_query()
    assert len(tries) == 1


# ── SQLite ────────────────────────────────────────────────────────────────────────────────────────
def test_sqlite_is_configured_for_durability(in_app: Flask) -> None:
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


def test_row_with_an_invalid_foreign_key_is_refused(in_app: Flask) -> None:
    @transaction
    def add_invalid_reference() -> None:
        db.session.add(Attempt(message_id=new_id("msg"), number=1, connection_id=new_id("con")))

    with pytest.raises(IntegrityError):
        add_invalid_reference()
    with (
        pytest.raises(OperationalError)
        if db.engine.dialect.name == "sqlite"
        else pytest.raises(DBAPIError)
    ):
        db.session.execute(text("SELECT * FROM nowhere"))


def test_locked_database_file_raises_an_operational_error(
    in_app: Flask,
) -> None:
    if db.engine.dialect.name != "sqlite":
        pytest.skip("not this database")

    @transaction
    def change() -> None:
        """Start a transaction without a change."""

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
