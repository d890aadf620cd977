"""Unsubscribe links: one click without signing in, for the recipient of that message only."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.types import now
from hub.models import Message, Suppression
from hub.shared.unsubscribe_links import message_of_token, unsubscribe_token
from hub.signing import accept
from hub.signing.events import EventIn
from tests.conftest import Browser
from tests.endpoints.event_steps import bodies, listen
from tests.hub_fixtures import deliver, event_body, signer_body, source_id
from tests.hub_fixtures import hub_demo as hub_demo

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def mail_demo(hub_demo: Flask, chats_and_mail: None) -> Flask:
    """Give the demo with its connection to the mail server."""
    return hub_demo


def post(kind: str, *names: str) -> list[str]:
    """Post an event about signers without phones, and return the ids of their messages."""
    signers = [signer_body(name, None, email=f"{name.lower()}@example.com") for name in names]
    event = EventIn.model_validate(event_body(kind, signers=signers))
    messages = accept.accept_event(event, source_id(), test=True)["messages"]
    return [found["id"] for found in messages if found["channel"] == "email"]


def status_of(message_id: str) -> tuple[str, str]:
    db.session.rollback()
    row = db.session.get_one(Message, message_id)
    return row.status, row.code


def suppressions() -> list[tuple[str, str]]:
    db.session.rollback()
    return [(row.channel, row.reason) for row in db.session.scalars(select(Suppression))]


def click(app: Flask, path: str, body: Any = ONE_CLICK) -> int:
    """Post as a mailbox does: without cookies, from anywhere."""
    return app.test_client().post(path, data=body).status_code


def test_reminder_holds_the_link_and_one_click_unsubscribes(
    mail_demo: Flask, simulator: Any
) -> None:
    [first] = post("request.sent", "Eric")
    [reminder] = post("request.reminder", "Eric")
    deliver()
    assert status_of(first) == status_of(reminder) == (Status.SENT, "")
    emails = simulator.test_client().get("/simulator/mail.json").json["emails"]
    received, invitation = sorted(emails, key=lambda email: not email["subject"].startswith("Rem"))
    assert "List-Unsubscribe" not in dict(invitation["headers"])
    headers = dict(received["headers"])
    found = re.fullmatch(r"<http://[^/]+(/u/[A-Za-z0-9_-]{43})>", headers["List-Unsubscribe"])
    assert found
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert click(mail_demo, found[1]) == 200
    assert suppressions() == [("email", "unsubscribe")]
    with time_machine.travel(now() + timedelta(hours=2), tick=True):
        [later] = post("request.reminder", "Eric")
    assert status_of(later) == (Status.SUPPRESSED, "unsubscribe")


def test_signing_app_is_notified_once(mail_demo: Flask) -> None:
    endpoint_id = listen("default", "opted_out")
    [message_id] = post("request.sent", "Eric")
    path = f"/u/{unsubscribe_token(message_id)}"
    assert [click(mail_demo, path) for _ in range(2)] == [200, 200]
    [body] = bodies(endpoint_id)
    names = "message", "channel", "reason", "source"
    assert [body[name] for name in names] == [message_id, "email", "unsubscribe", "default"]
    assert body["request"] is not None
    assert len(suppressions()) == 1


def test_opening_the_link_changes_nothing_and_its_form_unsubscribes(
    mail_demo: Flask, anonymous: Browser
) -> None:
    [message_id] = post("request.sent", "Eric")
    path = f"/u/{unsubscribe_token(message_id)}"
    page = anonymous.get(path)
    assert page.status_code == 200
    assert "eric@example.com" in page.text
    assert suppressions() == []
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["X-Robots-Tag"] == "noindex"
    assert 'name="List-Unsubscribe" value="One-Click"' in page.text
    done = anonymous.client.post(path, data=ONE_CLICK)
    assert "You are unsubscribed." in done.text
    assert suppressions() == [("email", "unsubscribe")]


@pytest.mark.parametrize("body", [{}, {"List-Unsubscribe": "yes"}, b"List-Unsubscribe=One-Click"])
def test_other_body_changes_nothing(mail_demo: Flask, body: Any) -> None:
    [message_id] = post("request.sent", "Eric")
    assert click(mail_demo, f"/u/{unsubscribe_token(message_id)}", body) == 400
    assert suppressions() == []


def test_link_of_one_person_cannot_be_made_into_that_of_another(mail_demo: Flask) -> None:
    eric, anna = post("request.sent", "Eric", "Anna")
    own = unsubscribe_token(eric)
    other = unsubscribe_token(anna)
    forged = [other[:22] + own[22:], own[:22] + other[22:], "x" * 43, own[:-1], own + "A", "é", ""]
    for token in forged:
        assert message_of_token(token) != anna
        assert click(mail_demo, f"/u/{token}") == 404
    forged = [own[:at] + ("A" if own[at] != "A" else "B") + own[at + 1 :] for at in range(42)]
    assert {message_of_token(token) for token in forged} == {None}
    assert suppressions() == []
    assert (message_of_token(own), message_of_token(other)) == (eric, anna)


def test_network_that_tries_many_wrong_links_is_limited(mail_demo: Flask) -> None:
    [message_id] = post("request.sent", "Eric")
    path = f"/u/{unsubscribe_token(message_id)}"
    assert {click(mail_demo, path, {}) for _ in range(25)} == {400}, "a valid link is not limited"
    statuses = [click(mail_demo, f"/u/{number:043}") for number in range(22)]
    assert statuses == [404] * 20 + [429] * 2
    limited = mail_demo.test_client().get(path)
    assert limited.status_code == 429
    assert "Retry-After" in limited.headers
    elsewhere = {"REMOTE_ADDR": "203.0.113.9"}
    assert mail_demo.test_client().get(path, environ_base=elsewhere).status_code == 200


def test_admin_sees_the_reason_and_can_remove_the_opt_out(mail_demo: Flask, admin: Browser) -> None:
    [message_id] = post("request.sent", "Eric")
    click(mail_demo, f"/u/{unsubscribe_token(message_id)}")
    assert "Used the unsubscribe link" in admin.get("/opt-outs").text
