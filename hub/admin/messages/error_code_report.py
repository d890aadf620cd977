"""List the error codes of the last 30 days, with their number, meaning and remedy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import render_template, url_for
from sqlalchemy import func, literal_column, select

from hub import integrations
from hub.admin.auth.guard import admin, require_role
from hub.core.errors import NotFound
from hub.core.vocabulary import Role, Status
from hub.db.engine import db
from hub.db.types import first_id_at, now
from hub.integrations.base import Problem
from hub.lib.text import within_sentence
from hub.messaging.track.error_codes import BY_STATUS, CODES
from hub.models import Connection, Message

SINCE = timedelta(days=30)
MAX_ROWS = 200


@dataclass(frozen=True)
class ErrorCodeCount:
    """One code of one provider, as the page shows it."""

    code: str
    provider: str
    count: int
    last_at: datetime
    text: str
    remedy: str
    url: str
    is_known: bool
    href: str


@admin.get("/codes")
@require_role(Role.VIEWER)
def codes() -> Any:
    """List the error codes of messages, most frequent first."""
    return render_template("codes.html", rows=count_codes(), days=SINCE.days)


def count_codes() -> list[ErrorCodeCount]:
    """Return the error codes of the last 30 days, each with its number of messages."""
    rows = db.session.execute(
        select(
            Connection.integration,
            Message.code,
            func.count(),
            func.max(Message.changed_at),
            func.min(Message.status),
        )
        .join(Connection, Connection.id == Message.connection_id)
        .where(Message.code != literal_column("''"), Message.id > first_id_at("msg", now() - SINCE))
        .group_by(Connection.integration, Message.code)
        .order_by(func.count().desc(), Message.code)
        .limit(MAX_ROWS)
    )
    return [_describe_code(*row) for row in rows]


def _describe_code(
    integration: str, code: str, count: int, last: datetime, status: str
) -> ErrorCodeCount:
    try:
        integration_class = integrations.get(integration)
        provider = integration_class.provider
        problem = integration_class.explain(code)
    except NotFound:
        provider = integration
        problem = None
    if own_code := CODES.get(code):
        provider = "Signpost"
        problem = problem or own_code
    known = problem is not None
    if problem is None:
        fallback = BY_STATUS.get(Status.read(status))
        text = (
            "Signpost does not recognize this code."
            f" See {within_sentence(provider)}’s documentation. {fallback.text if fallback else ''}"
        )
        problem = Problem(code, text.strip(), fallback.remedy if fallback else "")
    return ErrorCodeCount(
        code,
        provider,
        count,
        last,
        problem.text,
        problem.remedy,
        problem.url,
        known,
        url_for("admin.messages", q=code),
    )
