"""Health checks for liveness and readiness. They are public and reveal nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import redis
from flask import Blueprint, Flask, current_app
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from hub.core.errors import DecryptionError
from hub.core.vocabulary import Status
from hub.db import store
from hub.db.engine import db
from hub.db.types import now
from hub.handlers import handler_list, registration
from hub.lib import disk, request_checks
from hub.messaging.send import provider_health
from hub.messaging.state import job_failures
from hub.models import Message, ProviderCallback
from hub.shared import clock_check, startup_checks

LATE_AFTER = timedelta(minutes=1)

_REVISION = text(startup_checks.REVISION)

health = Blueprint("health", __name__)
request_checks.add_request_checks(health, any_host=True)


def init_app(app: Flask) -> None:
    """Register the health routes."""
    app.register_blueprint(health)


@health.get("/healthz")
def liveness() -> dict[str, Any]:
    """Return 200 while the process is running."""
    return {"status": "ok"}


@health.get("/readyz")
def readiness() -> tuple[dict[str, Any], int]:
    """Return 200 if the hub can accept requests.

    Without the queue server it still can, but the status is degraded and messages are sent late.
    """
    parts = {"database": _check_database(), "queue": _check_queue()}
    if parts["database"] != "ok":
        return {"status": "unavailable", **parts}, 503
    parts["disk"] = disk.state(current_app.extensions["hub.config"].data_dir)
    parts["clock"] = _check_clock()
    parts["jobs"] = _check_jobs()
    parts["lateness"] = _check_lateness()
    parts["providers"] = _check_providers()
    parts["handlers"] = _check_handlers()
    degraded = any(state != "ok" for state in parts.values())
    return {"status": "degraded" if degraded else "ok", **parts}, 200


def _check_database() -> str:
    try:
        with db.engine.connect() as connection:
            revision = connection.execute(_REVISION).scalar()
    except SQLAlchemyError as error:
        missing = isinstance(error, DBAPIError) and not store.is_database_failure(error)
        missing = missing or "no such table" in str(getattr(error, "orig", ""))
        return startup_checks.revision_problem(None) if missing else "unreachable"
    return startup_checks.revision_problem(revision) or "ok"


def _check_queue() -> str:
    try:
        current_app.extensions["hub.waker"].redis.ping()
    except redis.RedisError:
        return "unreachable"
    return "ok"


def _check_lateness() -> str:
    late = now() - LATE_AFTER
    waiting = (
        select(Message.id)
        .where(
            Message.connection_id.in_(provider_health.healthy_since(late)),
            Message.status == Status.QUEUED,
            Message.due_at < late,
        )
        .limit(1)
    )
    unsettled = select(ProviderCallback.id).where(ProviderCallback.due_at < late).limit(1)
    try:
        if db.session.execute(unsettled).first():
            return "webhooks are waiting to be processed"
        return "messages are waiting" if db.session.execute(waiting).first() else "ok"
    except SQLAlchemyError:
        return "unknown"


def _check_clock() -> str:
    try:
        problem = clock_check.problem()
    except (SQLAlchemyError, DecryptionError):
        return "unknown"
    return (
        f"{problem} Signpost does not delete expired data until the clock is confirmed."
        if problem
        else "ok"
    )


def _check_providers() -> str:
    try:
        return (
            "A provider is unreachable. Its messages are queued."
            if provider_health.any_unreachable()
            else "ok"
        )
    except SQLAlchemyError:
        return "unknown"


def _check_handlers() -> str:
    """Return how many events wait for handlers and have failed, if any handler has a problem."""
    try:
        problems = [str(one["name"]) for one in registration.load_problems()]
        problems += [row.description for row in handler_list.list_failing()]
        if not problems:
            return "ok"
        waiting, failed = handler_list.count_unfinished()
    except (SQLAlchemyError, DecryptionError):
        return "unknown"
    return f"Problems with {', '.join(problems)}. Events: {waiting} waiting, {failed} failed."


JOBS = {
    "deliver": "sending",
    "settle": "processing webhooks",
    "notify": "notifying apps",
    "search_index": "indexing names for the search",
}


def _check_jobs() -> str:
    try:
        failing = job_failures.recent_failures()
    except Exception:  # an unreadable record must not break the health check
        return "unknown"
    failures = [
        f"{JOBS.get(queue, queue)} failed ({problem})" for queue, problem in sorted(failing.items())
    ]
    return f"{'; '.join(failures)}. See the `hub worker` log." if failures else "ok"
