"""Return errors of the API as RFC 9457 problem details, with a code and the invalid field."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import structlog
from flask import Blueprint, Response, request
from pydantic import ValidationError
from sqlalchemy.exc import (
    DataError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
    TimeoutError,
)
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from hub.core.errors import HubError, Refused
from hub.db import store
from hub.db.group_commit import WriteFailed

log = structlog.get_logger(__name__)

KIND = "application/problem+json"


class Problem(Exception):
    """An error with the status, code and detail of its response."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        field: str = "",
        errors: list[dict[str, str]] | None = None,
        scope: str = "",
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.status = status
        self.code = code
        self.detail = detail
        self.field = field
        self.errors = errors
        self.scope = scope
        self.headers = headers
        super().__init__(detail)


def register_error_handlers(blueprint: Blueprint) -> None:
    """Return problem details for the errors of a blueprint and its nested blueprints."""
    for kind, reply in (
        (Problem, problem_response),
        (Refused, _refused),
        (ValidationError, _invalid),
        (HubError, _handle_hub_error),
        (WriteFailed, _unavailable),
        (DataError, _handle_data_error),
        (OperationalError, _unavailable),
        (InterfaceError, _unavailable),
        (TimeoutError, _unavailable),
        (HTTPException, http_problem),
        (Exception, _handle_unexpected_error),
    ):
        blueprint.register_error_handler(kind, reply)


def problem_response(problem: Problem) -> Response:
    """Return the response for a problem."""
    content: dict[str, Any] = {
        "type": "about:blank" if problem.status >= 500 else f"urn:signpost:problem:{problem.code}",
        "title": _TITLES.get(problem.status, "Error"),
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail,
    }
    if problem.field:
        content["field"] = problem.field
    if problem.errors:
        content["errors"] = problem.errors
    if problem.scope:
        content["scope"] = problem.scope
    response = Response(json.dumps(content, ensure_ascii=False), problem.status, content_type=KIND)
    response.headers["Cache-Control"] = "no-store"
    if problem.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="Signpost"'
    response.headers.update(problem.headers)
    if problem.status == 503:
        response.headers["Retry-After"] = "5"
    return response


_TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Body too large",
    415: "Unsupported content type",
    422: "Validation failed",
    429: "Too many requests",
    500: "Internal error",
    503: "Service unavailable",
}


def _refused(problem: Refused) -> Response:
    return problem_response(
        Problem(problem.status, problem.code, str(problem), field=problem.field)
    )


def _invalid(problem: ValidationError) -> Response:
    invalid = problem.errors(include_url=False, include_input=False)
    # JSON that pydantic refuses but Python's parser accepts, such as a lone surrogate
    if invalid[0]["type"] == "json_invalid":
        return problem_response(
            Problem(
                400,
                "bad_json",
                f"The body is not JSON: {invalid[0]['msg'].removeprefix('Invalid JSON: ')}.",
            )
        )
    errors = [
        {"field": format_error_path(error["loc"]), "code": _code(error), "reason": _reason(error)}
        for error in invalid
    ]
    for error in errors:
        # a check of several fields begins its message with the name of the invalid one
        if not error["field"] and ": " in error["reason"]:
            error["field"], error["reason"] = error["reason"].split(": ", 1)
    first = errors[0]
    detail = ": ".join(filter(None, (first["field"], first["reason"])))
    return problem_response(
        Problem(422, first["code"], detail, field=first["field"], errors=errors)
    )


def format_error_path(location: tuple[int | str, ...]) -> str:
    """Return the path of an error in the body, such as signers[0].mobile_number."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif not part.startswith("<"):  # <…> names a variant of the schema, not a field
            path += f".{part}" if path else part
    return path


_QUOTED = re.compile(r"'([^']*)'")
_BOUNDS = {
    "greater_than_equal": "Use a number of {} or more.",
    "greater_than": "Use a number above {}.",
    "less_than_equal": "Use a number of {} or less.",
    "less_than": "Use a number below {}.",
}


def _code(error: Any) -> str:
    return {"extra_forbidden": "unknown_field", "missing": "missing_field"}.get(
        error["type"], "invalid_field"
    )


def _reason(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "This field does not exist. Check the spelling or remove it."
    if error["type"] == "missing":
        return "This field is required."
    if error["type"] in ("model_type", "model_attributes_type", "dict_type"):
        return "Send a JSON object." if error["loc"] else "The body must be a JSON object."
    if error["type"] in ("literal_error", "enum"):
        return f"Use one of {', '.join(_QUOTED.findall(error['ctx']['expected']))}."
    for bound, words in _BOUNDS.items():
        if error["type"] == bound:
            return words.format(*error["ctx"].values())
    return str(error["msg"]).removeprefix("Value error, ")


def _handle_hub_error(problem: HubError) -> Response:
    log.error("api.hub_error", path=request.path, problem=type(problem).__name__, why=str(problem))
    return problem_response(Problem(503, "not_configured", str(problem)))


def _handle_data_error(problem: DataError) -> Response:
    log.warning("api.invalid_value", path=request.path, problem=type(problem.orig).__name__)
    return problem_response(
        Problem(
            422,
            "invalid_field",
            "A value contains characters that cannot be stored or searched. Remove them.",
        )
    )


def _unavailable(problem: SQLAlchemyError | WriteFailed) -> Response:
    log.error("database.unreachable", problem=type(problem).__name__)
    return problem_response(
        Problem(503, "unavailable", f"The database cannot be reached. {_storage_status()}")
    )


def _handle_unexpected_error(problem: Exception) -> Response:
    log.exception("api.internal_error", path=request.path)
    return problem_response(
        Problem(
            500,
            "fault",
            f"Signpost had an internal error. Its log has the details. {_storage_status()}",
        )
    )


def _storage_status() -> str:
    """Return the sentences that say whether the change was stored, and the next step."""
    return {
        store.NOTHING: "Nothing was stored. Repeat the request.",
        store.UNKNOWN: (
            "Signpost does not know whether the request was stored. Repeat it with the same"
            " Idempotency-Key, or check before you repeat it."
        ),
        store.STORED: (
            "The change was stored, and only this response failed. Do not repeat the"
            " request. Get the stored object instead."
        ),
    }[store.request_outcome()]


def http_problem(problem: HTTPException) -> Response:
    """Return the problem details of an HTTP error, such as an unknown URL or method."""
    status = problem.code or 500
    detail = _DETAILS.get(status) or problem.description or problem.name
    response = problem_response(Problem(status, _CODES.get(status, "error"), detail))
    if isinstance(problem, MethodNotAllowed) and problem.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(problem.valid_methods))
    return response


_DETAILS = {
    404: "This endpoint does not exist. See /api/docs.",
    405: "This endpoint does not support this method. See /api/docs.",
    413: "The body is larger than 256 KiB.",
}
_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "not_json",
}
