"""Several workers at once, and workers that die: nothing is sent twice, nothing is lost."""

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
from datetime import timedelta
from typing import Any

import psutil
import pytest
from flask import Flask

from hub.integrations.base import Accepted, Outbound
from hub.messaging import delivery, drain, reconcile
from hub.messaging.drain import Drain, Stopping
from hub.models import Connection
from hub.models.types import now
from hub.store import wake_now
from hub.vocabulary import Status
from tests.pigeon import Loft
from tests.stage import a_message, at_provider, attempts, change, deliver, eventually, message, status

DRAIN = """
import hub
from hub.messaging.drain import Drain, Stopping
with hub.create_app().app_context():
    print(Drain(Stopping(20)).run(linger=0.3))
"""


@contextmanager
def running(environ: dict[str, str], *words: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, *words], env={**os.environ, **environ}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        with suppress(psutil.NoSuchProcess):  # it may end by itself just now
            for one in psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []:
                one.kill()
        process.kill()
        process.communicate()


def test_two_drains_in_two_threads_send_nothing_twice(hub_demo: Flask, connection: Connection, simulator: Any) -> None:
    ids = [a_message(text=f"text {n}") for n in range(60)]

    def work() -> None:
        with hub_demo.app_context():
            Drain(Stopping(15)).run(linger=0.2)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {status(one) for one in ids} <= {"accepted", "sent", "delivered"}
    assert Counter(at_provider(simulator)) == Counter(f"text {n}" for n in range(60))


def test_two_drains_in_two_processes_send_nothing_twice(
    hub_demo: Flask, connection: Connection, simulator: Any, environ: dict[str, str]
) -> None:
    ids = [a_message(text=f"text {n}") for n in range(60)]
    with running(environ, "-c", DRAIN) as first, running(environ, "-c", DRAIN) as second:
        sent = [int(process.communicate(timeout=40)[0]) for process in (first, second)]
    assert sum(sent) == 60
    assert {status(one) for one in ids} <= {"accepted", "sent", "delivered"}
    assert Counter(at_provider(simulator)) == Counter(f"text {n}" for n in range(60))


def test_a_killed_worker_leaves_a_message_that_is_settled_and_not_sent_twice(
    hub_demo: Flask, connection: Connection, simulator: Any, environ: dict[str, str]
) -> None:
    message_id = a_message("+15005550015")  # Twilio takes it, and does not answer
    with running(environ, "-m", "hub.cli", "worker", "deliver") as worker:
        wake_now("deliver")
        eventually(lambda: at_provider(simulator), 20)
        [horse] = psutil.Process(worker.pid).children()
        os.kill(horse.pid, signal.SIGKILL)
        horse.wait(5)
        assert status(message_id) == Status.SENDING
        assert [one.outcome for one in attempts(message_id)] == [None]
        change(message_id, due_at=now() - timedelta(seconds=1))  # a minute later
        reconcile.run()
        assert message(message_id).provider_id
        assert attempts(message_id)[0].outcome == "unknown"
        deliver()
        assert worker.poll() is None, "the worker itself goes on"
    assert len(at_provider(simulator)) == 1


def test_a_worker_killed_before_its_call_leaves_a_message_that_is_sent_once(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    message_id = a_message()
    delivery.turn([], {connection.id: 1})
    change(message_id, due_at=now() - timedelta(seconds=1))
    reconcile.run()
    deliver()
    reconcile.run()
    deliver()
    assert len(at_provider(simulator)) == 1
    assert [one.n for one in attempts(message_id)] == [1, 2]


def test_a_worker_that_is_asked_to_end_writes_down_what_is_under_way(
    hub_demo: Flask, connection: Connection, simulator: Any, environ: dict[str, str]
) -> None:
    simulator.extensions["simulator"].faults.ask(latency_ms=1000)
    message_id = a_message()
    with running(environ, "-m", "hub.cli", "worker", "deliver") as worker:
        wake_now("deliver")
        eventually(lambda: message(message_id).status == Status.SENDING, 20)
        waiting = a_message(text="for the next worker")
        worker.send_signal(signal.SIGTERM)
        began = now()
        worker.wait(10)
        assert now() - began < timedelta(seconds=4)
    assert status(message_id) in ("accepted", "sent", "delivered")
    assert status(waiting) in ("queued", "accepted", "sent", "delivered")
    simulator.extensions["simulator"].faults.ask(latency_ms=0)
    deliver()
    assert Counter(at_provider(simulator)) == Counter(["Your contract is ready.", "for the next worker"])


@pytest.mark.parametrize("linger", [0, 0.2])
def test_a_drain_with_nothing_to_do_ends(hub_demo: Flask, connection: Connection, linger: float) -> None:
    began = now()
    assert Drain(Stopping(15)).run(linger=linger) == 0
    assert now() - began < timedelta(seconds=linger + 1)


def test_the_planned_end_of_a_run_waits_for_the_calls_under_way(pigeons: Connection, loft: Loft) -> None:
    message_id = a_message("roof", "Coo.", channel="", connection_slug="pigeon")

    def slow(outbound: Outbound) -> Accepted:
        time.sleep(drain.LAST_WAIT + 1)
        return Accepted("late")

    loft.fly = slow
    assert Drain(Stopping(0.5)).run(linger=0) == 1
    assert status(message_id) == Status.ACCEPTED
