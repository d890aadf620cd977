"""Waking workers: a job in Redis for each queue that has something to do.

It holds no truth: a lost one costs seconds.
"""

from __future__ import annotations

import time

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue

log = structlog.get_logger(__name__)

JOB = "hub.jobs.{queue}.run"  # RQ loads a job by its name: whoever enqueues it imports nothing
WAKE_SECONDS = 30  # a lost wake-up costs at most this
JOB_SECONDS = 120  # jobs are bounded well below; RQ ends one that is not
LINGERING = ("deliver", "settle")  # their jobs look again and again before they end,
ASKED_ENOUGH = 0.02  # so that who woke one this many seconds ago need not again


class Waker:
    """Enqueues a queue's job unless that was done already and has not begun."""

    def __init__(self, url: str) -> None:
        # whoever waits for an answer from us must not wait for Redis: no retry, short limits, a
        # pause after a failure
        self.redis = redis.Redis.from_url(
            url,
            socket_timeout=0.1,
            retry=Retry(NoBackoff(), 0),
            **({} if url.startswith("unix:") else {"socket_connect_timeout": 0.05}),
        )
        self._silent_until = 0.0
        self._asked: dict[str, float] = {}

    def wake(self, queue: str) -> None:
        moment = time.monotonic()
        if moment < max(self._silent_until, self._asked.get(queue, 0) + ASKED_ENOUGH):
            return
        try:
            if self.redis.set(f"wake:{queue}", "1", nx=True, ex=WAKE_SECONDS):
                Queue(queue, connection=self.redis).enqueue(
                    JOB.format(queue=queue),
                    result_ttl=0,
                    failure_ttl=3600,
                    job_timeout=JOB_SECONDS,
                )
            if queue in LINGERING:
                self._asked[queue] = moment
        # the change is committed: that nobody was woken must not pass for its failure
        except Exception as problem:
            self._silent_until = time.monotonic() + 1
            log.warning("queue.unreachable", queue=queue, problem=type(problem).__name__)
