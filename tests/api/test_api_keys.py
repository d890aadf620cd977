"""API keys give access to the messages of their own source only."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from hub.accounts import api_keys
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.models import ApiKey, Connection
from tests.api.conftest import StrictApp
from tests.api.message_steps import UNKNOWN_ID, send_message
from tests.hub_fixtures import ERIC, event_body, json_of, signer_body


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer sp_test_nonsense", "Basic c3A6", "sp_test_x", "Bearer \x00"],
)
@pytest.mark.parametrize(
    "path", ["/api/v1/messages", f"/api/v1/messages/{UNKNOWN_ID}", "/api/v1/requests/x"]
)
def test_request_without_a_key_is_refused(hub_demo: Flask, header: str, path: str) -> None:
    if "\x00" in header:
        header = "Bearer %00"
    answer = hub_demo.test_client().get(path, headers={"Authorization": header} if header else {})
    assert (answer.status_code, answer.mimetype, json_of(answer)["code"]) == (
        401,
        "application/problem+json",
        "unauthorized",
    )
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_every_route_of_the_api_requires_a_key(hub_demo: Flask) -> None:
    client = hub_demo.test_client()
    for rule in hub_demo.url_map.iter_rules():
        if rule.rule.startswith("/api/v1/") and rule.endpoint != "api_document.openapi":
            for method in rule.methods or set():
                if method not in ("HEAD", "OPTIONS"):
                    path = rule.rule.replace("<message_id>", UNKNOWN_ID).replace(
                        "<request_id>", "x"
                    )
                    assert client.open(path, method=method).status_code == 401, (
                        f"{method} {rule.rule}"
                    )


def test_session_cookie_is_not_accepted(hub_demo: Flask, admin: Any) -> None:
    assert admin.get("/api/v1/messages").status_code == 401


def test_revoked_or_expired_key_is_refused(signing_app: StrictApp) -> None:
    key = api_keys.find_key(signing_app.key)
    assert key is not None

    @transaction
    def set_expiry(moment: Any) -> None:
        db.session.get_one(ApiKey, key.id).expires_at = moment

    set_expiry(now() - timedelta(seconds=1))
    assert signing_app.get("/messages").status_code == 401
    set_expiry(None)
    assert signing_app.get("/messages").status_code == 200
    api_keys.revoke_key(key.id)
    assert signing_app.get("/messages").status_code == 401


def test_live_key_does_not_use_test_connections_or_see_test_messages(
    signing_app: StrictApp, add_signing_app: Callable[..., StrictApp], connection: Connection
) -> None:
    live = add_signing_app(test=False)
    own_message = send_message(signing_app)
    for message in ({"channel": "sms"}, {"connection": connection.slug}):
        answer = live.post("/messages", {"to": ERIC, "text": "Hello.", **message})
        assert answer.status_code in (404, 422)
    event = json_of(live.post("/events", event_body(signers=[signer_body("Eric")])))
    assert (event["messages"], event["skipped"][0]["reason"]) == ([], "no_connection")
    assert json_of(live.get("/messages"))["messages"] == []
    assert live.get(f"/messages/{own_message['id']}").status_code == 404
    assert live.post(f"/messages/{own_message['id']}/cancel").status_code == 404
    assert live.post(f"/messages/{own_message['id']}/resend").status_code == 404
    signing_app.post("/events", event_body(signers=[signer_body("Eric")]))
    assert json_of(live.get("/requests/agr-1001"))["signers"][0]["messages"] == [], (
        "one of the same name, of its own"
    )


def test_messages_and_requests_of_another_source_are_invisible(
    signing_app: StrictApp, add_signing_app: Callable[..., StrictApp]
) -> None:
    other_app = add_signing_app("brand-two")
    own_message = send_message(signing_app)
    signing_app.post("/events", event_body(signers=[signer_body("Eric")]))
    request_id = json_of(signing_app.get("/requests/agr-1001"))["id"]
    assert json_of(other_app.get("/messages"))["messages"] == []
    assert json_of(other_app.get("/messages", request=request_id))["messages"] == []
    for method, path in (
        ("get", f"/messages/{own_message['id']}"),
        ("post", f"/messages/{own_message['id']}/cancel"),
        ("post", f"/messages/{own_message['id']}/resend"),
        ("get", "/requests/agr-1001"),
        ("get", f"/requests/{request_id}"),
        ("post", f"/requests/{request_id}/remind"),
    ):
        assert getattr(other_app, method)(path).status_code == 404, path
    assert json_of(signing_app.get(f"/messages/{own_message['id']}"))["status"] == "queued"


def test_keys_of_one_source_see_the_same_messages(
    signing_app: StrictApp, add_signing_app: Callable[..., StrictApp]
) -> None:
    own_message = send_message(signing_app)
    assert (
        json_of(add_signing_app().get(f"/messages/{own_message['id']}"))["id"] == own_message["id"]
    )
