"""`hub worker` and its jobs while the queue server is unreachable or refuses to write."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
import redis
from flask import Flask
from rq.worker_registration import REDIS_WORKER_KEYS

from hub import create_app
from hub.core import data_dir
from hub.db.types import now
from hub.jobs import chores
from hub.run import queue_server
from tests.conftest import close, wait_until
from tests.hub_fixtures import hub_demo, message, queue_text, status, update_message

__all__ = ["hub_demo"]


class Queue:
    """A queue server that the test can stop and start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"unix://{data_dir.socket_path(folder)}"
        self.client = redis.Redis.from_url(self.url)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        queue_server.prepare(self.folder)
        self.process = subprocess.Popen(
            queue_server.command(self.folder), stdout=subprocess.DEVNULL
        )
        wait_until(lambda: queue_server.is_answering(self.folder))

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()

    def refuse(self) -> None:
        """Answer every write with an error, like a server with a full disk."""
        self.client.config_set("min-replicas-to-write", 1)

    def accept(self) -> None:
        self.client.config_set("min-replicas-to-write", 0)

    def workers(self) -> int:
        with suppress(redis.RedisError):
            return int(self.client.scard(REDIS_WORKER_KEYS))
        return 0


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    queue = Queue(data_dir.create(tmp_path / "queue"))
    queue.start()
    yield queue
    queue.client.close()
    queue.stop()


@pytest.fixture
def settings(queue: Queue) -> dict[str, str]:
    return {"HUB_REDIS_URL": queue.url}


class Workers:
    """A `hub worker` process for these queues."""

    def __init__(self, queues: tuple[str, ...], environ: dict[str, str], folder: Path) -> None:
        self.printed = folder / "printed"
        with self.printed.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hub.cli", "worker", *queues],
                env=environ,
                stdout=out,
                stderr=out,
            )

    def kill_all(self) -> None:
        for process in psutil.Process(self.process.pid).children():
            with suppress(psutil.NoSuchProcess):  # it may have already ended
                process.kill()

    @property
    def text(self) -> str:
        return self.printed.read_text()


@pytest.fixture
def run_workers(
    environ: dict[str, str], tmp_path: Path, queue: Queue
) -> Iterator[Callable[..., Workers]]:
    """Return a function that starts `hub worker`, and returns it when its queues are empty."""
    started: list[Workers] = []

    def start(*queues: str) -> Workers:
        started.append(Workers(queues, environ, tmp_path))
        wait_until(lambda: queue.workers() == len(queues))
        return started[-1]

    yield start
    for workers in started:
        workers.process.terminate()
        workers.process.wait(10)


@pytest.mark.parametrize("is_stopped", [True, False], ids=["stopped", "refuses writes"])
def test_workers_wait_for_their_queue_server_for_any_time(
    is_stopped: bool, queue: Queue, run_workers: Callable[..., Workers], hub_demo: Flask
) -> None:
    workers = run_workers("deliver", "chores")
    if is_stopped:
        queue.stop()
    else:
        queue.refuse()
    workers.kill_all()  # as RQ ends a worker whose job ends now
    wait_until(
        lambda: workers.text.count("queue.unreachable") == 2 or workers.process.poll() is not None
    )
    with suppress(subprocess.TimeoutExpired):
        workers.process.wait(4)  # long enough for each to end five times
    assert workers.process.poll() is None, workers.text
    message_id = queue_text()
    if is_stopped:
        queue.start()
    else:
        queue.accept()
    wait_until(lambda: message(message_id).status != "queued")


def test_worker_of_a_single_queue_is_restarted_too(
    queue: Queue, run_workers: Callable[..., Workers]
) -> None:
    workers = run_workers("deliver")
    workers.kill_all()
    wait_until(lambda: "worker deliver ended: signal SIGKILL. Restarting" in workers.text)
    assert workers.process.poll() is None


def test_worker_that_gives_up_logs_its_queue_server(
    queue: Queue, run_workers: Callable[..., Workers]
) -> None:
    workers = run_workers("chores")
    with queue.client.pipeline() as pipeline:  # a job whose end cannot be written down
        pipeline.rpush("rq:queue:chores", "no-such-job")
        pipeline.config_set("min-replicas-to-write", 1)
        pipeline.execute()
    wait_until(lambda: "worker chores ended: exit code 1." in workers.text)
    assert "The queue server is gone or refuses to write, so the worker ended." in workers.text
    queue.accept()
    wait_until(lambda: queue.workers() == 2)  # the one that ended could not even sign off
    assert workers.text.count("ended:") == 1


def test_job_runs_even_if_redis_fails_at_its_start(
    queue: Queue, environ: dict[str, str], hub_demo: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = queue_text()
    update_message(message_id, status="sending", tries=1, due_at=now() - timedelta(seconds=1))
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    other_app = create_app(blueprints=False)
    queue.refuse()
    with other_app.app_context():
        try:
            chores.run()
        finally:
            close(other_app)
    assert status(message_id) == "unknown"
