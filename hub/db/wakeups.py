"""Wake workers with a job in Redis for each queue that has something to do.

Wake-ups are only hints: a lost one costs seconds.
"""

from __future__ import annotations

import time

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue

log = structlog.get_logger(__name__)

# RQ loads a job by its name, so that it does not have to be imported here
JOB = "hub.jobs.{queue}.run"
WAKE_SECONDS = 30  # a lost wake-up costs at most this time
JOB_SECONDS = 120  # RQ ends a job after this time; jobs end well before
# the jobs of these queues check repeatedly before they end, so that one wake-up is enough
LINGERING = ("deliver", "settle", "notify")
WAKE_INTERVAL = 0.02  # seconds


class Waker:
    """Enqueues a queue's job unless one is already enqueued and has not started."""

    def __init__(self, url: str) -> None:
        # requests must not wait for Redis: no retry, short timeouts, a pause after a failure
        self.redis = redis.Redis.from_url(
            url,
            socket_timeout=0.1,
            retry=Retry(NoBackoff(), 0),
            **({} if url.startswith("unix:") else {"socket_connect_timeout": 0.05}),
        )
        self._silent_until = 0.0
        self._woken_at: dict[str, float] = {}

    def wake(self, queue: str) -> None:
        now = time.monotonic()
        if now < max(self._silent_until, self._woken_at.get(queue, 0) + WAKE_INTERVAL):
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
                self._woken_at[queue] = now
        # the change is already committed, so a failed wake-up must not fail it
        except Exception as error:
            self._silent_until = time.monotonic() + 1
            log.warning("queue.unreachable", queue=queue, problem=type(error).__name__)
