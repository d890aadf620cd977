"""The door of the providers: /api/rpc/webhooks/….

Verify, store, answer; everything else happens later.

It stands beside the Flask application, in its context: callbacks come hundreds of times a second,
and have no use for sessions, cookies, forms or limits.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import structlog
from flask import Flask, current_app
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    MethodNotAllowed,
    NotFound,
    RequestEntityTooLarge,
)
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.wsgi import get_input_stream

from hub import integrations
from hub.core.config import LARGEST_BODY, Config
from hub.core.errors import BadWebhook
from hub.db.group_commit import WriteFailed
from hub.intake import provider_callbacks
from hub.integrations.base import WebhookRequest
from hub.integrations.webhook_receiver import WebhookReceiver
from hub.lib.storable import is_storable
from hub.shared import action_tokens, security_log
from hub.webhooks import target

log = structlog.get_logger(__name__)

PREFIX = "/api/rpc/webhooks/"
UNAVAILABLE = (SQLAlchemyError, WriteFailed, provider_callbacks.CannotVerify)


def init_app(app: Flask) -> None:
    """Open the door in front of the application."""
    app.wsgi_app = Door(app)  # type: ignore[method-assign]


class Door:
    """Answers what is posted to a path that an integration declares, and lets everything else
    through.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._next = app.wsgi_app
        self._paths = integrations.webhook_paths()

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if not path.startswith(PREFIX):
            return self._next(environ, start_response)
        with self._app.app_context():
            status, kind, text = self._answer(environ, path[len(PREFIX) :].rstrip("/"))
        body = text.encode()
        headers = [
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            *_ALSO.get(status, ()),
        ]
        start_response(f"{status} {HTTP_STATUS_CODES[status]}", headers)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    def _answer(self, environ: dict[str, Any], name: str) -> tuple[int, str, str]:
        try:
            return 200, *self._take(environ, name)
        except BadWebhook as problem:
            log.warning("webhook.refused", path=PREFIX + name, why=str(problem))
            security_log.record(
                "webhook_refused", environ.get("REMOTE_ADDR", ""), path=PREFIX + name
            )
            return _failed(403, str(problem))
        except UNAVAILABLE as problem:
            log.error("webhook.not_taken", problem=type(problem).__name__)
            return _failed(503, "Signpost cannot accept this webhook now. Send it again.")
        except HTTPException as problem:
            return _failed(problem.code or 500, _REFUSALS.get(problem.code or 500) or problem.name)
        except Exception:
            log.exception("webhook.failed", path=PREFIX + name)
            return _failed(500, "Internal error. Send it again.")

    def _take(self, environ: dict[str, Any], name: str) -> tuple[str, str]:
        """Take one webhook; return what to say to the provider: content type and text."""
        path, connection, sharing = self._find(name)
        method = environ["REQUEST_METHOD"]
        headers = _headers(environ)
        addresses = _addresses(environ)
        if not is_storable("".join((*addresses, *headers.values()))):
            raise BadRequest
        body = _body(environ) if method == "POST" else b""
        calls = [WebhookRequest(method, url, path, headers, body, connection) for url in addresses]
        tested = next(filter(None, (cls.probe_response(calls[0]) for cls in sharing)), None)
        if tested is not None:
            return tested
        if method != "POST":
            raise MethodNotAllowed
        call, proof = _verify(calls, sharing)
        new = provider_callbacks.store(call, proof)
        integration = proof.integration
        if (pressed := integration.clicked_tokens(call)) and not any(
            map(action_tokens.is_genuine, pressed)
        ):
            return integration.foreign_click_response(call)
        return integration.webhook_response(call, new)

    def _find(self, name: str) -> tuple[str, str, Sequence[type[WebhookReceiver]]]:
        """Return the path as declared, the connection that it names, and the integrations that
        share it.
        """
        declared, _, connection = name.rpartition("/")
        for path, slug in ((name, ""), (f"{declared}/{{connection}}", connection)):
            if path in self._paths and "{" not in name and is_storable(slug):
                return path, slug, self._paths[path]
        raise NotFound


def _body(environ: dict[str, Any]) -> bytes:
    body = get_input_stream(environ, max_content_length=LARGEST_BODY + 1).read()
    if len(body) > LARGEST_BODY:
        raise RequestEntityTooLarge
    return body


def _headers(environ: Mapping[str, Any]) -> dict[str, str]:
    found = {
        name[5:].replace("_", "-").lower(): text
        for name, text in environ.items()
        if name.startswith("HTTP_")
    }
    return found | {"content-type": environ.get("CONTENT_TYPE", "")}


def _addresses(environ: Mapping[str, Any]) -> tuple[str, ...]:
    config: Config = current_app.extensions["hub.config"]
    return target.addresses(environ, config.public_url, config.path_prefix)


def _verify(
    calls: Sequence[WebhookRequest], sharing: Sequence[type[WebhookReceiver]]
) -> tuple[WebhookRequest, provider_callbacks.VerifiedBy]:
    """Return the genuine one of calls that differ in the address only. Raises BadWebhook."""
    *others, last = calls
    for call in others:
        try:
            return call, provider_callbacks.verify(call, sharing)
        except BadWebhook:
            continue
    return last, provider_callbacks.verify(last, sharing)


def _failed(status: int, why: str) -> tuple[int, str, str]:
    """Return a problem document (RFC 9457) that also says `success` and `error`, as every answer
    here does.
    """
    title = HTTP_STATUS_CODES[status]
    content = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "code": title.lower().replace(" ", "_"),
        "detail": why,
        "success": False,
        "error": why,
    }
    return status, "application/problem+json", json.dumps(content)


_REFUSALS = {
    400: (
        "The request is malformed or incomplete, or contains a character such as NUL. Send it"
        " again."
    ),
    404: "No integration receives webhooks at this address.",
    405: "Send webhooks with POST.",
    413: "The body is larger than 256 KiB.",
}
_ALSO: Mapping[int, Sequence[tuple[str, str]]] = {
    405: [("Allow", "POST")],
    503: [("Retry-After", "5")],
}
