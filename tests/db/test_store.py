"""The only way to write: one lock, one commit, and only then a wake-up."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from flask import Flask
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from hub.db import store, wakeups
from hub.db.engine import db
from hub.db.group_commit import GroupCommit, PendingWrite, WriteFailed
from hub.db.store import transaction
from hub.db.types import new_id
from hub.jobs import cron
from hub.messaging.contacts import address_migration
from hub.models import Attempt, Setting
from hub.shared.index_key import INDEX_KEY
from tests.hub_fixtures import SigningApp, a_message, a_signer, an_event, deliver, make_due, status
from tests.hub_fixtures import connection as connection
from tests.hub_fixtures import hub_demo as hub_demo
from tests.hub_fixtures import signing_app as signing_app


def a_setting(name: str) -> Setting:
    row = Setting(name=name)
    row.value = name
    return row


@transaction
def add(*names: str) -> None:
    for name in names:
        db.session.add(a_setting(name))


def names() -> set[str]:
    db.session.rollback()
    own = {INDEX_KEY, address_migration.SETTING}  # made when the hub is set up
    return set(db.session.scalars(select(Setting.name))) - own


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


# ── Waking ────────────────────────────────────────────────────────────────────────────────────────
@contextmanager
def queue(app: Flask) -> Iterator[redis.Redis]:
    yield app.extensions["hub.waker"].redis


def waiting(app: Flask, name: str = "deliver") -> int:
    with queue(app) as client:
        return int(client.llen(f"rq:queue:{name}"))


def test_workers_are_woken_after_the_commit_and_only_then(in_app: Flask) -> None:
    seen = []

    @transaction
    def change() -> None:
        store.wake("deliver")
        seen.append(waiting(in_app))

    change()
    assert (seen, waiting(in_app)) == ([0], 1)


def test_a_failed_transaction_wakes_nobody(in_app: Flask) -> None:
    @transaction
    def fail() -> None:
        store.wake("deliver")
        raise ValueError

    with pytest.raises(ValueError):
        fail()
    add("a")  # and its wish does not linger
    assert waiting(in_app) == 0


@pytest.fixture
def always_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakeups, "ASKED_ENOUGH", 0)


@pytest.mark.usefixtures("always_asked")
def test_many_wishes_make_one_job_until_it_has_begun(in_app: Flask) -> None:
    for _ in range(5):
        store.wake_now("deliver")
    assert waiting(in_app) == 1
    with queue(in_app) as client:
        client.delete("wake:deliver")  # what the job does first
        store.wake_now("deliver")
        assert waiting(in_app) == 2
        assert 0 < client.ttl("wake:deliver") <= wakeups.WAKE_SECONDS


def test_who_lingers_is_not_asked_again_at_once(
    in_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wakeups, "ASKED_ENOUGH", 60)
    store.wake_now("deliver")
    store.wake_now("chores")
    with queue(in_app) as client:
        client.flushall()
        store.wake_now("deliver")
        store.wake_now("chores")
        assert not client.exists("wake:deliver"), "its job looks again and again"
        assert client.exists("wake:chores")
        monkeypatch.setattr(wakeups, "ASKED_ENOUGH", 0)
        store.wake_now("deliver")
        assert client.exists("wake:deliver")


def test_a_message_wakes_who_delivers(hub_demo: Flask) -> None:
    a_message()
    assert waiting(hub_demo, "deliver") == 1


@pytest.mark.usefixtures("always_asked")
def test_the_sweep_finds_what_a_lost_wake_up_left(hub_demo: Flask) -> None:
    a_message()
    with queue(hub_demo) as client:
        client.flushall()
    cron.sweep()
    assert waiting(hub_demo, "deliver") == 1
    with queue(hub_demo) as client:
        client.flushall()
    make_due(a_message(text="another"))
    deliver()
    with queue(hub_demo) as client:
        client.flushall()
    cron.sweep()
    assert waiting(hub_demo, "deliver") == 0, "nothing is due"


class TestWithoutAQueue:
    """A hub whose queue server is gone."""

    @pytest.fixture
    def settings(self, tmp_path: Path) -> dict[str, str]:
        return {"HUB_REDIS_URL": f"unix://{tmp_path}/nobody.sock"}

    def test_events_are_accepted_and_the_sweep_finds_them(self, signing_app: SigningApp) -> None:
        began = time.monotonic()
        answers = [
            signing_app.post("/events", an_event(signers=[a_signer("Eric")], id=f"e{n}"))
            for n in range(10)
        ]
        assert [answer.status_code for answer in answers] == [202] * 10
        assert time.monotonic() - began < 5
        cron.sweep()
        message_id = answers[0].json["messages"][0]["id"]
        assert status(message_id) == "queued"
        deliver()
        assert status(message_id) in ("queued", "accepted")

    def test_after_a_failure_the_queue_is_left_alone_for_a_second(self, in_app: Flask) -> None:
        waker: Any = in_app.extensions["hub.waker"]
        store.wake_now("deliver")
        assert 0 < waker._silent_until - time.monotonic() <= 1


def test_a_queue_that_hangs_does_not_hold_an_answer(
    hub_demo: Flask, signing_app: SigningApp
) -> None:
    signing_app.get("/messages")
    with queue(hub_demo) as client:
        client.client_pause(1500, all=True)
    began = time.monotonic()
    assert signing_app.post("/events", an_event(signers=[a_signer("Eric")])).status_code == 202
    assert time.monotonic() - began < 1
    time.sleep(max(0, began + 1.5 - time.monotonic()))  # the other tests share this queue


# ── Storing together ──────────────────────────────────────────────────────────────────────────────
INSERT = "INSERT INTO things VALUES (?) ON CONFLICT DO NOTHING"


@pytest.fixture
def things(tmp_path: Path) -> str:
    path = str(tmp_path / "things.db")
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE things (name TEXT PRIMARY KEY)")
    connection.close()
    return path


def inserted(group: GroupCommit, rows: list[str]) -> list[Any]:
    """Insert rows at the same moment; return what each came to, in order."""
    came: dict[int, Any] = {}
    barrier = threading.Barrier(len(rows))

    def work(n: int, row: str) -> None:
        barrier.wait()
        try:
            unit = PendingWrite(writes=[(INSERT, [[row]])])
            group.commit(unit)
            came[n] = bool(unit.changed)
        except WriteFailed as problem:
            came[n] = problem

    threads = [threading.Thread(target=work, args=item) for item in enumerate(rows)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [came[n] for n in range(len(rows))]


@contextmanager
def free() -> Iterator[None]:
    yield


def test_rows_of_many_threads_are_stored_and_repeats_are_told(things: str) -> None:
    group = GroupCommit(things, free)
    assert inserted(group, [f"{n}" for n in range(20)]) == [True] * 20
    assert sorted(inserted(group, ["20", "20", "1", "21"])) == [False, False, True, True]
    group.close()
    with sqlite3.connect(things) as connection:
        assert connection.execute("SELECT count(*) FROM things").fetchone() == (22,)
    connection.close()


@pytest.mark.parametrize(
    "problem",
    [OSError("no more files"), sqlite3.OperationalError("disk is full"), RuntimeError("anything")],
)
def test_when_one_commit_fails_nobody_hears_that_it_was_stored(
    things: str, problem: Exception
) -> None:
    failing = True

    @contextmanager
    def lock() -> Iterator[None]:
        time.sleep(0.05)  # so that others gather behind
        if failing:
            raise problem
        yield

    group = GroupCommit(things, lock)
    came = inserted(group, [f"{n}" for n in range(8)])
    assert [type(one) for one in came] == [WriteFailed] * 8
    failing = False
    assert inserted(group, ["0"]) == [True], "it goes on when it can"
    group.close()


def test_a_row_that_cannot_be_stored_is_told_so(things: str) -> None:
    group = GroupCommit(things + "/nowhere.db", free)
    with pytest.raises(WriteFailed):
        group.commit(PendingWrite(writes=[(INSERT, [["a"]])]))


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
        db.session.add(Attempt(message_id=new_id("msg"), n=1, connection_id=new_id("con")))

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
