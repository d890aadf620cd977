"""What a person sees when something goes wrong."""

from __future__ import annotations

import secrets
from typing import Any

import structlog
from flask import Flask, request
from sqlalchemy.exc import OperationalError, TimeoutError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, SecurityError

from hub import store
from hub.accounts.limits import TooMany
from hub.admin import problems
from hub.admin.guard import admin
from hub.errors import Refused, Unreadable

log = structlog.get_logger(__name__)

STORED_ANYWAY = "Your change was stored, but an unexpected error stopped the page that shows it."


def install(app: Flask) -> None:
    """Answer with a page whatever goes wrong in one, and where nothing is."""
    app.extensions["hub.nowhere"]["/"] = _refused_by_http


@admin.errorhandler(HTTPException)
def _refused_by_http(error: HTTPException) -> Any:
    # our own refusals carry a sentence; Werkzeug's are for programmers
    page = problems.page(
        error.code or 400, why=str(error.description) if isinstance(error, SecurityError) else ""
    )
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        page.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return page


@admin.errorhandler(Refused)
def _refused(error: Refused) -> Any:
    if isinstance(error, TooMany):
        return problems.page(429, why=str(error), retry_after=error.retry_after)
    return problems.page(error.status, why=str(error))


@admin.errorhandler(Unreadable)
def _unreadable(error: Unreadable) -> Any:
    return problems.page(
        500,
        why=str(error),
        remedy="Put the key back into HUB_ENCRYPTION_KEYS and start the hub again.",
    )


@admin.errorhandler(OperationalError)
@admin.errorhandler(TimeoutError)
def _no_database(error: OperationalError | TimeoutError) -> Any:
    log.error("database.unreachable", problem=type(getattr(error, "orig", error)).__name__)
    return problems.page(503)


@admin.errorhandler(500)
def _unforeseen(error: Exception) -> Any:
    request_id = secrets.token_hex(6)
    problem = getattr(error, "original_exception", None) or error
    rule = (
        request.url_rule.rule if request.url_rule else ""
    )  # not the address, which may hold a token
    log.error("page.failed", request_id=request_id, page=rule, problem=type(problem).__name__)
    why = "" if store.kept() == store.NOTHING else STORED_ANYWAY
    return problems.page(500, why=why, request_id=request_id)
