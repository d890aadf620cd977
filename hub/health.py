"""Health: alive, and ready. Open to all, and tells nothing but that."""

from __future__ import annotations

import functools
from datetime import timedelta
from typing import Any

import redis
from flask import Blueprint, Flask, current_app
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from hub.extensions import MIGRATIONS, db
from hub.messaging import troubles
from hub.models import Message, Receipt
from hub.models.types import now
from hub.vocabulary import Status

LATE = timedelta(minutes=1)

health = Blueprint("health", __name__)


def init_app(app: Flask) -> None:
    """Open the health routes."""
    app.register_blueprint(health)


@health.get("/healthz")
def alive() -> dict[str, Any]:
    """Answer while the process lives."""
    return {"status": "ok"}


@health.get("/readyz")
def ready() -> tuple[dict[str, Any], int]:
    """Answer 200 when requests can be taken. Without the queue they still can: then it is degraded, and sending is late."""
    parts = {"database": _database(), "queue": _queue()}
    if parts["database"] != "ok":
        return {"status": "unavailable", **parts}, 503
    parts["lateness"], parts["providers"] = _lateness(), _providers()
    degraded = any(state != "ok" for state in parts.values())
    return {"status": "degraded" if degraded else "ok", **parts}, 200


def _database() -> str:
    from alembic.migration import MigrationContext  # 12 MB that no other process needs

    try:
        with db.engine.connect() as connection:
            have = MigrationContext.configure(connection).get_current_revision()
    except SQLAlchemyError:
        return "cannot be reached"
    return "ok" if have == _newest_revision() else "not migrated; run hub migrate"


@functools.cache
def _newest_revision() -> str | None:
    from alembic.script import ScriptDirectory

    return ScriptDirectory(MIGRATIONS).get_current_head()


def _queue() -> str:
    try:
        current_app.extensions["hub.waker"].redis.ping()
    except redis.RedisError:
        return "cannot be reached"
    return "ok"


def _lateness() -> str:
    late = now() - LATE
    waiting = select(Message.id).where(
        Message.connection_id.in_(troubles.free_since(late)), Message.status == Status.QUEUED, Message.due_at < late
    ).limit(1)  # fmt: skip
    unsettled = select(Receipt.id).where(Receipt.due_at < late).limit(1)
    try:
        if db.session.execute(unsettled).first():
            return "webhooks wait to be settled"
        return "messages wait" if db.session.execute(waiting).first() else "ok"
    except SQLAlchemyError:
        return "not known"


def _providers() -> str:
    try:
        return "one is not reachable; what waits for it goes out later" if troubles.any_unreachable() else "ok"
    except SQLAlchemyError:
        return "not known"
