"""Emails that the simulated SendGrid accepts, and what the hub makes of its signed events."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from hub.connections import demo
from hub.core.errors import ConnectionBroken, OutcomeUnknown, PermanentError, SlowDown
from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.integrations.base import Outbound
from hub.integrations.sendgrid import SendGrid
from hub.integrations.smtp import Smtp
from hub.lib.provider_http import ProviderHttpClient
from hub.models import Message, Suppression
from hub.simulator.sendgrid import events, scripted_faults
from hub.simulator.sendgrid.scripted_faults import DOMAIN
from tests.conftest import config_of
from tests.hub_fixtures import (
    attempts,
    callbacks,
    credentials,
    deliver,
    event_types,
    process_pending_callbacks,
    queue_text,
    status_words,
)
from tests.hub_fixtures import hub_demo as hub_demo
from tests.hub_fixtures import served as served
from tests.hub_fixtures import signing_app as signing_app

PATH = "/api/rpc/webhooks/sendgrid"
# what the events of each test address lead to: status and code, and the reason of an opt-out
REPORTED = {
    "deferred": (Status.DELIVERED, ""),
    "bounce": (Status.UNDELIVERED, "bounced"),
    "late-bounce": (Status.DELIVERED, ""),
    "blocked": (Status.UNDELIVERED, "blocked"),
    "full": (Status.UNDELIVERED, "blocked_full"),
    "gmail": (Status.UNDELIVERED, "5.7.26"),
    "expired": (Status.UNDELIVERED, "expired"),
    "dropped-bounced": (Status.FAILED, "dropped_bounced"),
    "dropped-invalid": (Status.FAILED, "dropped_invalid"),
    "dropped-unsubscribed": (Status.FAILED, "dropped_unsubscribed"),
    "dropped-complaint": (Status.FAILED, "dropped_complained"),
    "dropped-spam": (Status.FAILED, "dropped_spam"),
    "dropped-quota": (Status.FAILED, "dropped_quota"),
    "complaint": (Status.DELIVERED, ""),
    "unsubscribe": (Status.DELIVERED, ""),
    "twice": (Status.DELIVERED, ""),
    "backwards": (Status.DELIVERED, ""),
}
OPTED_OUT = {
    "bounce": "provider",
    "late-bounce": "provider",
    "dropped-bounced": "provider",
    "dropped-invalid": "provider",
    "dropped-unsubscribed": "unsubscribe",
    "dropped-complaint": "complaint",
    "complaint": "complaint",
    "unsubscribe": "unsubscribe",
}


@pytest.fixture
def hub(hub_demo: Flask, served: Flask, simulator: Any, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """Give a hub with a connection to the simulated SendGrid, which posts events to it."""
    monkeypatch.setattr(events, "PACE", 0.01)
    monkeypatch.setattr(SendGrid, "starts_in_demo", True)
    monkeypatch.setattr(Smtp, "starts_in_demo", False)
    demo.connect_chats_and_mail()
    return hub_demo


def queue(name: str) -> str:
    return queue_text(f"{name}@{DOMAIN}", connection_slug="demo-sendgrid", channel="")


def wait_for(expected: Mapping[str, tuple[Status, str]], ids: Mapping[str, str]) -> None:
    """Process events until the messages have these statuses and codes."""
    deadline = time.monotonic() + 25
    while True:
        process_pending_callbacks()
        db.session.rollback()
        rows = {name: db.session.get_one(Message, ids[name]) for name in expected}
        found = {name: (Status(row.status), row.code) for name, row in rows.items()}
        if found == expected:
            return
        if time.monotonic() > deadline:
            assert found == expected
        time.sleep(0.05)


def opt_outs() -> dict[str | None, str]:
    db.session.rollback()
    return {row.message_id: row.reason for row in db.session.scalars(select(Suppression))}


def post_events(app: Flask, content: list[dict[str, Any]], padding: str = "") -> TestResponse:
    """Post events as SendGrid does, signed for the demo's connection."""
    body = json.dumps(content).encode() + padding.encode()
    signed_at = str(int(time.time()))
    headers = {
        events.TIMESTAMP: signed_at,
        events.SIGNATURE: events.sign(credentials(app), signed_at.encode() + body),
    }
    client = app.test_client()
    return client.post(PATH, data=body, content_type="application/json", headers=headers)


def test_every_event_of_the_test_addresses_is_understood(hub: Flask) -> None:
    named = {reported.address for reported in scripted_faults.REPORTING}
    assert named == {f"{name}@{DOMAIN}" for name in REPORTED}
    ids = {name: queue(name) for name in REPORTED}
    deliver()
    wait_for(REPORTED, ids)
    deadline = time.monotonic() + 30
    while opt_outs() != {ids[name]: reason for name, reason in OPTED_OUT.items()}:
        assert time.monotonic() < deadline, opt_outs()
        process_pending_callbacks()
        time.sleep(0.05)
    assert {"email_bounced", "email_undelivered"} <= set(event_types(ids["bounce"]))
    assert "email_bounced" in event_types(ids["late-bounce"])
    assert "email_complained" in event_types(ids["complaint"])
    assert "email_unsubscribed" in event_types(ids["unsubscribe"])
    assert sorted(status_words(ids["twice"])) == sorted(set(status_words(ids["twice"])))
    process_pending_callbacks()
    assert not [row.error for row in callbacks() if row.error]


def test_message_with_a_lost_answer_is_not_sent_again_and_its_events_decide(hub: Flask) -> None:
    message_id = queue("lost")
    deliver()
    wait_for({"lost": (Status.DELIVERED, "")}, {"lost": message_id})
    [attempt] = attempts(message_id)
    assert attempt.outcome == "unknown"
    deliver()
    assert len(attempts(message_id)) == 1


def test_burst_of_events_larger_than_other_webhooks_is_accepted(
    hub: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "PACE", 3600)
    ids = [queue(f"signer-{number}") for number in range(3)]
    deliver()
    burst = [
        events.new_event(
            {"event": kind}, "eric@example.com", "x", {"signpost_message": f"{message_id}.1"}
        )
        for kind in ("delivered", "processed", "open")
        for message_id in ids
        for _ in range(120)
    ]
    assert len(json.dumps(burst)) > 256 * 1024
    assert post_events(hub, burst).status_code == 200
    process_pending_callbacks()
    db.session.rollback()
    assert {db.session.get_one(Message, one).status for one in ids} == {Status.DELIVERED}
    assert status_words(ids[0]).count("delivered") == 1
    assert post_events(hub, [], " " * 1024 * 1024).status_code == 413


def test_events_of_other_software_are_ignored_and_other_kinds_listed(
    hub: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "PACE", 3600)
    foreign = events.new_event({"event": "delivered"}, "eric@example.com", "x", {})
    assert post_events(hub, [foreign]).status_code == 200
    message_id = queue("signer")
    deliver()
    new_kind = {"event": "teleported", "signpost_message": f"{message_id}.1"}
    assert post_events(hub, [new_kind]).status_code == 200
    process_pending_callbacks()
    delivered = {**new_kind, "event": "delivered"}
    assert post_events(hub, [new_kind, delivered]).status_code == 200
    process_pending_callbacks()
    db.session.rollback()
    assert db.session.get_one(Message, message_id).status == Status.DELIVERED
    errors = sorted(row.error for row in callbacks())
    assert errors == ["", "", "SendGrid sent an event of the kind “teleported”."]


def test_unsigned_events_are_refused(hub: Flask) -> None:
    response = hub.test_client().post(PATH, json=[{"event": "delivered"}])
    assert response.status_code == 403


def test_simulated_api_refuses_each_test_address_as_documented(simulator: Any, app: Flask) -> None:
    expected = {
        "key": (ConnectionBroken, "http_401"),
        "credits": (ConnectionBroken, "credits"),
        "permission": (ConnectionBroken, "access_forbidden"),
        "sender": (ConnectionBroken, "unverified_sender"),
        "suspended": (ConnectionBroken, "suspended"),
        "invalid": (PermanentError, "invalid_recipient"),
        "content": (PermanentError, "http_400"),
        "large": (PermanentError, "http_413"),
        "rate": (SlowDown, "http_429"),
        "error": (OutcomeUnknown, "http_500"),
        "unavailable": (OutcomeUnknown, "http_503"),
        "lost": (OutcomeUnknown, "http_500"),
    }
    named = {fault.address for fault in scripted_faults.ALL_REFUSED}
    assert named == {f"{name}@{DOMAIN}" for name in (*expected, "silent")}
    connection = connect(app)
    for name, (error, code) in expected.items():
        with pytest.raises(error) as problem:
            connection.send(Outbound("msg_1", 1, f"{name}@{DOMAIN}", "Hello", subject="Hello"))
        assert (type(problem.value), problem.value.code) == (error, code)
    again = Outbound("msg_1", 1, f"rate@{DOMAIN}", "Hello", subject="Hello")
    assert connection.send(again).provider_id
    assert connection.run_check().ok
    key = connection.settings["api_key"].rpartition(".")[0] + ".read-only-read-only"
    assert connect(app, api_key=key).run_check().code == "no_permission"
    assert connect(app, api_key=f"{key}x").run_check().code == "http_401"


def connect(app: Flask, **settings: str) -> SendGrid:
    bind = str(config_of(app).simulator_bind)
    given = {**(SendGrid.demo_settings(credentials(app)) or {}), **settings}
    http = ProviderHttpClient(allow=frozenset({bind}))
    return SendGrid(given, http, {"sendgrid": f"http://{bind}"})


def test_page_shows_the_email_and_reports_its_events(hub: Flask, simulator: Any) -> None:
    message_id = queue("eric")
    deliver()
    client = simulator.test_client()
    [email] = client.get("/simulator/mail.json").json["emails"]
    assert email["recipient"] == f"eric@{DOMAIN}"
    assert dict(email["headers"])["Message-ID"] == f"<{message_id}@acme.example>"
    assert email["text"] == email["request"]["content"][0]["value"]
    page = client.get("/simulator/mail").text
    assert f"<code>bounce@{DOMAIN}</code>" in page
    assert f'action="/simulator/mail/{email["id"]}/report"' in page
    path = f"/simulator/mail/{email['id']}/report"
    assert client.post(path, json={"kind": "nonsense"}).status_code == 400
    assert client.post(path, json={"kind": "spamreport"}).json["accepted"]
    process_pending_callbacks()
    assert opt_outs() == {message_id: "complaint"}
