"""Pages warn when recipients' providers reject messages because of the sender's own setup."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.connections import demo
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.models import Connection
from tests import hub_fixtures
from tests.conftest import Browser

PAGE = "/connections/demo-email-over-smtp"
TITLE = "Recipients’ providers reject messages"


@pytest.fixture
def app(app: Flask) -> Flask:
    """Create a hub with the demo's connection to the mail server, tested a while ago."""
    with app.app_context():
        demo.prepare()
        demo.connect_chats_and_mail()
    set_checked_at(app, now() - timedelta(hours=1))
    return app


def set_checked_at(app: Flask, moment: Any) -> None:
    @transaction
    def change() -> None:
        query = select(Connection).where(Connection.channel == "email")
        db.session.scalars(query).one().checked_at = moment

    with app.app_context():
        change()


def send_to(app: Flask, *names: str) -> None:
    with app.app_context():
        for name in names:
            hub_fixtures.queue_text(f"{name}@fail.example", channel="email")
        hub_fixtures.deliver()


def test_rejection_of_the_senders_domain_is_a_warning_until_the_next_test(
    app: Flask, simulator: Any, admin: Browser
) -> None:
    assert TITLE not in admin.get(PAGE).text
    send_to(app, "gmail", "gmail", "outlook")
    page = admin.get(PAGE).text
    assert TITLE in page
    assert "1 message was rejected with 5.7.515 in the last 24 hours" in page
    assert "Set up SPF, DKIM and DMARC for the domain." in page
    assert f"Demo Email over SMTP: {TITLE}" in admin.get("/").text
    set_checked_at(app, now())
    assert TITLE not in admin.get(PAGE).text


def test_rejection_of_one_message_is_no_warning(app: Flask, simulator: Any, admin: Browser) -> None:
    send_to(app, "spam", "nobody", "large")
    assert TITLE not in admin.get(PAGE).text
