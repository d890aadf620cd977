"""Decorators that limit how often a user may post to a page, and how often sign-ins may fail.

Place them below `@needs`, so that the guard identifies the user first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response, g, make_response, request
from flask_limiter import RequestLimit, RouteLimit

from hub.accounts import rate_limits
from hub.accounts.rate_limits import FailedSignInLimit, RateLimited, UserRateLimit, limiter
from hub.admin.auth import guard
from hub.admin.view import error_pages
from hub.shared.security_log import find_network

Respond = Callable[[RateLimited], Any]


def render_rate_limit_error(refusal: RateLimited) -> Response:
    """Return the error page of an exceeded rate limit."""
    return error_pages.page(429, reason=str(refusal), retry_after=refusal.retry_after)


def rate_limit(
    limit: UserRateLimit,
    respond: Respond = render_rate_limit_error,
    *,
    applies_when: Callable[[], bool] | None = None,
) -> RouteLimit:
    """Limit how often a user may post to a view. `respond` returns the response when the limit is
    exceeded; `applies_when` selects the requests that count.
    """

    def _breached(breach: RequestLimit) -> Response:
        return make_response(respond(limit.make_error(breach)))

    return limiter.shared_limit(
        limit.rate,
        limit.name,
        key_func=lambda: str(g.user.id),
        methods=["POST"],
        exempt_when=None if applies_when is None else lambda: not applies_when(),
        on_breach=_breached,
    )


def limit_visitors(limit: UserRateLimit) -> RouteLimit:
    """Limit how often a network may post to a page that needs no sign-in."""

    def _breached(breach: RequestLimit) -> Response:
        return render_rate_limit_error(limit.make_error(breach))

    return limiter.shared_limit(
        limit.rate, limit.name, key_func=client_network, methods=["POST"], on_breach=_breached
    )


def limit_failed_sign_ins(
    limit: FailedSignInLimit, key: Callable[[], str], respond: Respond
) -> RouteLimit:
    """Limit failed sign-ins, except from browsers that have signed in to the account before."""

    def _breached(breach: RequestLimit) -> Response:
        return make_response(respond(limit.make_error(breach)))

    return limiter.shared_limit(
        limit.rate,
        limit.name,
        key_func=key,
        methods=["POST"],
        exempt_when=lambda: bool(guard.find_known_browser(_email())),
        deduct_when=lambda _: bool(g.get("sign_in_failed")),
        on_breach=_breached,
    )


def limit_wrong_links(name: str) -> RouteLimit:
    """Limit how many links with a wrong token a network may open or post to.

    Valid links are not counted: a mail provider uses those of many recipients.
    """

    def _breached(breach: RequestLimit) -> Response:
        return render_rate_limit_error(rate_limits.wrong_links_error(breach))

    return limiter.shared_limit(
        rate_limits.WRONG_LINKS,
        name,
        key_func=client_network,
        deduct_when=lambda response: response.status_code == 404,
        on_breach=_breached,
    )


def client_network() -> str:
    """Return the network that the request comes from."""
    return find_network(request.remote_addr or "") or "unknown"


def account_key() -> str:
    """Return the key of the account of a sign-in."""
    return rate_limits.account_key(_email())


def _email() -> str:
    return request.form.get("email", "")
