"""Cron: find work whose wake-up was lost, every second. Any number of these may run."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import redis
import structlog
from flask import Flask
from rq.registry import StartedJobRegistry
from sqlalchemy.exc import SQLAlchemyError

from hub.core.vocabulary import QUEUES
from hub.db.engine import db
from hub.db.store import wake_now
from hub.intake import process_callbacks
from hub.jobs import chores
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.send import claims

log = structlog.get_logger(__name__)

TICK = 1.0
CHORES_EVERY = 600.0
CLEAN_UP_EVERY = 15.0  # RQ by itself looks for jobs of dead workers every 10 minutes only


def run(app: Flask) -> None:
    """Wake whoever has work, every second, until a signal asks to stop."""
    ending = ShutdownSignal(float("inf"))
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
    looks: dict[str, Callable[[], object]] = {
        "deliver": claims.is_due,
        "settle": process_callbacks.is_due,
        "chores": chores.due,
    }
    for queue, look in looks.items():
        try:
            has_work = look()
        except SQLAlchemyError:
            raise
        except (
            Exception
        ):  # whatever cannot be read for one queue must not keep the others from being woken
            log.exception("sweep.failed", queue=queue)
            has_work = True  # its job finds out, and sets aside what it cannot read
        db.session.rollback()
        if has_work:
            wake_now(queue)


def clean_up(app: Flask) -> None:
    """Let RQ forget the jobs of workers that died."""
    connection = app.extensions["hub.waker"].redis
    try:
        for queue in QUEUES:
            StartedJobRegistry(queue, connection=connection).cleanup()
    except redis.RedisError as problem:
        log.warning("queue.unreachable", problem=type(problem).__name__)
