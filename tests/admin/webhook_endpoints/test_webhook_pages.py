"""Admins create webhook endpoints on pages, and see, test, resend and rotate."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from standardwebhooks import Webhook

from hub.core.vocabulary import Role
from hub.db.engine import db
from hub.db.types import now
from hub.endpoints import health, signing_secrets
from hub.endpoints.catalog import event_kinds
from hub.models import WebhookEndpoint
from tests.conftest import Browser
from tests.endpoints.conftest import ports as ports
from tests.endpoints.conftest import receiver as receiver
from tests.endpoints.conftest import settings as settings
from tests.endpoints.conftest import start_receiver as start_receiver
from tests.endpoints.receivers import Receiver, add_endpoint, deliveries, notify, report, states
from tests.hub_fixtures import count

FORM = {"events": "sms_* opted_out", "description": "Contracts", "source": "default", "test": "y"}
HEADERS = {"headers": "X-Api-Key: abc123\nX-Team: legal", "user": "hub", "password": "s3cret"}


Call = Callable[..., Any]


@pytest.fixture
def call(app: Flask) -> Call:
    """Give a function that calls another one in the context of the application.

    No context stays pushed, because pages are requested as a browser does.
    """

    def run(step: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        with app.app_context():
            return step(*arguments, **more)

    return run


def secret_on(page: str) -> str:
    found = re.search(r"whsec_[A-Za-z0-9+/=]+", page)
    assert found
    return found[0]


def only_endpoint() -> str:
    return db.session.query(WebhookEndpoint).one().id


def test_created_endpoint_receives_events_with_its_headers(
    call: Call, admin: Browser, receiver: Receiver
) -> None:
    created = admin.post("/webhook-endpoints/new", {**FORM, **HEADERS, "url": receiver.url})
    assert created.status_code == 200
    secret = secret_on(created.text)
    call(report)
    call(notify)
    [request] = receiver.requests
    Webhook(secret).verify(request.body, request.headers)
    assert (request.headers["x-api-key"], request.headers["x-team"]) == ("abc123", "legal")
    assert request.headers["authorization"] == "Basic aHViOnMzY3JldA=="
    path = f"/webhook-endpoints/{call(only_endpoint)}"
    for address in (path, f"{path}/edit", "/webhook-endpoints", "/activity"):
        page = admin.get(address).text
        assert not [word for word in ("abc123", "s3cret", secret) if word in page], address
    assert "Working" in admin.get(path).text


def test_saved_secrets_stay_unless_they_are_entered_again(
    call: Call, admin: Browser, receiver: Receiver
) -> None:
    admin.post("/webhook-endpoints/new", {**FORM, **HEADERS, "url": receiver.url})
    edit = {
        "url": receiver.url,
        "events": "*",
        "headers": "X-Api-Key: ••••••\nX-New: 1",
        "user": "hub",
    }
    assert admin.post(f"/webhook-endpoints/{call(only_endpoint)}/edit", edit).status_code == 303
    call(report)
    call(notify)
    headers = receiver.requests[-1].headers
    assert (headers["x-api-key"], headers["x-new"]) == ("abc123", "1")
    assert "x-team" not in headers
    assert headers["authorization"] == "Basic aHViOnMzY3JldA=="


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"url": "http://app.invalid/"}, "Use https"),
        ({"events": "fax_*"}, "No event matches"),
        ({"headers": "Host: x"}, "Signpost sets Host itself"),
        ({"headers": "webhook-id: x"}, "Signpost sets webhook-id itself"),
        ({"headers": "nonsense"}, "Write each header as Name: value"),
        ({"headers": "X-A: é"}, "printable ASCII"),
        ({"headers": "Authorization: Bearer x", "user": "hub"}, "Use either"),
        ({"user": "a:b"}, "without a colon"),
        ({"source": "nothing"}, "valid choice"),
    ],
)
def test_invalid_field_is_explained(
    call: Call, admin: Browser, change: dict[str, str], words: str
) -> None:
    form = {**FORM, "url": "https://app.invalid/", **change}
    answer = admin.post("/webhook-endpoints/new", form)
    assert answer.status_code == 422
    assert words in answer.text
    assert call(count, WebhookEndpoint) == 0


def test_secret_is_rotated_with_the_chosen_overlap(
    call: Call, admin: Browser, receiver: Receiver
) -> None:
    endpoint_id, old = call(add_endpoint, receiver.url)
    path = f"/webhook-endpoints/{endpoint_id}/rotate"
    new = secret_on(admin.post(path, {"overlap": "72"}).text)
    call(report)
    call(notify)
    for secret in (old, new):
        Webhook(secret).verify(receiver.requests[0].body, receiver.requests[0].headers)
    [_, former] = call(signing_secrets.active_secrets, endpoint_id)
    assert former.expires_at is not None
    assert timedelta(hours=71) < former.expires_at - now() < timedelta(hours=73)
    again = admin.post(path, {"overlap": "0"})
    assert again.status_code == 422
    assert "An earlier rotation has not ended" in again.text
    assert admin.post(path, {"overlap": "0", "force": "y"}).status_code == 200
    assert len(call(signing_secrets.active_secrets, endpoint_id)) == 1
    assert admin.post(path, {"overlap": "9999"}).status_code == 422


def test_attempts_are_shown_and_one_event_is_resent(
    call: Call, admin: Browser, receiver: Receiver
) -> None:
    endpoint_id, _ = call(add_endpoint, receiver.url)
    receiver.answer_with(500, b"<b>no space left</b>")
    event_id = call(report)
    call(notify)
    path = f"/webhook-endpoints/{endpoint_id}/events/{event_id}"
    page = admin.get(path).text
    assert "The endpoint responded with 500." in page
    assert "&lt;b&gt;no space left&lt;/b&gt;" in page
    assert event_id in page
    assert "Failing" in admin.get(f"/webhook-endpoints/{endpoint_id}").text
    receiver.answer_with(200)
    assert admin.post(f"{path}/resend").status_code == 303
    call(notify)
    assert call(states, endpoint_id) == ["delivered"]


def test_all_events_since_a_time_are_resent(call: Call, admin: Browser, receiver: Receiver) -> None:
    endpoint_id, _ = call(add_endpoint, receiver.url)
    path = f"/webhook-endpoints/{endpoint_id}"
    admin.post(f"{path}/disable")
    for _ in range(3):
        call(report)
    assert "It missed 3 events" in admin.get(path).text
    since = {"since": (now() - timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")}
    refusal = admin.post(f"{path}/resend", since)
    assert (refusal.status_code, "This endpoint is disabled" in refusal.text) == (422, True)
    admin.post(f"{path}/enable")
    assert admin.post(f"{path}/resend", since).status_code == 303
    call(notify)
    assert len(receiver.requests) == 3
    assert admin.post(f"{path}/resend", {"since": "yesterday"}).status_code == 422
    admin.post(f"{path}/resend", {**since, "delivered_too": "y"})
    call(notify)
    assert len(receiver.requests) == 6


def test_test_event_is_sent_by_an_operator(
    call: Call, browser_for: Callable[..., Browser], receiver: Receiver
) -> None:
    endpoint_id, secret = call(add_endpoint, receiver.url)
    operator = browser_for(Role.OPERATOR)
    path = f"/webhook-endpoints/{endpoint_id}/test"
    answer = operator.post(path, {"event": "sms_failed"})
    call(notify)
    [request] = receiver.requests
    Webhook(secret).verify(request.body, request.headers)
    assert request.payload["type"] == "sms_failed"
    assert "Delivered." in operator.get(answer.location).text
    assert operator.post(path, {"event": "nothing"}).status_code == 422


def test_catalog_shows_every_event_with_an_example(call: Call, admin: Browser) -> None:
    page = admin.get("/webhook-events").text
    assert all(f'id="{name}"' in page for name in event_kinds())
    assert "request_external_id" in page


def test_failing_endpoint_is_announced_on_the_overview(
    call: Call, admin: Browser, receiver: Receiver
) -> None:
    endpoint_id, _ = call(add_endpoint, receiver.url, description="Contracts")
    receiver.answer_with(500)
    call(report)
    call(notify)
    with time_machine.travel(now() + timedelta(days=4, hours=1)):
        call(health.check_failing)
    assert "Contracts is failing" in admin.get("/").text
    assert "Signpost disables it" in admin.get(f"/webhook-endpoints/{endpoint_id}").text
    with time_machine.travel(now() + timedelta(days=5, hours=2)):
        call(health.check_failing)
    assert "Contracts was disabled" in admin.get("/").text


def test_deleted_endpoint_is_gone(call: Call, admin: Browser, receiver: Receiver) -> None:
    endpoint_id, _ = call(add_endpoint, receiver.url)
    path = f"/webhook-endpoints/{endpoint_id}"
    assert "Delete endpoint" in admin.get(f"{path}/delete").text
    assert admin.post(f"{path}/delete").status_code == 303
    assert admin.get(path).status_code == 404
    assert call(deliveries, endpoint_id) == []
