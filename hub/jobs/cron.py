"""Cron: every second, wake queues whose wake-up was lost. Several of these may run."""

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
from hub.endpoints import claims as notify_claims
from hub.intake import process_callbacks, source_callbacks
from hub.jobs import chores, search_index
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.send import claims

log = structlog.get_logger(__name__)

TICK = 1.0
CHORES_EVERY = 600.0
CLEAN_UP_EVERY = 15.0  # RQ itself looks for jobs of dead workers only every 10 minutes


def run(app: Flask) -> None:
    """Wake queues that have work, every second, until a stop signal."""
    shutdown = ShutdownSignal(float("inf"))
    signal.signal(signal.SIGINT, lambda *_: shutdown.received_signal.set())
    clean_up_at = chores_at = 0.0
    while not shutdown.is_due:
        next_tick = time.monotonic() + TICK
        with app.app_context():
            try:
                wake_queues()
            except SQLAlchemyError as error:
                log.error("database.unreachable", problem=type(error).__name__)
            if time.monotonic() >= clean_up_at:
                clean_up_at = time.monotonic() + CLEAN_UP_EVERY
                clean_up(app)
            if time.monotonic() >= chores_at:
                chores_at = time.monotonic() + CHORES_EVERY
                wake_now("chores")
            search_index.index_for(next_tick - time.monotonic(), shutdown)
        shutdown.received_signal.wait(max(next_tick - time.monotonic(), 0))


def wake_queues() -> None:
    """Wake the queues that have work."""
    checks: dict[str, Callable[[], object]] = {
        "deliver": claims.find_due_connections,
        "settle": lambda: process_callbacks.is_due() or source_callbacks.is_due(),
        "notify": notify_claims.is_due,
        "chores": chores.is_due,
    }
    for queue, check in checks.items():
        try:
            has_work = check()
        except SQLAlchemyError:
            raise
        except Exception:
            # unreadable rows of one queue must not keep the others from being woken
            log.exception("cron.check_failed", queue=queue)
            has_work = True  # its job sets aside the rows that it cannot read
        db.session.rollback()
        if has_work:
            wake_now(queue)


def clean_up(app: Flask) -> None:
    """Remove jobs of workers that died from RQ."""
    connection = app.extensions["hub.waker"].redis
    try:
        for queue in QUEUES:
            StartedJobRegistry(queue, connection=connection).cleanup()
    except redis.RedisError as error:
        log.warning("queue.unreachable", problem=type(error).__name__)
