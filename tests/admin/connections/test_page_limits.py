"""Limits of tests, saves and messages on the page of a connection, and reports of invalid input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.connections import connections
from hub.core.vocabulary import Role
from hub.db.engine import db
from hub.models import Message
from tests.admin.connections.connection_pages import NEW, PAGE, hidden_value, only_connection, words
from tests.admin.connections.connection_pages import stored as stored
from tests.admin.connections.connection_pages import values as values
from tests.conftest import Browser


# ── Limits ────────────────────────────────────────────────────────────────────────────────────────
def test_sixth_test_in_a_minute_is_refused_and_input_is_preserved(
    app: Flask, admin: Browser, values: dict[str, str], stored: str, simulator: Any
) -> None:
    typed = {**values, "sender": "+13175550188", "do": "test"}
    assert [admin.post(PAGE, typed).status_code for _ in range(5)] == [200] * 5
    page = admin.post(PAGE, typed)
    wait = int(page.headers["Retry-After"])
    assert page.status_code == 429
    assert 50 <= wait <= 60
    assert (
        f"You have tested the connection 5 times in a minute. Wait {wait} seconds and test"
        " again. Your entries are still here." in words(page)
    )
    assert 'id="test-result"' in page.text
    assert 'value="+13175550188"' in page.text
    assert hidden_value(page, "auth_token-kept")
    assert admin.post(NEW, typed).status_code == 429
    assert admin.post(PAGE + "/enable").status_code == 429


def test_eleventh_save_in_a_minute_is_refused(
    app: Flask, admin: Browser, values: dict[str, str], stored: str
) -> None:
    codes = [
        admin.post(PAGE, {**values, "sender": f"+1317555010{number}", "do": "save"}).status_code
        for number in range(10)
    ]
    assert codes == [303] * 10
    page = admin.post(PAGE, {**values, "sender": "+13175550188", "do": "save"})
    assert page.status_code == 429
    assert int(page.headers["Retry-After"]) <= 60
    assert "You have saved the connection 10 times in a minute." in words(page)
    assert 'value="+13175550188"' in page.text
    with app.app_context():
        assert only_connection(app).sender == "+13175550109"


def test_sixth_message_in_a_minute_is_refused(
    app: Flask,
    browser_for: Callable[..., Browser],
    values: dict[str, str],
    stored: str,
    simulator: Any,
) -> None:
    operator = browser_for(Role.OPERATOR)
    with app.app_context():
        connections.enable(stored)
    assert [
        operator.post(PAGE + "/send", {"to": "+13175551234"}).status_code for _ in range(5)
    ] == [303] * 5
    page = operator.post(PAGE + "/send", {"to": "+13175551234"})
    assert page.status_code == 429
    assert "Retry-After" in page.headers
    assert "You have sent 5 test messages in a minute." in words(page)
    assert 'value="+13175551234"' in page.text


# ── Sending one ───────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("to", "reason"),
    [
        ("5551234567", "The country code is missing."),
        ("+1 317 555 12345", "too long"),
        ("", "Enter the phone number to send to"),
    ],
)
def test_invalid_number_is_refused_with_the_reason(
    app: Flask,
    admin: Browser,
    values: dict[str, str],
    stored: str,
    simulator: Any,
    to: str,
    reason: str,
) -> None:
    with app.app_context():
        connections.enable(stored)
    page = admin.post(PAGE + "/send", {"to": to})
    assert (page.status_code, reason in words(page)) == (422, True)
    assert f'value="{to}"' in page.text


def test_disabled_connection_sends_nothing(
    app: Flask, admin: Browser, values: dict[str, str], stored: str
) -> None:
    page = admin.post(PAGE + "/send", {"to": "+13175551234"})
    assert page.status_code == 409
    assert "is not enabled" in words(page)
    with app.app_context():
        assert db.session.scalars(select(Message.id)).all() == []
