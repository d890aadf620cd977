"""Responses that the web server returns itself, as problem details like those of the API."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import NamedTuple

from gunicorn.http.errors import (
    ExpectationFailed,
    LimitRequestHeaders,
    LimitRequestLine,
    UnsupportedTransferCoding,
)


class Refusal(NamedTuple):
    """A status with its code and a remedy."""

    status: HTTPStatus
    code: str
    detail: str


BROKEN = Refusal(
    HTTPStatus.BAD_REQUEST,
    "bad_request",
    "The request is not valid HTTP, or its body is malformed. Check the client and send it again.",
)
TOO_SLOW = Refusal(
    HTTPStatus.REQUEST_TIMEOUT,
    "request_timeout",
    "The request was not complete within 10 seconds. Send it again over a faster connection.",
)
BUSY = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "unavailable",
    "The web server is at its limit of connections or memory. Repeat the request.",
)
FAULT = Refusal(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "fault",
    "Signpost could not respond. Repeat the request. The log has the details.",
)
_BY_ERROR = {
    LimitRequestLine: Refusal(
        HTTPStatus.REQUEST_URI_TOO_LONG,
        "uri_too_long",
        "The address is longer than 8,190 bytes. Move data into the body.",
    ),
    LimitRequestHeaders: Refusal(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "headers_too_large",
        "The headers are too large: at most 100, 8,190 bytes each and 32 KiB together.",
    ),
    ExpectationFailed: Refusal(
        HTTPStatus.EXPECTATION_FAILED,
        "expectation_failed",
        "The only expectation that is supported is 100-continue.",
    ),
    UnsupportedTransferCoding: Refusal(
        HTTPStatus.NOT_IMPLEMENTED,
        "unsupported_transfer_coding",
        "The only transfer coding that is supported is chunked.",
    ),
}


def refusal_for_error(error: Exception) -> Refusal:
    """Return the refusal for an error of gunicorn's parser."""
    return _BY_ERROR.get(type(error), BROKEN)


def build_response(refusal: Refusal) -> bytes:
    """Return a complete response, after which the connection is closed."""
    status = refusal.status
    problem_type = "about:blank" if status >= 500 else f"urn:signpost:problem:{refusal.code}"
    body = json.dumps(
        {
            "type": problem_type,
            "title": status.phrase,
            "status": status.value,
            "code": refusal.code,
            "detail": refusal.detail,
        }
    ).encode()
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Connection: close",
    ]
    if refusal is BUSY:
        lines.append("Retry-After: 5")
    return "\r\n".join([*lines, "", ""]).encode() + body
