"""Checks of requests for pages and the API, and the security headers of their responses.

They are attached to blueprints, so that webhooks, which arrive hundreds of times per second, skip
them.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, current_app, request
from werkzeug.exceptions import BadRequest, HTTPException, NotFound, SecurityError

from hub.core.config import Config
from hub.lib.storable import is_storable

# styles and scripts come from our own files only; Bootstrap's sheet contains data: images
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; font-src"
    " 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
HTTPS_ONLY = "max-age=31536000"  # for Strict-Transport-Security
UNSTORABLE = (
    "The URL or a header contains a character that cannot be stored, such as NUL. Remove it."
)


def add_request_checks(
    blueprint: Blueprint, *, any_host: bool = False, link_hosts: bool = False
) -> None:
    """Check the requests of a blueprint, and add the security headers to its responses.

    `any_host` admits requests under every name, such as those of a load balancer. `link_hosts`
    admits those under the domain of short links.
    """
    if link_hosts:
        blueprint.before_request(_check_link_host)
    elif not any_host:
        blueprint.before_request(_check_host)
    blueprint.before_request(_check_text)
    blueprint.after_request(add_headers)


def with_request_checks(
    reply: Callable[[HTTPException], Response],
) -> Callable[[HTTPException], Response]:
    """Return an error handler that also runs these checks for requests outside of any blueprint."""

    def respond(error: HTTPException) -> Response:
        if request.routing_exception is None:  # its blueprint has checked it
            return reply(error)
        try:
            _check_host()
            _check_text()
        except HTTPException as refusal:
            error = refusal
        return add_headers(reply(error))

    return respond


def _check_host() -> None:
    """Reject requests with an unknown Host header."""
    config = _config()
    if request.environ.get("HTTP_HOST", "").lower() not in config.hosts:
        raise SecurityError(
            f"The URL of Signpost is {config.public_url}, but the request has a different Host"
            " header."
        )


def _check_link_host() -> None:
    """Reject requests with a Host header that names neither Signpost nor its short links."""
    if request.environ.get("HTTP_HOST", "").lower() not in _config().link_hosts:
        _check_host()


def _check_text() -> None:
    """Reject URLs and headers with characters that cannot be stored.

    The API checks bodies and addresses where it reads them.
    """
    environ = request.environ
    if not is_storable("".join(text for name, text in environ.items() if name.startswith("HTTP_"))):
        raise BadRequest(UNSTORABLE)
    if request.path.startswith("/api/"):
        return
    if not is_storable(environ["PATH_INFO"]):
        raise NotFound
    if "%00" in environ.get("QUERY_STRING", ""):
        raise BadRequest(UNSTORABLE)


def add_headers(response: Response) -> Response:
    """Add the security headers that a response does not have."""
    headers = response.headers
    # one pass, because Werkzeug looks through all headers for each one that it sets
    existing = {name.lower() for name, _ in headers}
    if _config().https and "strict-transport-security" not in existing:
        headers.add("Strict-Transport-Security", HTTPS_ONLY)
    for name, value in HEADERS.items():
        if name.lower() not in existing:
            headers.add(name, value)
    return response


def _config() -> Config:
    config: Config = current_app.extensions["hub.config"]
    return config
