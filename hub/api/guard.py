"""Who asks: an API key in `Authorization: Bearer …`, never a cookie."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, g, request

from hub import audit
from hub.accounts import api_keys
from hub.api.problems import Problem


@dataclass(frozen=True)
class Caller:
    """The key that a request came with."""

    key_id: str
    source_id: str
    test: bool


def protect(blueprint: Blueprint) -> None:
    """Guard every route of a blueprint and of those inside it."""

    @blueprint.before_request
    def _guard() -> None:
        g.caller = _caller()


def caller() -> Caller:
    """Return who makes this request."""
    found: Caller = g.caller
    return found


def _caller() -> Caller:
    kind, _, text = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not text.strip():
        raise Problem(401, "unauthorized", "Give an API key: Authorization: Bearer sp_live_… or sp_test_…")
    key = api_keys.authenticate(text.strip())
    if key is None:
        raise Problem(401, "unauthorized", "This API key is unknown, revoked or expired. Make one under Settings, API keys.")
    audit.act_as(audit.Actor(f"API key {key.name}"))
    return Caller(key.id, key.source_id, key.test)
