"""The worker of one queue: an RQ worker that loads the modules of its job before it forks."""

from __future__ import annotations

import importlib
import os
import signal
import time
from contextlib import suppress
from types import ModuleType
from typing import Any

import redis
import structlog
from flask import Flask
from rq import Queue, Worker
from rq.job import Job

from hub.core.errors import HubError
from hub.db.engine import db
from hub.db.store import wake_now
from hub.lib import memory

log = structlog.get_logger(__name__)

PAUSE = 1.0
LOG_EVERY = 30.0  # while the queue server is unavailable
LOST = (
    "The queue server is gone or refuses to write, so the worker ended. The next worker"
    " waits until it is back."
)


class QueueLost(HubError):
    """The queue server became unavailable during a job, or refused to write."""


class HubWorker(Worker):
    """An RQ worker that asks its child process to stop; RQ itself only waits for the child."""

    # RQ's own pauses grow to a minute, in which nothing would be sent
    max_connection_wait_time = 2.0
    stop_requested = False
    app: Flask  # the application whose context the jobs run in

    def perform_job(self, job: Job, queue: Queue) -> bool:
        with self.app.app_context():
            return super().perform_job(job, queue)

    def request_stop(self, signum: int, frame: Any) -> None:
        self.stop_requested = True
        if self.horse_pid:
            try:
                os.kill(self.horse_pid, signal.SIGTERM)
            except ProcessLookupError:
                pass  # it has just ended
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]

    def teardown(self) -> None:
        with suppress(redis.RedisError):  # an unavailable server needs no sign-off
            super().teardown()  # type: ignore[no-untyped-call]


def run_worker(queue: str, app: Flask) -> None:
    """Run the worker of one queue of an application until a signal asks to stop.

    One queue per worker: only then does RQ not lose a job that it is just fetching.

    Raises QueueLost if RQ ends because of Redis; the next worker then waits until Redis is back.
    """
    job = importlib.import_module(f"hub.jobs.{queue}")
    _wait_for_redis(app.extensions["hub.waker"].redis, queue)
    connection = redis.Redis.from_url(app.extensions["hub.config"].redis_url)
    try:
        worker = HubWorker(
            [Queue(queue, connection=connection)], connection=connection, log_job_description=False
        )
        worker.app = app
        with app.app_context():
            _prepare(job)
            wake_now(queue)  # for work that was left when the last worker ended
        memory.keep_loaded_objects()
        worker.work(logging_level="WARNING", with_scheduler=False)
    except redis.RedisError as error:  # RQ could not poll for jobs
        raise QueueLost(f"{LOST} Redis error: {error}") from None
    if not worker.stop_requested:
        raise QueueLost(LOST)


def _prepare(job: ModuleType) -> None:
    """Let the module of a job prepare its first run. An error must not keep the worker from it."""
    prepare = getattr(job, "prepare", None)
    if prepare is None:
        return
    try:
        prepare()
    except Exception:
        log.exception("worker.not_prepared", job=job.__name__)
        db.session.rollback()


def _wait_for_redis(client: redis.Redis, queue: str) -> None:
    """Wait until Redis accepts writes.

    If it is unavailable or its disk is full, sending is delayed and the worker keeps running.
    """
    logged_at = float("-inf")
    while True:
        try:
            # tests writing, and removes a lost wake-up that would block the next one
            client.delete(f"wake:{queue}")
            return
        except redis.RedisError as error:
            if time.monotonic() - logged_at >= LOG_EVERY:
                logged_at = time.monotonic()
                log.error(
                    "queue.unreachable",
                    queue=queue,
                    why=str(error),
                    remedy="Start it, free some disk space, or correct HUB_REDIS_URL.",
                )
        time.sleep(PAUSE)
