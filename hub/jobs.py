"""What workers and cron run. Jobs hold no truth: each looks into the database for what there is to do."""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from typing import Any

import redis
import structlog
from flask import Flask
from rq import Queue, Worker
from rq.registry import StartedJobRegistry
from rq.timeouts import BaseTimeoutException
from sqlalchemy.exc import SQLAlchemyError

from hub import create_app, idempotency
from hub.errors import HubError
from hub.extensions import db
from hub.intake import retention
from hub.intake import settle as settling
from hub.messaging import delivery, media, misdated, outbox, polling, reconcile, spacing, template_sync
from hub.messaging.drain import RUN_SECONDS, Drain, Stopping
from hub.store import wake_now
from hub.waking import JOBS

log = structlog.get_logger(__name__)

TICK = 1.0
CHORES_EVERY = 600.0
CLEAN_UP_EVERY = 15.0  # RQ by itself looks for jobs of dead workers every 10 minutes only
COMPLAIN_EVERY = 30.0  # of a queue server that is away
LOST = "The queue server went away, or refused to write, and the worker with it. The next worker waits until it is back."


@cache
def application() -> Flask:
    """Make the application, once a process; a worker's children inherit it."""
    return create_app(doors=False)  # nobody calls here, and the pages weigh 16 MB


# ── Jobs ────────────────────────────────────────────────────────────────────────────────────────────────────
def deliver() -> None:
    """Send what is due, for every connection."""
    _run("deliver", lambda stopping: Drain(stopping).run())


def settle() -> None:
    """Settle webhooks."""
    _run("settle", settling.drain)


def chores() -> None:
    """Look after leases, unknown outcomes and lost callbacks, and forget what need not be kept."""
    _run("chores", _chores)


def _chores(stopping: Stopping) -> int:
    looked_after = 0
    for chore in (misdated.run, outbox.give_up_waiting, idempotency.forget, spacing.forget, media.forget, retention.run,
                  partial(reconcile.run, stopping), partial(polling.run, stopping), template_sync.sync_due):  # fmt: skip
        try:
            looked_after += chore()
        except BaseTimeoutException:
            raise  # the job's time is over
        except Exception:  # one that fails must not keep the others from being done
            log.exception("chore.failed", chore=getattr(chore, "func", chore).__module__)
            db.session.rollback()
    return looked_after


def _run(queue: str, job: Callable[[Stopping], int]) -> None:
    app = application()
    with app.app_context():
        db.engine.dispose(close=False)  # connections of the parent process are not ours
        # first the key, then the look: whoever adds work from here on wakes the next job. A key that stays, because Redis is away
        # for a moment, ends by itself; until then this job is the one that looks
        with suppress(redis.RedisError):
            app.extensions["hub.waker"].redis.delete(f"wake:{queue}")
        done = job(Stopping(RUN_SECONDS))
        log.debug("job.done", queue=queue, done=done)


# ── Worker ──────────────────────────────────────────────────────────────────────────────────────────────────
class QueueLost(HubError):
    """The queue server went away under a worker, or refused to write."""


class HubWorker(Worker):
    """An RQ worker that lets its child end by itself: RQ would wait for the child without telling it."""

    max_connection_wait_time = 2.0  # RQ's own pauses grow to a minute, in which nothing would be sent
    told = False  # to stop

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


def work(queue: str) -> None:
    """Run the worker of one queue until it is told to stop. One queue each: only then RQ keeps a job that it is just taking.

    Raises QueueLost when RQ gives up because of Redis, as it does under a job; another worker then waits until Redis is back.
    """
    app = application()
    _wait_for_redis(app.extensions["hub.waker"].redis, queue)
    connection = redis.Redis.from_url(app.extensions["hub.config"].redis_url)
    try:
        worker = HubWorker([Queue(queue, connection=connection)], connection=connection, log_job_description=False)
        with app.app_context():
            wake_now(queue)  # what was left when the last worker ended
        # what is loaded stays: the collector need not look at it, and so does not copy its pages in every child
        gc.collect()
        gc.freeze()
        worker.work(logging_level="WARNING", with_scheduler=False)
    except redis.RedisError as problem:  # RQ does not even get to look for jobs
        raise QueueLost(f"{LOST} It says: {problem}") from None
    if not worker.told:
        raise QueueLost(LOST)


def _wait_for_redis(client: redis.Redis, queue: str) -> None:
    """Return when Redis takes writes. It may be away, or have a full disk: that ends nothing, and delays sending."""
    complained_at = float("-inf")
    while True:
        try:
            client.delete(f"wake:{queue}")  # a write; and a wake-up that came to nothing must not hold back the next
            return
        except redis.RedisError as problem:
            if time.monotonic() - complained_at >= COMPLAIN_EVERY:
                complained_at = time.monotonic()
                log.error("queue.unreachable", queue=queue, why=str(problem), remedy="Start it, free its disk, or correct HUB_REDIS_URL.")
        time.sleep(TICK)


# ── Cron ────────────────────────────────────────────────────────────────────────────────────────────────────
def cron() -> None:
    """Find work whose wake-up was lost, every second. Any number of these may run."""
    app, ending = application(), Stopping(float("inf"))
    signal.signal(signal.SIGINT, lambda *_: ending.asked.set())
    clean_up_at = chores_at = 0.0
    while not ending.now:
        with app.app_context():
            try:
                sweep()
            except SQLAlchemyError as problem:
                log.error("database.unreachable", problem=type(problem).__name__)
            if time.monotonic() >= clean_up_at:
                clean_up_at = time.monotonic() + CLEAN_UP_EVERY
                clean_up(app)
            if time.monotonic() >= chores_at:
                chores_at = time.monotonic() + CHORES_EVERY
                wake_now("chores")
        ending.asked.wait(TICK)


def sweep() -> None:
    """Wake the queues that have something to do."""
    chores_due = reconcile.due() or polling.due() or misdated.due() or template_sync.due()
    late = {"deliver": bool(delivery.due()), "settle": settling.due(), "chores": chores_due}
    db.session.rollback()
    for queue, has_work in late.items():
        if has_work:
            wake_now(queue)


def clean_up(app: Flask) -> None:
    """Let RQ forget the jobs of workers that died."""
    connection = app.extensions["hub.waker"].redis
    try:
        for queue in JOBS:
            StartedJobRegistry(queue, connection=connection).cleanup()
    except redis.RedisError as problem:
        log.warning("queue.unreachable", problem=type(problem).__name__)
