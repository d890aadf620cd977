"""Several workers, and workers that die: no message is lost or sent twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from hub.core.errors import SlowDown, Unreachable
from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.store import transaction, wake_now
from hub.db.types import now
from hub.integrations.base import Accepted, Outbound
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.send import claims as delivery
from hub.messaging.send import dispatcher
from hub.messaging.send.calls import Claim, Outcome
from hub.messaging.send.dispatcher import Dispatcher
from hub.messaging.track import reconcile
from hub.models import Connection, Throttle
from tests.conftest import POSTGRES
from tests.fake_provider import FakeProvider
from tests.hub_fixtures import (
    attempts,
    count,
    deliver,
    eventually,
    make_due,
    message,
    queue_text,
    status,
    status_words,
    texts_at_provider,
    update_message,
)

DRAIN = """
import hub
from hub.messaging.send.dispatcher import Dispatcher
from hub.lib.shutdown import ShutdownSignal
with hub.create_app().app_context():
    print(Dispatcher(ShutdownSignal(20)).run(linger=0.3))
"""


@contextmanager
def running_process(environ: dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        with suppress(psutil.NoSuchProcess):  # it may have just ended
            for line in (
                psutil.Process(process.pid).children(recursive=True)
                if process.poll() is None
                else []
            ):
                line.kill()
        process.kill()
        process.communicate()


def test_two_dispatchers_in_threads_send_nothing_twice(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    ids = [queue_text(text=f"text {n}") for n in range(60)]

    def work() -> None:
        with hub_demo.app_context():
            Dispatcher(ShutdownSignal(15)).run(linger=0.2)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {status(message_id) for message_id in ids} <= {"accepted", "sent", "delivered"}
    assert Counter(texts_at_provider(simulator)) == Counter(f"text {n}" for n in range(60))


def test_two_dispatchers_in_processes_send_nothing_twice(
    hub_demo: Flask, connection: Connection, simulator: Any, environ: dict[str, str]
) -> None:
    ids = [queue_text(text=f"text {n}") for n in range(60)]
    with (
        running_process(environ, "-c", DRAIN) as first,
        running_process(environ, "-c", DRAIN) as second,
    ):
        sent = [int(process.communicate(timeout=40)[0]) for process in (first, second)]
    assert sum(sent) == 60
    assert {status(message_id) for message_id in ids} <= {"accepted", "sent", "delivered"}
    assert Counter(texts_at_provider(simulator)) == Counter(f"text {n}" for n in range(60))


def test_message_of_a_killed_worker_is_looked_up_and_not_sent_twice(
    hub_demo: Flask, connection: Connection, simulator: Any, environ: dict[str, str]
) -> None:
    message_id = queue_text("+15005550015")  # Twilio takes it, and does not answer
    with running_process(environ, "-m", "hub.cli", "worker", "deliver") as worker:
        wake_now("deliver")
        eventually(lambda: texts_at_provider(simulator), 20)
        [horse] = psutil.Process(worker.pid).children()
        os.kill(horse.pid, signal.SIGKILL)
        horse.wait(5)
        assert status(message_id) == Status.SENDING
        assert [attempt.outcome for attempt in attempts(message_id)] == [None]
        for _ in ("the lease is over", "a minute later"):
            make_due(message_id)
            reconcile.look_up_unknown()
        assert message(message_id).provider_id
        assert attempts(message_id)[0].outcome == "unknown"
        deliver()
        assert worker.poll() is None, "the worker itself goes on"
    assert len(texts_at_provider(simulator)) == 1


def test_message_of_a_worker_killed_before_its_call_is_sent_once(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    message_id = queue_text()
    delivery.record_and_claim([], {connection.id: 1})
    for _ in ("the lease is over", "a minute later", "again"):
        update_message(message_id, due_at=now() - timedelta(seconds=1))
        reconcile.look_up_unknown()
        deliver()
    assert len(texts_at_provider(simulator)) == 1
    assert [attempt.number for attempt in attempts(message_id)] == [1, 2]


def test_stopping_worker_records_the_outcomes_of_its_calls(
    hub_demo: Flask, connection: Connection, simulator: Any, environ: dict[str, str]
) -> None:
    simulator.extensions["simulator"].faults.set(latency_ms=1000)
    message_id = queue_text()
    with running_process(environ, "-m", "hub.cli", "worker", "deliver") as worker:
        wake_now("deliver")
        eventually(lambda: message(message_id).status == Status.SENDING, 20)
        waiting = queue_text(text="for the next worker")
        worker.send_signal(signal.SIGTERM)
        began = now()
        worker.wait(10)
        assert now() - began < timedelta(seconds=4)
    assert status(message_id) in ("accepted", "sent", "delivered")
    assert status(waiting) in ("queued", "accepted", "sent", "delivered")
    simulator.extensions["simulator"].faults.set(latency_ms=0)
    deliver()
    assert Counter(texts_at_provider(simulator)) == Counter(
        ["Your contract is ready.", "for the next worker"]
    )


@pytest.mark.parametrize("linger", [0, 0.2])
def test_idle_dispatcher_returns(hub_demo: Flask, connection: Connection, linger: float) -> None:
    began = now()
    assert Dispatcher(ShutdownSignal(15)).run(linger=linger) == 0
    assert now() - began < timedelta(seconds=linger + 1)


def test_planned_end_of_a_run_waits_for_calls_in_progress(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    message_id = queue_text("room", "Hello.", channel="", connection_slug="fake-chat")

    def send_slowly(outbound: Outbound) -> Accepted:
        time.sleep(dispatcher.SHUTDOWN_WAIT + 1)
        return Accepted("late")

    fake_provider.on_send = send_slowly
    assert Dispatcher(ShutdownSignal(0.5)).run(linger=0) == 1
    assert status(message_id) == Status.ACCEPTED


# ── A suspended worker ────────────────────────────────────────────────────────────────────────────
def queue_message() -> str:
    return queue_text("room", "Hello.", channel="", connection_slug="fake-chat")


def test_call_long_after_its_claim_is_not_made(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    ids = [queue_message() for _ in range(6)]
    claims = delivery.record_and_claim([], {fake_chat.id: 6})
    late = [
        dispatcher.call_provider(
            replace(claim, started_at=claim.started_at - dispatcher.MAX_START_DELAY - 1)
        )
        for claim in claims
    ]  # it was suspended meanwhile
    assert fake_provider.sent == []
    delivery.record_and_claim(late, {})
    assert [(status(message_id), message(message_id).code) for message_id in ids] == [
        ("queued", "too_late")
    ] * 6, "surely not sent: tried again"
    assert count(Throttle) == 0, "the provider was not asked, so that it counts as reached"
    for claimed_id in ids:
        make_due(claimed_id)
    assert deliver() == 6


# ── A database that is away ───────────────────────────────────────────────────────────────────────
@contextmanager
def database_unavailable(app: Flask) -> Iterator[None]:
    """Make the database unavailable: no connection to PostgreSQL, no lock of SQLite."""
    with app.app_context():
        url = db.engine.url
        lock = Path(app.extensions.get("hub.lock_path", ""))
    if not POSTGRES:
        lock.unlink(missing_ok=True)
        lock.mkdir()
        try:
            yield
        finally:
            lock.rmdir()
        return
    server = url.set(drivername="postgresql", database="postgres").render_as_string(
        hide_password=False
    )
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS false")
        try:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                [url.database],
            )
            yield
        finally:
            connection.execute(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS true")


@pytest.mark.parametrize("run_seconds", [15, 0.3])
def test_outcomes_are_recorded_after_the_database_recovers(
    fake_chat: Connection, fake_provider: FakeProvider, hub_demo: Flask, run_seconds: float
) -> None:
    message_id = queue_message()
    slowed = queue_message()
    together = threading.Barrier(3, timeout=10)
    event = threading.Event()

    def accept(outbound: Outbound) -> Accepted:
        if outbound.attempt == 1:
            together.wait()
            event.wait(10)
            if outbound.id == slowed:
                raise SlowDown("Too many fake_chat.", "crowded", 0.1)
        return Accepted(f"{outbound.id}-{outbound.attempt}")

    def interrupt_database() -> None:
        together.wait()
        with database_unavailable(hub_demo):
            event.set()
            time.sleep(1)

    fake_provider.on_send = accept
    outage = threading.Thread(target=interrupt_database)
    outage.start()
    Dispatcher(ShutdownSignal(run_seconds)).run(linger=0.3)
    outage.join()
    assert [attempt.outcome for attempt in attempts(message_id)] == ["accepted"]
    assert attempts(slowed)[0].outcome == "slowed"
    assert {status(message_id), status(slowed)} <= {"accepted", "queued"}
    assert status_words(message_id) == status_words(slowed) == [], "no lease had to expire"


def test_idle_dispatcher_leaves_an_unreachable_database_to_the_next_run(
    fake_chat: Connection, fake_provider: FakeProvider, hub_demo: Flask
) -> None:
    message_id = queue_message()
    with (
        database_unavailable(hub_demo),
        pytest.raises(Exception, match=r"(?i)directory|connection"),
    ):
        Dispatcher(ShutdownSignal(15)).run()
    assert fake_provider.sent == []
    deliver()
    assert status(message_id) == Status.ACCEPTED


def test_outcome_is_retried_after_a_database_failure(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    message_id = queue_message()
    [claim] = delivery.record_and_claim([], {fake_chat.id: 1})
    with db.engine.connect() as connection:
        if POSTGRES:  # somebody else holds the message
            connection.execute(text("SELECT 1 FROM messages FOR UPDATE"))
        with pytest.raises(OperationalError):
            record_alone(claim)
        connection.rollback()
    delivery.record_and_claim([dispatcher.call_provider(claim)], {})
    assert status(message_id) == Status.ACCEPTED


@transaction
def record_alone(claim: Claim) -> None:
    # a lock that is not given, a disk that is full
    db.session.connection().exec_driver_sql(
        "SET LOCAL lock_timeout = '50ms'" if POSTGRES else "PRAGMA max_page_count = 1"
    )
    delivery._record_separately([Outcome(claim, None, Unreachable("x" * 500_000), now(), 1)])
