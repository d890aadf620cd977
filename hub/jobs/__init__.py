"""Jobs of workers and cron.

Jobs hold no truth: each looks into the database for what there is to do.

Each job is a module of its own, so that a worker loads what its own job needs and no more.
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

RUN_SECONDS = 40.0  # then the next job goes on


def run_job(queue: str, job: Callable[[ShutdownSignal], int]) -> None:
    """Run a queue's job until there is nothing left for a while. Needs an application context."""
    db.engine.dispose(close=False)  # connections of the parent process are not ours
    # first the key, then the look: whoever adds work from here on wakes the next job. A key that
    # stays, because Redis is away for a moment, ends by itself; until then this job is the one that
    # looks
    with suppress(redis.RedisError):
        current_app.extensions["hub.waker"].redis.delete(f"wake:{queue}")
    done = _watched(queue, job)
    log.debug("job.done", queue=queue, done=done)


def _watched(queue: str, job: Callable[[ShutdownSignal], int]) -> int:
    """Run a job and note whether it fails as a whole: `/readyz` reports one that keeps failing."""
    try:
        done = job(ShutdownSignal(RUN_SECONDS))
        job_failures.clear_failure(queue)
    except Exception as problem:
        with suppress(Exception):  # without the database that is what shows
            db.session.rollback()
            job_failures.note_failure(queue, problem)
        raise
    return done
