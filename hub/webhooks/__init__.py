"""The door of the providers: /api/rpc/webhooks/…. Verify, store, answer; everything else happens later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlsplit

import structlog
from flask import Blueprint, Flask, Response, current_app, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from hub import integrations
from hub.config import Config
from hub.errors import BadWebhook
from hub.group_commit import NotStored
from hub.intake import receipts
from hub.integrations.base import WebhookRequest

log = structlog.get_logger(__name__)

PREFIX = "/api/rpc/webhooks/"


def init_app(app: Flask) -> None:
    """Open a route for every path that an integration declares."""
    blueprint = Blueprint("webhooks", __name__)
    for path in integrations.webhook_paths():
        rule = PREFIX + path.replace("{connection}", "<connection>")
        blueprint.add_url_rule(rule, path, receive, methods=["POST"], defaults={"path": path})
    blueprint.register_error_handler(BadWebhook, _not_genuine)
    blueprint.register_error_handler(SQLAlchemyError, _unavailable)
    blueprint.register_error_handler(NotStored, _unavailable)
    blueprint.register_error_handler(receipts.CannotVerify, _unavailable)
    blueprint.register_error_handler(HTTPException, _refused)
    app.register_blueprint(blueprint)
    app.extensions["hub.nowhere"][PREFIX] = _refused


def receive(path: str, connection: str = "") -> Response:
    """Take one webhook."""
    came = cast(Any, request)._get_current_object()  # once: each look through the proxy costs
    call = WebhookRequest(
        method=came.method, url=public_url(came.environ), path=path, connection=connection, body=came.get_data(cache=False),
        headers={name.lower(): value for name, value in came.headers.items()},
    )  # fmt: skip
    sharing = integrations.webhook_paths()[path]
    proof = receipts.verify(call, sharing)
    new = receipts.keep(call, proof)
    kind, text = proof.integration.answer(call, new)
    return Response(text, content_type=kind)


def public_url(environ: Mapping[str, Any]) -> str:
    """Return the address the provider called: our public one and the raw request target, never what a header says."""
    config: Config = current_app.extensions["hub.config"]
    target = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
    if "://" in target.partition("?")[0]:  # absolute form, as a proxy may send it
        parts = urlsplit(target)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
    prefix = config.path_prefix
    if prefix and target.startswith(prefix + "/"):
        target = target[len(prefix) :]
    return config.public_url + target


def _not_genuine(problem: BadWebhook) -> tuple[Response, int]:
    log.warning("webhook.refused", path=request.path, why=str(problem))
    return _json({"success": False, "error": str(problem)}), 403


def _unavailable(problem: Exception) -> tuple[Response, int, dict[str, str]]:
    log.error("webhook.not_taken", problem=type(problem).__name__)
    return _json({"success": False, "error": "This webhook cannot be taken now. Send it again."}), 503, {"Retry-After": "5"}


def _refused(problem: HTTPException) -> tuple[Response, int]:
    status = problem.code or 500
    return _json({"success": False, "error": _REFUSALS.get(status) or problem.name}), status


_REFUSALS = {
    404: "No integration takes webhooks at this address.", 405: "Webhooks are posted.", 413: "The body is larger than 256 KiB.",
}  # fmt: skip


def _json(content: dict[str, object]) -> Response:
    return Response(json.dumps(content), content_type="application/json")
