"""Show a notice instead of a page whose row is damaged, and record the row for admins."""

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


def _is_user_error(problem: Exception) -> bool:
    """Return whether an error is meant for the user, and does not come from a damaged row."""
    is_damage = (
        isinstance(problem, DecryptionError)
        or getattr(problem, "code", "") == "unknown_integration"
    )
    return isinstance(problem, HubError) and not is_damage


def _row_id(kind: str, name: str) -> str:
    """Return the ID of the row that a page shows. The URL of a connection contains its slug."""
    if kind == "connections":
        return db.session.scalar(select(Connection.id).where(Connection.slug == name)) or name
    return name


def show_damaged_row_notice(kind: str) -> Callable[[View], View]:
    """Return a decorator that shows a notice when the row of a page cannot be read.

    It must be the innermost decorator. `kind`: the table of the row.
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def guarded_view(**arguments: Any) -> Any:
            try:
                return view(**arguments)
            except HTTPException:
                raise
            except Exception as error:
                if unreadable_rows.is_transient(error) or _is_user_error(error):
                    raise
                log.exception("page.row_unreadable", table=kind)
                db.session.rollback()
                unreadable_rows.record_unreadable_row_once(
                    kind, _row_id(kind, next(iter(arguments.values()), "?")), error
                )
                return render_template(
                    "unreadable_row.html", reason=unreadable_rows.describe_error(error)
                )

        return cast(View, guarded_view)

    return decorate
