"""Secrets of a connection appear on no page, in no log and in no audit row."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.db.engine import db
from hub.models import AuditEntry
from tests.admin.connections.connection_pages import NEW, OTHER_TOKEN, PAGE, words
from tests.admin.connections.connection_pages import stored as stored
from tests.admin.connections.connection_pages import values as values
from tests.conftest import Browser, make_app


def test_secrets_appear_in_no_page_log_or_audit_row(
    app: Flask,
    admin: Browser,
    values: dict[str, str],
    simulator: Any,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = values["auth_token"]
    answers = [admin.post(NEW, {**values, "do": button}) for button in ("test", "save")]
    answers += [admin.post(PAGE, {**values, "do": button}) for button in ("test", "save")]
    answers += [
        admin.post(PAGE, {**values, "account_sid": "AC1", "do": button})
        for button in ("test", "save")
    ]
    answers += [
        admin.post(PAGE, {**values, "auth_token": OTHER_TOKEN, "do": "test"}),
        admin.post(PAGE + "/enable"),
    ]
    places = ("/integrations", PAGE, PAGE + "/rename", NEW, "/activity", "/settings/users")
    answers += [admin.get(path) for path in places]
    for answer in answers:
        assert answer.status_code < 500
        assert secret not in answer.text
        assert OTHER_TOKEN not in answer.text
        assert secret not in str(answer.headers)
    with app.app_context():
        audit = " ".join(
            f"{row.title} {row.detail}" for row in db.session.scalars(select(AuditEntry))
        )
    out, err = capfd.readouterr()
    for text in (audit, caplog.text, out, err):
        assert secret not in text
        assert OTHER_TOKEN not in text


def test_unreadable_settings_are_explained_and_can_be_entered_again(
    environ: dict[str, str],
    app: Flask,
    admin: Browser,
    values: dict[str, str],
    stored: str,
    simulator: Any,
) -> None:
    app_without_key = make_app({**environ, "HUB_ENCRYPTION_KEYS": "k2:" + "A" * 43})
    browser = Browser(app_without_key, admin.email, admin.user_id)
    browser.sign_in()
    for path in ("/integrations", "/activity", PAGE, PAGE + "/rename", PAGE + "/archive"):
        assert browser.get(path).status_code == 200, path
    page = browser.get(PAGE)
    assert "encrypted with the key “k1”" in page.text
    assert "cannot be read" in words(browser.post(PAGE + "/enable"))
    assert browser.post(PAGE, {**values, "auth_token": "", "do": "save"}).status_code == 422
    assert browser.post(PAGE, {**values, "do": "save"}).status_code == 303
    assert "Twilio is ready" in words(
        browser.post(PAGE, {**values, "auth_token": "", "do": "test"})
    )
    with app_without_key.app_context():
        db.session.remove()
        db.engine.dispose()
