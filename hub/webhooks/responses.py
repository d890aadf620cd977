"""Responses to providers: JSON with `success`, unless the integration returns its own."""

from __future__ import annotations

import json
from typing import Any

import structlog
from flask import Blueprint, Response, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from hub.core.errors import BadWebhook
from hub.db.group_commit import WriteFailed
from hub.intake.provider_callbacks import CannotVerify
from hub.shared import security_log

log = structlog.get_logger(__name__)

PROBLEM = "application/problem+json"
DETAILS = {
    400: (
        "The request is malformed or incomplete, or contains a character such as NUL. Send it"
        " again."
    ),
    404: "No integration receives webhooks at this URL.",
    405: "Send webhooks with POST.",
    413: "The body is larger than 256 KiB.",
}
HEADERS = {405: ("Allow", "POST"), 503: ("Retry-After", "5")}


class WebhookResponse(Response):
    """A response whose headers are sent unchanged, without redirects."""

    def get_wsgi_headers(self, environ: dict[str, Any]) -> Headers:
        return self.headers


def register_error_handlers(blueprint: Blueprint) -> None:
    """Return a problem document for every error of a blueprint."""
    blueprint.register_error_handler(BadWebhook, _not_genuine)
    for kind in (SQLAlchemyError, WriteFailed, CannotVerify):
        blueprint.register_error_handler(kind, _unavailable)
    blueprint.register_error_handler(HTTPException, http_error)
    blueprint.register_error_handler(Exception, _internal_error)


def success_response(response: tuple[str, str]) -> Response:
    """Return a response with the content type and text of an integration."""
    content_type, text = response
    return WebhookResponse(text, content_type=content_type)


def http_error(error: HTTPException) -> Response:
    """Return the problem document of an HTTP error, such as an unknown URL."""
    status = error.code or 500
    return _problem(status, DETAILS.get(status) or error.name)


def _not_genuine(error: BadWebhook) -> Response:
    path = request.path.rstrip("/")
    log.warning("webhook.rejected", path=path, why=str(error))
    security_log.record("webhook_refused", request.remote_addr or "", path=path)
    return _problem(error.status, str(error))


def _unavailable(error: Exception) -> Response:
    log.error("webhook.unavailable", problem=type(error).__name__)
    return _problem(503, "Signpost cannot accept this webhook now. Send it again.")


def _internal_error(_: Exception) -> Response:
    log.exception("webhook.internal_error", path=request.path.rstrip("/"))
    return _problem(500, "Internal error. Send it again.")


def _problem(status: int, detail: str) -> Response:
    """Return a problem document (RFC 9457) with the extra fields `success` and `error`."""
    title = HTTP_STATUS_CODES[status]
    content = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "code": title.lower().replace(" ", "_"),
        "detail": detail,
        "success": False,
        "error": detail,
    }
    response = WebhookResponse(json.dumps(content), status, content_type=PROBLEM)
    if status in HEADERS:
        response.headers.add(*HEADERS[status])
    return response
