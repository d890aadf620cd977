"""Apps subscribe to webhooks through the API, as Zapier and n8n do."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from flask import Flask
from standardwebhooks import Webhook

from hub.endpoints.catalog import EMPTY, event_kinds
from tests.conftest import free_port
from tests.endpoints.receivers import notify, receiving, report
from tests.hub_fixtures import SigningApp, json_of

PORT = free_port()
BODY = {"url": "https://app.invalid/hooks", "events": ["sms_*", "opted_out"]}


@pytest.fixture
def settings() -> dict[str, str]:
    """Allow requests to the receiver of this test."""
    return {"HUB_HTTP_ALLOW": f"127.0.0.1:{PORT}"}


def delete(app: SigningApp, endpoint_id: str) -> int:
    path = f"/api/v1/webhook-endpoints/{endpoint_id}"
    return app.client.delete(path, headers={"Authorization": f"Bearer {app.key}"}).status_code


def test_app_subscribes_receives_and_unsubscribes(signing_app: SigningApp) -> None:
    with receiving(PORT) as receiver:
        body = {"url": receiver.url, "events": ["sms_*"], "description": "Contracts"}
        created = signing_app.post("/webhook-endpoints", body)
        assert created.status_code == 201
        endpoint = json_of(created)
        report("sms_delivered")
        report("whatsapp_delivered")
        notify()
        [request] = receiver.requests
        Webhook(endpoint["secret"]).verify(request.body, request.headers)
        assert request.payload["type"] == "sms_delivered"
        assert delete(signing_app, endpoint["id"]) == 200
        report("sms_delivered")
        assert notify() == 0
        assert delete(signing_app, endpoint["id"]) == 404


def test_secret_is_shown_only_once(signing_app: SigningApp) -> None:
    created = json_of(signing_app.post("/webhook-endpoints", BODY))
    assert created["secret"].startswith("whsec_")
    [listed] = json_of(signing_app.get("/webhook-endpoints"))["webhook_endpoints"]
    one = json_of(signing_app.get(f"/webhook-endpoints/{created['id']}"))
    assert listed == one == {name: created[name] for name in created if name != "secret"}
    assert (one["state"], one["test"], one["events"]) == ("enabled", True, ["opted_out", "sms_*"])


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"events": []}, "events", "invalid_field"),
        ({"events": ["sms_delievered"]}, "events", "unknown_event"),
        ({"events": ["SMS"]}, "events", "bad_event_pattern"),
        ({"url": "http://app.invalid/"}, "url", "bad_url"),
        ({"url": "https://user:secret@app.invalid/"}, "url", "bad_url"),
        ({"url": "https://app.invalid:22/"}, "url", "bad_url"),
        ({"url": "https://127.0.0.1/"}, "url", "bad_url"),
        ({"url": "https://168.63.129.16/"}, "url", "bad_url"),
        ({"url": "https://[64:ff9b:1::7f00:1]/"}, "url", "bad_url"),
        ({"url": "https://app.invalid/#x"}, "url", "bad_url"),
        ({"url": "ftp://app.invalid/"}, "url", "bad_url"),
        ({"url": "https://app.invalid/ x"}, "url", "bad_url"),
        ({"url": "https://[::1/"}, "url", "bad_url"),
        ({"description": "x" * 201}, "description", "invalid_field"),
        ({"addresses": True}, "addresses", "unknown_field"),
    ],
)
def test_invalid_field_is_named(
    signing_app: SigningApp, change: dict[str, Any], field: str, code: str
) -> None:
    answer = signing_app.post("/webhook-endpoints", {**BODY, **change})
    assert answer.status_code == 422
    assert (json_of(answer)["field"], json_of(answer)["code"]) == (field, code)
    assert "secret" not in json_of(answer)["detail"]


def test_source_has_a_bounded_number_of_endpoints(
    signing_app: SigningApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.endpoints.endpoints.MAX_ENDPOINTS", 2)
    answers = [signing_app.post("/webhook-endpoints", BODY) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 409]


def test_events_are_listed_with_an_example_each(app: Flask, signing_app: SigningApp) -> None:
    found = json_of(signing_app.get("/webhook-events"))["webhook_events"]
    assert [kind["type"] for kind in found] == list(event_kinds())
    assert all(kind["example"].keys() == EMPTY.keys() for kind in found)
    chosen = json_of(signing_app.get("/webhook-events", events="sms_*"))["webhook_events"]
    assert {kind["type"] for kind in chosen} == {
        "sms_sent",
        "sms_delivered",
        "sms_read",
        "sms_failed",
        "sms_undelivered",
        "sms_received",
    }


def test_document_describes_every_webhook(app: Flask) -> None:
    document = json_of(app.test_client().get("/api/v1/openapi.json"))
    assert document["webhooks"].keys() == event_kinds().keys()
    for name, webhook in document["webhooks"].items():
        content = webhook["post"]["requestBody"]["content"]["application/json"]
        schema = {**content["schema"], "components": document["components"]}
        jsonschema.Draft202012Validator(schema).validate(content["example"])
        assert content["example"]["type"] == name
