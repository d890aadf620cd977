"""The worker of one queue: RQ's, in a process that loaded what the job needs before it forks."""

from __future__ import annotations

import gc
import importlib
import os
import signal
import time
from contextlib import suppress
from typing import Any

import redis
import structlog
from flask import Flask
from rq import Queue, Worker
from rq.job import Job

from hub.core.errors import HubError
from hub.db.store import wake_now

log = structlog.get_logger(__name__)

PAUSE = 1.0
COMPLAIN_EVERY = 30.0  # of a queue server that is away
LOST = (
    "The queue server is gone or refuses to write, so the worker ended. The next worker"
    " waits until it is back."
)


class QueueLost(HubError):
    """The queue server went away under a worker, or refused to write."""


class HubWorker(Worker):
    """An RQ worker that lets its child end by itself: RQ would wait for the child without telling
    it.
    """

    # RQ's own pauses grow to a minute, in which nothing would be sent
    max_connection_wait_time = 2.0
    told = False  # to stop
    app: Flask  # what the jobs run in

    def perform_job(self, job: Job, queue: Queue) -> bool:
        with self.app.app_context():
            return super().perform_job(job, queue)

    def request_stop(self, signum: int, frame: Any) -> None:
        self.told = True
        if self.horse_pid:
            try:
                os.kill(self.horse_pid, signal.SIGTERM)
            except ProcessLookupError:
                pass  # it has just ended
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]

    def teardown(self) -> None:
        with suppress(redis.RedisError):  # a server that is away needs no farewell
            super().teardown()  # type: ignore[no-untyped-call]


def work(queue: str, app: Flask) -> None:
    """Run the worker of one queue of an application until a signal asks to stop.

    One queue each: only then RQ keeps a job that it is just taking.

    Raises QueueLost when RQ gives up because of Redis, as it does under a job; another worker then
    waits until Redis is back.
    """
    importlib.import_module(f"hub.jobs.{queue}")
    _wait_for_redis(app.extensions["hub.waker"].redis, queue)
    connection = redis.Redis.from_url(app.extensions["hub.config"].redis_url)
    try:
        worker = HubWorker(
            [Queue(queue, connection=connection)], connection=connection, log_job_description=False
        )
        worker.app = app
        with app.app_context():
            wake_now(queue)  # what was left when the last worker ended
        # what is loaded stays: the collector need not look at it, and so does not copy its pages in
        # every child
        gc.collect()
        gc.freeze()
        worker.work(logging_level="WARNING", with_scheduler=False)
    except redis.RedisError as problem:  # RQ does not even get to look for jobs
        raise QueueLost(f"{LOST} It says: {problem}") from None
    if not worker.told:
        raise QueueLost(LOST)


def _wait_for_redis(client: redis.Redis, queue: str) -> None:
    """Return when Redis takes writes.

    It may be away, or have a full disk: that ends nothing, and delays sending.
    """
    complained_at = float("-inf")
    while True:
        try:
            # a write; and a lost wake-up must not hold back the next
            client.delete(f"wake:{queue}")
            return
        except redis.RedisError as problem:
            if time.monotonic() - complained_at >= COMPLAIN_EVERY:
                complained_at = time.monotonic()
                log.error(
                    "queue.unreachable",
                    queue=queue,
                    why=str(problem),
                    remedy="Start it, free some disk space, or correct HUB_REDIS_URL.",
                )
        time.sleep(PAUSE)
