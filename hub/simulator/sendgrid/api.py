"""SendGrid's API: mail send, and the scopes of the key.

https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send
"""

from __future__ import annotations

import hmac
import json
import secrets
import time
from typing import Any

from flask import Blueprint, Response, jsonify, request

from hub.core.data_dir import SimulatorCredentials
from hub.simulator.context import SimulatorContext, current_simulator
from hub.simulator.fault import find_fault
from hub.simulator.sendgrid import scripted_faults
from hub.simulator.sendgrid.events import new_event
from hub.simulator.sendgrid.letter import InvalidRequest, check_request, email_of
from hub.simulator.sendgrid.templates import TEMPLATES, find_template

PROVIDER = "sendgrid"
READ_ONLY = "read-only"  # the last part of a key that exists and may not send
GRANT = scripted_faults.GRANT
MAX_REQUEST_SIZE = 30 * 1024 * 1024  # bytes

api = Blueprint("sendgrid_api", __name__, url_prefix="/v3")


class ApiError(Exception):
    """The API refuses a request: an HTTP status and one error."""

    def __init__(self, status: int, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.field = field


@api.errorhandler(ApiError)
def error_response(error: ApiError) -> Response:
    errors = [{"message": error.message, "field": error.field, "help": None}]
    response = jsonify(errors=errors)
    response.status_code = error.status
    if error.status == 429:
        response.headers["X-RateLimit-Limit"] = "1"
        response.headers["X-RateLimit-Remaining"] = "0"
        response.headers["X-RateLimit-Reset"] = str(int(time.time()) + 1)
    return response


@api.errorhandler(InvalidRequest)
def invalid_response(error: InvalidRequest) -> Response:
    return error_response(ApiError(400, error.message, error.field))


@api.get("/scopes")
def scopes() -> Response:
    """Return what the key may do."""
    key = _check_key(current_simulator())
    granted = [] if key.endswith(READ_ONLY) else ["mail.send", "templates.read"]
    return jsonify(scopes=[*granted, "user.scheduled_sends.read"])


@api.get("/templates")
def list_templates() -> Response:
    """Return the dynamic templates without their texts."""
    _check_template_access()
    return jsonify(result=[template.listed() for template in TEMPLATES], _metadata={"count": 2})


@api.get("/templates/<template_id>/versions/<version_id>")
def template_version(template_id: str, version_id: str) -> Response:
    """Return a version of a template with its texts."""
    _check_template_access()
    template = find_template(template_id)
    if template is None or template.version_id != version_id:
        raise ApiError(404, "Not found")
    return jsonify(template.version())


def _check_template_access() -> None:
    if _check_key(current_simulator()).endswith(READ_ONLY):
        raise ApiError(403, "access forbidden")


@api.post("/mail/send")
def mail_send() -> Response:
    """Accept a message, and report on it a moment later."""
    simulator = current_simulator()
    request.max_content_length = MAX_REQUEST_SIZE
    if _check_key(simulator).endswith(READ_ONLY):
        raise ApiError(403, "access forbidden")
    _apply_faults(simulator)
    content = _content()
    recipient = check_request(content)
    if content.get("mail_settings", {}).get("sandbox_mode", {}).get("enable") is True:
        return Response(status=200)
    fault = find_fault(scripted_faults.ALL_REFUSED, recipient)
    text = json.dumps(content.get("content"))
    if fault and fault.should_refuse(lambda: simulator.store.is_first_attempt(recipient, text)):
        raise ApiError(fault.status, fault.error, fault.field)
    provider_id = secrets.token_urlsafe(16)
    _accept(simulator, content, recipient, provider_id)
    if fault and fault.breaks:
        raise ApiError(fault.status, fault.error, fault.field)
    simulator.pause(fault.hangs if fault else 0)
    return Response(status=202, headers={"X-Message-Id": provider_id})


def _accept(
    simulator: SimulatorContext, content: dict[str, Any], recipient: str, provider_id: str
) -> None:
    arguments = content.get("custom_args", {})
    simulator.mailbox.add(
        content["from"]["email"],
        recipient,
        email_of(content, recipient),
        via={"provider": PROVIDER, "id": provider_id, "arguments": arguments, "request": content},
    )
    kinds, repeats = scripted_faults.events_for(recipient)
    events = [new_event(dict(kind), recipient, provider_id, arguments) for kind in kinds]
    simulator.event_webhook.add(events, repeats=repeats)


def key_of(credentials: SimulatorCredentials) -> str:
    """Return the API key of the simulated account."""
    key_id = credentials.derive("sendgrid key id", 22)
    return f"SG.{key_id}.{credentials.derive('sendgrid key', 43)}"


def _check_key(simulator: SimulatorContext) -> str:
    """Return the key of a request. Raises ApiError."""
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    known = key_of(simulator.account.credentials)
    read_only = f"{known.rpartition('.')[0]}.{READ_ONLY}-{READ_ONLY}"
    for key in (known, read_only):
        if hmac.compare_digest(given.encode(), key.encode()):
            return key
    raise ApiError(401, GRANT)


def _apply_faults(simulator: SimulatorContext) -> None:
    if simulator.faults.use_refusal() or simulator.faults.is_rate_limited():
        raise ApiError(429, "too many requests")
    if simulator.faults.use_failure():
        raise ApiError(500, "Internal Server Error")
    simulator.pause(simulator.faults.latency)


def _content() -> dict[str, Any]:
    try:
        content = json.loads(request.get_data())
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise ApiError(400, "Bad Request")
    return content
