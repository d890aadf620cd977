"""Workers are woken after a commit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from flask import Flask

from hub.db import store, wakeups
from hub.db.store import transaction
from hub.jobs import cron
from tests.db.rows import add_settings
from tests.hub_fixtures import (
    SigningApp,
    deliver,
    event_body,
    make_due,
    queue_text,
    signer_body,
    status,
)
from tests.hub_fixtures import hub_demo as hub_demo
from tests.hub_fixtures import signing_app as signing_app


@contextmanager
def connect_queue(app: Flask) -> Iterator[redis.Redis]:
    yield app.extensions["hub.waker"].redis


def count_jobs(app: Flask, name: str = "deliver") -> int:
    with connect_queue(app) as client:
        return int(client.llen(f"rq:queue:{name}"))


def test_workers_are_woken_only_after_the_commit(in_app: Flask) -> None:
    job_counts = []

    @transaction
    def change() -> None:
        store.wake("deliver")
        job_counts.append(count_jobs(in_app))

    change()
    assert (job_counts, count_jobs(in_app)) == ([0], 1)


def test_failed_transaction_wakes_no_worker(in_app: Flask) -> None:
    @transaction
    def fail() -> None:
        store.wake("deliver")
        raise ValueError

    with pytest.raises(ValueError):
        fail()
    add_settings("a")  # and its wish does not linger
    assert count_jobs(in_app) == 0


@pytest.fixture
def no_enqueue_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakeups, "WAKE_INTERVAL", 0)


@pytest.mark.usefixtures("no_enqueue_limit")
def test_repeated_wake_ups_make_one_job_until_it_starts(in_app: Flask) -> None:
    for _ in range(5):
        store.wake_now("deliver")
    assert count_jobs(in_app) == 1
    with connect_queue(in_app) as client:
        client.delete("wake:deliver")  # what the job does first
        store.wake_now("deliver")
        assert count_jobs(in_app) == 2
        assert 0 < client.ttl("wake:deliver") <= wakeups.WAKE_SECONDS


def test_slow_provider_is_not_polled_again_at_once(
    in_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wakeups, "WAKE_INTERVAL", 60)
    store.wake_now("deliver")
    store.wake_now("chores")
    with connect_queue(in_app) as client:
        client.flushall()
        store.wake_now("deliver")
        store.wake_now("chores")
        assert not client.exists("wake:deliver"), "its job looks again and again"
        assert client.exists("wake:chores")
        monkeypatch.setattr(wakeups, "WAKE_INTERVAL", 0)
        store.wake_now("deliver")
        assert client.exists("wake:deliver")


def test_queued_message_wakes_a_worker(hub_demo: Flask) -> None:
    queue_text()
    assert count_jobs(hub_demo, "deliver") == 1


@pytest.mark.usefixtures("no_enqueue_limit")
def test_sweep_recovers_a_lost_wake_up(hub_demo: Flask) -> None:
    queue_text()
    with connect_queue(hub_demo) as client:
        client.flushall()
    cron.wake_queues()
    assert count_jobs(hub_demo, "deliver") == 1
    with connect_queue(hub_demo) as client:
        client.flushall()
    make_due(queue_text(text="another"))
    deliver()
    with connect_queue(hub_demo) as client:
        client.flushall()
    cron.wake_queues()
    assert count_jobs(hub_demo, "deliver") == 0, "nothing is due"


class TestWithoutAQueue:
    """A hub whose queue server is unreachable."""

    @pytest.fixture
    def settings(self, tmp_path: Path) -> dict[str, str]:
        return {"HUB_REDIS_URL": f"unix://{tmp_path}/nobody.sock"}

    def test_events_are_accepted_and_found_by_the_sweep(self, signing_app: SigningApp) -> None:
        began = time.monotonic()
        answers = [
            signing_app.post("/events", event_body(signers=[signer_body("Eric")], id=f"e{n}"))
            for n in range(10)
        ]
        assert [answer.status_code for answer in answers] == [202] * 10
        assert time.monotonic() - began < 5
        cron.wake_queues()
        message_id = answers[0].json["messages"][0]["id"]
        assert status(message_id) == "queued"
        deliver()
        assert status(message_id) in ("queued", "accepted")

    def test_queue_is_not_retried_within_a_second_after_a_failure(self, in_app: Flask) -> None:
        waker: Any = in_app.extensions["hub.waker"]
        store.wake_now("deliver")
        assert 0 < waker._silent_until - time.monotonic() <= 1


def test_stalled_queue_does_not_delay_a_response(hub_demo: Flask, signing_app: SigningApp) -> None:
    signing_app.get("/messages")
    with connect_queue(hub_demo) as client:
        client.client_pause(1500, all=True)
    began = time.monotonic()
    assert signing_app.post("/events", event_body(signers=[signer_body("Eric")])).status_code == 202
    assert time.monotonic() - began < 1
    time.sleep(max(0, began + 1.5 - time.monotonic()))  # the other tests share this queue
