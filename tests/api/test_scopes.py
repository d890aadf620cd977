"""Scopes, expiry and rate limit of API keys, over every route of the API."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import update
from werkzeug.routing import Rule

from hub.accounts import api_keys
from hub.accounts.api_keys import KeyPermissions
from hub.api.operations import find_operation, list_routes
from hub.api.scopes import PUBLIC
from hub.core.errors import Conflict, Refused
from hub.core.vocabulary import Scope
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.models import ApiKey
from tests.api.conftest import StrictApp
from tests.hub_fixtures import SigningApp, json_of
from tests.hub_fixtures import hub_demo as hub_demo


def api_rules(app: Flask) -> Iterator[Rule]:
    """Return every route of the API, without webhooks of providers."""
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/api/") and not rule.rule.startswith("/api/rpc/"):
            yield rule


def call_with_unknown_id(app: SigningApp, rule: Rule) -> int:
    """Call a route with an unknown ID and an empty body, and return the status."""
    path = re.sub(r"<[^>]+>", "nothing", rule.rule)
    method = min((rule.methods or set()) - {"HEAD", "OPTIONS"})
    headers = {"Authorization": f"Bearer {app.key}"}
    return app.client.open(path, method=method, headers=headers).status_code


def app_with_scopes(client: SigningApp, *scopes: Scope) -> SigningApp:
    text = api_keys.create_key("Narrow", test=True, grant=KeyPermissions(scopes=scopes))
    return SigningApp(client.client, text)


# ── The table ─────────────────────────────────────────────────────────────────────────────────────
def test_every_route_requires_one_scope_or_is_public(app: Flask) -> None:
    endpoints = {rule.endpoint for rule in api_rules(app)}
    declared = {route.endpoint: route.operation.scope for route in list_routes(app)}
    assert endpoints == declared.keys() | PUBLIC
    assert not declared.keys() & PUBLIC
    assert set(declared.values()) <= set(Scope)


def test_key_opens_only_routes_of_its_scopes(app: Flask, signing_app: StrictApp) -> None:
    for scope in Scope:
        caller = app_with_scopes(signing_app, scope)
        for rule in api_rules(app):
            if rule.endpoint in PUBLIC:
                continue
            status = call_with_unknown_id(caller, rule)
            declared = find_operation(app, rule.endpoint)
            assert declared is not None
            allowed = declared.scope == scope
            assert (status != 403) is allowed, f"{rule.rule} with {scope} alone answers {status}"
            assert status < 500


def test_error_names_the_missing_scope(app: Flask, signing_app: StrictApp) -> None:
    caller = StrictApp(signing_app.client, app_with_scopes(signing_app, Scope.EVENTS_WRITE).key)
    answer = caller.get("/messages")
    assert answer.status_code == 403
    problem = json_of(answer)
    assert (problem["code"], problem["scope"]) == ("missing_scope", "messages:read")
    assert "messages:read" in problem["detail"]
    assert 'scope="messages:read"' in answer.headers["WWW-Authenticate"]


def test_document_states_the_scope_of_each_operation(signing_app: StrictApp, app: Flask) -> None:
    document = signing_app.client.get("/api/v1/openapi.json").json
    assert document is not None
    for route in list_routes(app):
        operation = document["paths"][route.path][route.method]
        scope = route.operation.scope.value
        assert operation["security"] == [{"key": [scope]}]
        assert f"`{scope}`" in operation["description"]
        assert {"403", "429"} <= operation["responses"].keys()
        assert "RateLimit" in operation["responses"][str(route.operation.status)]["headers"]


def test_key_has_every_scope_by_default(app: Flask, signing_app: StrictApp) -> None:
    key = api_keys.find_key(api_keys.create_key("Wide", test=True))
    assert key is not None
    assert key.scopes == frozenset(Scope)


@pytest.mark.parametrize("scopes", [(), ("everything",), ("messages:read", "*")])
def test_unknown_scopes_are_refused(signing_app: StrictApp, scopes: tuple[str, ...]) -> None:
    with pytest.raises(Refused) as refusal:
        api_keys.create_key("Odd", test=True, grant=KeyPermissions(scopes=scopes))
    assert refusal.value.field == "scopes"


# ── Expiry ────────────────────────────────────────────────────────────────────────────────────────
def test_expired_key_gets_the_same_error_on_every_route(app: Flask, signing_app: StrictApp) -> None:
    text = api_keys.create_key(
        "Brief", test=True, grant=KeyPermissions(expires_at=now() + timedelta(hours=1))
    )
    caller = StrictApp(signing_app.client, text)
    assert caller.get("/messages").status_code == 200
    expire("Brief")
    for rule in api_rules(app):
        if rule.endpoint not in PUBLIC:
            assert call_with_unknown_id(caller, rule) == 401
    answer = caller.get("/messages")
    assert json_of(answer)["code"] == "key_expired"
    assert "Brief" not in answer.text
    assert "RateLimit" not in answer.headers


def test_expired_and_revoked_key_is_unauthorized(signing_app: StrictApp) -> None:
    text = api_keys.create_key(
        "Brief", test=True, grant=KeyPermissions(expires_at=now() + timedelta(hours=1))
    )
    key = api_keys.find_key(text)
    assert key is not None
    api_keys.revoke_key(key.id)
    expire("Brief")
    answer = StrictApp(signing_app.client, text).get("/messages")
    assert (answer.status_code, json_of(answer)["code"]) == (401, "unauthorized")


@transaction
def expire(name: str) -> None:
    before = now() - timedelta(seconds=1)
    db.session.execute(update(ApiKey).where(ApiKey.name == name).values(expires_at=before))


@pytest.mark.parametrize("days", [-1, 3661, 2_000_000])
def test_expiry_must_be_in_the_near_future(signing_app: StrictApp, days: int) -> None:
    with pytest.raises(Refused) as refusal:
        api_keys.create_key(
            "Odd", test=True, grant=KeyPermissions(expires_at=now() + timedelta(days=days))
        )
    assert refusal.value.field == "expires_at"


def test_scopes_can_be_changed_until_the_key_is_revoked(signing_app: StrictApp) -> None:
    text = api_keys.create_key(
        "Narrow", test=True, grant=KeyPermissions(scopes=[Scope.MESSAGES_READ])
    )
    key = api_keys.find_key(text)
    assert key is not None
    caller = SigningApp(signing_app.client, text)
    assert caller.get("/suppressions").status_code == 403
    api_keys.update_key(key.id, KeyPermissions(scopes=[Scope.CONTACTS_READ]))
    assert caller.get("/suppressions").status_code == 200
    assert caller.get("/messages").status_code == 403
    expire("Narrow")
    api_keys.update_key(
        key.id, KeyPermissions(expires_at=load_key(key.id).expires_at, per_minute=5)
    )
    api_keys.update_key(key.id, KeyPermissions())
    assert caller.get("/messages").status_code == 200
    api_keys.revoke_key(key.id)
    with pytest.raises(Conflict):
        api_keys.update_key(key.id, KeyPermissions())


def load_key(key_id: str) -> ApiKey:
    db.session.rollback()
    return db.session.get_one(ApiKey, key_id)


# ── The limit ─────────────────────────────────────────────────────────────────────────────────────
def test_key_over_its_limit_gets_a_retry_after(app: Flask, signing_app: StrictApp) -> None:
    text = api_keys.create_key("Slow", test=True, grant=KeyPermissions(per_minute=3))
    caller = StrictApp(signing_app.client, text)
    requests_left = []
    for _ in range(3):
        answer = caller.get("/messages")
        assert answer.status_code == 200
        assert answer.headers["RateLimit-Policy"] == '"key";q=3;w=60'
        match = re.fullmatch(r'"key";r=(\d+);t=(\d+)', answer.headers["RateLimit"])
        assert match
        requests_left.append(int(match[1]))
        assert 1 <= int(match[2]) <= 60
    assert requests_left == [2, 1, 0]
    answer = caller.post("/events", {"type": "request.sent"})
    assert answer.status_code == 429
    assert json_of(answer)["code"] == "too_many_requests"
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert f"Wait {answer.headers['Retry-After']} seconds" in json_of(answer)["detail"]
    assert answer.headers["RateLimit"].startswith('"key";r=0;t=')
    assert signing_app.get("/messages").status_code == 200, "each key has its own limit"


class TestWithALowLimit:
    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"HUB_API_PER_MINUTE": "4"}

    def test_default_limit_applies_to_keys_without_their_own(
        self, app: Flask, signing_app: StrictApp
    ) -> None:
        faster_key = api_keys.create_key("Faster", test=True, grant=KeyPermissions(per_minute=20))
        faster = StrictApp(signing_app.client, faster_key)
        with time_machine.travel(now(), tick=False):  # the minute does not end meanwhile
            usual = [signing_app.get("/messages").status_code for _ in range(5)]
            statuses = [faster.get("/messages").status_code for _ in range(5)]
        assert usual == [200] * 4 + [429]
        assert statuses == [200] * 5


# ── No proxy or browser stores a response ─────────────────────────────────────────────────────────
def test_api_responses_are_not_cached_except_the_document(
    app: Flask, signing_app: StrictApp
) -> None:
    nobody = SigningApp(signing_app.client, "")
    for rule in api_rules(app):
        if rule.endpoint in PUBLIC:
            continue
        path = re.sub(r"<[^>]+>", "nothing", rule.rule)
        method = min((rule.methods or set()) - {"HEAD", "OPTIONS"})
        for caller in (signing_app, nobody):
            headers = {"Authorization": f"Bearer {caller.key}"}
            answer = caller.client.open(path, method=method, headers=headers)
            assert answer.headers["Cache-Control"] == "no-store", rule.rule
    for path in ("/api/v1/nothing", "/api/v1/messages/x/y", "/api/files/nothing/nothing"):
        answer = signing_app.client.get(path)
        assert "no-store" in answer.headers["Cache-Control"], path
    document = signing_app.client.get("/api/v1/openapi.json")
    assert "no-store" not in document.headers["Cache-Control"]
