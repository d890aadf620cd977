"""A message's page: its history, its channels, and its next step."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.connections import demo, rules
from hub.core.vocabulary import Address
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.messaging.compose import outbox
from hub.messaging.contacts import suppressions
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.policy.quiet_hours import QuietHours
from hub.messaging.policy.rules import Rules
from hub.messaging.track import status_polling
from hub.models import Connection
from hub.shared import audit
from tests.admin.connections.connection_pages import words
from tests.conftest import Browser
from tests.hub_fixtures import (
    ERIC,
    deliver,
    eventually,
    make_due,
    message,
    queue_text,
    source_id,
    update_message,
)

ASKED = "Signpost asked the provider."


def test_message_without_callbacks_shows_when_its_status_is_polled(
    app: Flask, admin: Browser, simulator: Any
) -> None:
    with app.app_context():
        demo.prepare()
        message_id = queue_text("+15005550016")
        deliver()
        eventually(
            lambda: (
                simulator.extensions["simulator"].store.on_phone("+15005550016")[0].status
                == "delivered"
            )
        )
        asked_at = message(message_id).due_at
        assert asked_at
    page = admin.get(f"/messages/{message_id}").text
    assert f"If no report arrives, Signpost asks Twilio at {asked_at:%H:%M} UTC." in page
    assert ASKED not in page
    with app.app_context():
        make_due(message_id)
        status_polling.poll_statuses()
    page = admin.get(f"/messages/{message_id}").text
    assert "Delivered in" in page
    assert ASKED in page
    assert "Signpost asks Twilio at" not in page


@pytest.mark.parametrize("name", ["greylisted", "nobody", "returned", "lost", "rate"])
def test_mail_server_is_named_in_lower_case_within_a_sentence(
    app: Flask, admin: Browser, simulator: Any, name: str
) -> None:
    with app.app_context():
        demo.prepare()
        demo.connect_chats_and_mail()
        message_id = queue_text(f"{name}@fail.example", channel="email")
        deliver()
        slug = message(message_id).connection.slug
        record_change = transaction(audit.record)
        record_change("connection.unreachable", message(message_id).connection_id, "10 s")
    paths = (f"/messages/{message_id}", f"/connections/{slug}", "/activity", "/codes")
    text = " ".join(words(admin.get(path)) for path in paths)
    assert "mail server" in text
    assert re.findall(r"\b(?:to|by|at|from|reach|asks|See) The mail server", text) == []


def test_message_no_longer_polled_shows_no_next_check(
    app: Flask, admin: Browser, simulator: Any
) -> None:
    with app.app_context():
        demo.prepare()
        message_id = queue_text("+15005550016")
        deliver()
        update_message(message_id, due_at=None, changed_at=now() - timedelta(days=2))
    page = admin.get(f"/messages/{message_id}").text
    assert "Accepted by Twilio." in page
    assert "Signpost asks Twilio at" not in page


def test_message_waiting_for_the_morning_shows_its_time(app: Flask, admin: Browser) -> None:
    with app.app_context():
        demo.prepare()
        connection_id = db.session.scalars(
            select(Connection.id).where(Connection.slug == "demo-sms")
        ).one()
        clock = now() - timedelta(hours=1), now() + timedelta(hours=2)
        rules.save(connection_id, Rules(quiet=QuietHours(*(f"{at:%H:%M}" for at in clock))))
        get_or_create_contact(Address.PHONE, ERIC, test=True, time_zone="UTC")
        message_id = queue_text(source_id=source_id())
        until = message(message_id).due_at
        assert until
    page = admin.get(f"/messages/{message_id}").text
    assert (
        f"Waiting for the end of quiet hours: {until:%b} {until.day}, {until:%Y, %H:%M}:00 UTC."
        in page
    )
    assert "Waiting for the end of quiet hours" in page
    assert "or was delivered" not in page


def test_canceled_message_shows_no_advice_about_earlier_attempts(
    app: Flask, admin: Browser
) -> None:
    with app.app_context():
        demo.prepare()
        message_id = queue_text()
        update_message(message_id, code="no_answer", tries=1)
    assert admin.post(f"/messages/{message_id}/cancel").status_code == 303
    page = admin.get(f"/messages/{message_id}").text
    assert "Canceled." in page
    assert "Wait" not in page
    assert "How to fix it" not in page


def test_blocked_message_is_resent_only_after_the_opt_out_is_removed(
    app: Flask, admin: Browser
) -> None:
    with app.app_context():
        demo.prepare()
        message_id = queue_text(ERIC)
        suppressions.suppress(message_id, reason="provider", code="21610")
        update_message(message_id, status="failed", code="21610", due_at=None)
    page = admin.get(f"/messages/{message_id}").text
    assert f"/messages/{message_id}/resend" not in page
    assert "An opt-out blocks this recipient. Remove it before you resend the message." in page
    assert admin.post(f"/messages/{message_id}/lift").status_code == 303
    assert f"/messages/{message_id}/resend" in admin.get(f"/messages/{message_id}").text


def test_message_that_quiet_hours_would_outlast_is_not_reported_as_an_opt_out(
    app: Flask, admin: Browser
) -> None:
    with app.app_context():
        demo.prepare()
        connection = db.session.scalars(
            select(Connection).where(Connection.slug == "demo-sms")
        ).one()
        clock = now() - timedelta(hours=1), now() + timedelta(hours=2)
        hours = QuietHours(*(f"{at:%H:%M}" for at in clock))
        rules.save(connection.id, Rules(quiet=hours, quiet_waits=True))
        message_id = outbox.add_message(
            outbox.Draft(
                connection=connection.info,
                recipient=get_or_create_contact(Address.PHONE, ERIC, test=True, time_zone="UTC"),
                text="Sign.",
                expires_at=now() + timedelta(minutes=30),
            )
        )
    page = words(admin.get(f"/messages/{message_id}"))
    blocked = "Blocked by the rule Quiet hours. The message would expire before they end."
    assert page.count(blocked) == 2, "in the notice and in the timeline"
    assert "opted out" not in page
