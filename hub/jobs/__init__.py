"""Jobs of workers and cron.

A job stores no state: each reads from the database what is due. Each job is a separate module, so
that a worker loads only what its job needs.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import redis
import structlog
from flask import current_app

from hub.db.engine import db
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.state import job_failures

log = structlog.get_logger(__name__)

RUN_SECONDS = 40.0  # the next job continues after that


def run_job(queue: str, job: Callable[[ShutdownSignal], int]) -> None:
    """Run the job of a queue until nothing is due for a while. Needs an application context."""
    db.engine.dispose(close=False)  # connections of the parent process must not be used here
    # the key is deleted first, so that work added from now on wakes the next job. A key that stays
    # because Redis is unavailable expires by itself; until then this job finds the work
    with suppress(redis.RedisError):
        current_app.extensions["hub.waker"].redis.delete(f"wake:{queue}")
    count = _run_recorded(queue, job)
    log.debug("job.done", queue=queue, done=count)


def _run_recorded(queue: str, job: Callable[[ShutdownSignal], int]) -> int:
    """Run a job and record a failure, because `/readyz` reports a job that keeps failing."""
    try:
        count = job(ShutdownSignal(RUN_SECONDS))
        job_failures.clear_failure(queue)
    except Exception as error:
        with suppress(Exception):  # if the database is unavailable, that error is the one to report
            db.session.rollback()
            job_failures.record_failure(queue, error)
        raise
    return count
