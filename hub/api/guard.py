"""Authenticate API requests: an API key in `Authorization: Bearer …`, never a cookie."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, Response, current_app, g, request

from hub.accounts import api_key_rate_limits, api_keys
from hub.accounts.api_key_rate_limits import MINUTE, RateLimitStatus
from hub.api.operations import find_operation
from hub.api.problems import Problem
from hub.db.store import begin_request
from hub.shared import audit, security_log


@dataclass(frozen=True)
class Caller:
    """The API key of a request."""

    key_id: str
    source_id: str
    test: bool


def require_api_key(blueprint: Blueprint) -> None:
    """Require an API key, its rate limit and its scope on every route of a blueprint."""

    @blueprint.before_request
    def _guard() -> None:
        g.quota = None  # a request without a valid key gets no headers about a quota
        key = _authenticate()
        audit.act_as(audit.Actor(f"API key {key.name}"))
        g.caller = Caller(key.id, key.source_id, key.test)
        g.quota = quota = api_key_rate_limits.count_request(key.id, key.per_minute)
        if not quota.allowed:
            raise _too_many(quota)
        _check_scope(key)
        begin_request()

    @blueprint.after_request
    def _describe(response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"
        quota: RateLimitStatus | None = g.get("quota")
        if quota is not None:  # the form of draft-ietf-httpapi-ratelimit-headers-10 and -11
            response.headers["RateLimit-Policy"] = f'"key";q={quota.limit};w={MINUTE}'
            response.headers["RateLimit"] = f'"key";r={quota.remaining};t={quota.seconds_left}'
        return response

    @blueprint.after_request
    def _note_refusal(response: Response) -> Response:
        if response.status_code == 401:
            bearer = request.headers.get("Authorization", "").partition(" ")[2].strip()
            if bearer:
                details = api_keys.describe_refused(bearer)
                security_log.record("key_refused", request.remote_addr or "", **details)
        elif response.status_code == 403:
            actor = {"actor_name": audit.actor().name} if "caller" in g else {}
            path = request.url_rule.rule if request.url_rule else ""
            security_log.record("forbidden", request.remote_addr or "", **actor, path=path)
        return response


def current_caller() -> Caller:
    """Return the caller of the current request."""
    current: Caller = g.caller
    return current


def _authenticate() -> api_keys.AuthenticatedKey:
    kind, _, text = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not text.strip():
        raise Problem(
            401, "unauthorized", "Send an API key: Authorization: Bearer sp_live_… or sp_test_…"
        )
    key = api_keys.authenticate(text.strip())
    if key is not None:
        return key
    if api_keys.has_expired(text.strip()):
        reason = "This API key has expired. Ask an admin for a new one: Settings, API keys."
        raise Problem(401, "key_expired", reason)
    reason = "This API key is unknown or revoked. Create one under Settings, API keys."
    raise Problem(401, "unauthorized", reason)


def _check_scope(key: api_keys.AuthenticatedKey) -> None:
    operation = find_operation(current_app, request.endpoint)
    if operation is None:
        raise Problem(403, "forbidden", "API keys cannot access this endpoint.")
    needed = operation.scope
    if needed not in key.scopes:
        reason = (
            f"This API key lacks the scope {needed}. An admin can add it under Settings, API keys."
        )
        challenge = f'Bearer realm="Signpost", error="insufficient_scope", scope="{needed}"'
        headers = {"WWW-Authenticate": challenge}
        raise Problem(403, "missing_scope", reason, scope=needed, headers=headers)


def _too_many(quota: RateLimitStatus) -> Problem:
    reason = (
        f"This API key is limited to {quota.limit:,} requests per minute. Wait"
        f" {quota.seconds_left} seconds and repeat the request. An admin sets the limit under"
        " Settings, API keys."
    )
    return Problem(
        429, "too_many_requests", reason, headers={"Retry-After": str(quota.seconds_left)}
    )
