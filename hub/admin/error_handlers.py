"""Error pages for every kind of error."""

from __future__ import annotations

import secrets
from typing import Any

import structlog
from flask import Flask, request
from flask_limiter import RateLimitExceeded
from sqlalchemy.exc import OperationalError, TimeoutError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, SecurityError

from hub.admin.auth.guard import admin
from hub.admin.view import error_pages
from hub.core.errors import DecryptionError, Refused
from hub.db import store
from hub.lib import request_checks, unmatched

log = structlog.get_logger(__name__)

REMEDIES = {"unknown_connection": "Open Integrations and choose a connection."}


def init_app(app: Flask) -> None:
    """Show an error page for URLs that match no route."""
    unmatched.register_fallback(app, "/", request_checks.with_request_checks(_handle_http_error))


@admin.errorhandler(HTTPException)
def _handle_http_error(error: HTTPException) -> Any:
    # Signpost's own errors are written for users, Werkzeug's for programmers
    page = error_pages.page(
        error.code or 400, reason=str(error.description) if isinstance(error, SecurityError) else ""
    )
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        page.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return page


@admin.errorhandler(RateLimitExceeded)
def _handle_rate_limit(error: RateLimitExceeded) -> Any:
    return error.get_response()  # the response that the limit's decorator returned


@admin.errorhandler(Refused)
def _handle_refused(error: Refused) -> Any:
    return error_pages.page(error.status, reason=str(error), remedy=REMEDIES.get(error.code, ""))


@admin.errorhandler(DecryptionError)
def _handle_decryption_error(error: DecryptionError) -> Any:
    return error_pages.page(
        500,
        reason=str(error),
        remedy="Add the key to HUB_ENCRYPTION_KEYS again, and restart Signpost.",
    )


@admin.errorhandler(OperationalError)
@admin.errorhandler(TimeoutError)
def _handle_database_unreachable(error: OperationalError | TimeoutError) -> Any:
    log.error("database.unreachable", problem=type(getattr(error, "orig", error)).__name__)
    return error_pages.page(503)


@admin.errorhandler(500)
def _handle_unexpected_error(error: Exception) -> Any:
    request_id = secrets.token_hex(6)
    problem = getattr(error, "original_exception", None) or error
    # the rule and not the URL, which may contain a token
    rule = request.url_rule.rule if request.url_rule else ""
    log.error(
        "page.internal_error", request_id=request_id, page=rule, problem=type(problem).__name__
    )
    reason = "" if store.request_outcome() == store.NOTHING else error_pages.STORED_ANYWAY
    return error_pages.page(500, reason=reason, request_id=request_id)
