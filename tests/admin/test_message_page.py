"""A message's page: what is known of it, from whom, and what happens next."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Flask

from hub.accounts import demo
from hub.messaging import polling
from hub.models.types import now
from tests.conftest import Browser
from tests.stage import a_message, change, deliver, eventually, make_due, message

ASKED = "We asked, since no callback had come."


def test_a_message_that_nobody_calls_back_about_says_when_we_ask_and_that_we_did(app: Flask, admin: Browser, simulator: Any) -> None:
    with app.app_context():
        demo.prepare()
        message_id = a_message("+15005550016")
        deliver()
        eventually(lambda: simulator.extensions["simulator"].store.on_phone("+15005550016")[0].status == "delivered")
        asked_at = message(message_id).due_at
        assert asked_at
    page = admin.get(f"/messages/{message_id}").text
    assert f"Unless it says more before, we ask at {asked_at:%H:%M}." in page
    assert ASKED not in page
    with app.app_context():
        make_due(message_id)
        polling.run()
    page = admin.get(f"/messages/{message_id}").text
    assert "It arrived." in page
    assert ASKED in page
    assert "we ask at" not in page


def test_what_is_not_asked_for_any_more_promises_no_question(app: Flask, admin: Browser, simulator: Any) -> None:
    with app.app_context():
        demo.prepare()
        message_id = a_message("+15005550016")
        deliver()
        change(message_id, due_at=None, changed_at=now() - timedelta(days=2))
    page = admin.get(f"/messages/{message_id}").text
    assert "The provider has it." in page
    assert "we ask at" not in page
