"""Pages about one row, where that row is damaged: they say so, and note the row for admins."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import structlog
from flask import render_template
from sqlalchemy import select
from werkzeug.exceptions import HTTPException

from hub.core.errors import DecryptionError, HubError
from hub.db.engine import db
from hub.messaging.state import unreadable_rows
from hub.models import Connection

log = structlog.get_logger(__name__)

View = TypeVar("View", bound=Callable[..., Any])


def _is_answer(problem: Exception) -> bool:
    """Return whether an error is meant for the reader. One about a stored value is not."""
    if (
        isinstance(problem, DecryptionError)
        or getattr(problem, "code", "") == "unknown_integration"
    ):
        return False
    return isinstance(problem, HubError)


def _row_id(kind: str, name: str) -> str:
    """Return the id of the row that a page shows. A connection's address holds its slug."""
    if kind == "connections":
        return db.session.scalar(select(Connection.id).where(Connection.slug == name)) or name
    return name


def describe_damage(kind: str) -> Callable[[View], View]:
    """Answer with a page that says so where the row that a page is about cannot be read.

    Innermost decorator.
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def shown(**named: Any) -> Any:
            try:
                return view(**named)
            except HTTPException:
                raise
            except Exception as problem:
                if unreadable_rows.is_transient(problem) or _is_answer(problem):
                    raise
                log.exception("page.row_unreadable", table=kind)
                db.session.rollback()
                unreadable_rows.note_row_once(
                    kind, _row_id(kind, next(iter(named.values()), "?")), problem
                )
                return render_template(
                    "unreadable_row.html", why=unreadable_rows.reason_of(problem)
                )

        return cast(View, shown)

    return decorate
