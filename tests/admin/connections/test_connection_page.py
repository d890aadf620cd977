"""The page of a connection, used by an admin, with the simulator over HTTP as the provider."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.connections import connections
from hub.connections.connection_tests import set_state
from hub.core.vocabulary import ConnectionState, Role
from hub.db.engine import db
from hub.db.store import transaction
from hub.integrations.twilio.sms import TwilioSms
from hub.models import Connection, Message
from tests.admin.connections.connection_pages import (
    NAME,
    NEW,
    OTHER_TOKEN,
    PAGE,
    hidden_value,
    only_connection,
    words,
)
from tests.admin.connections.connection_pages import stored as stored
from tests.admin.connections.connection_pages import values as values
from tests.conftest import Browser
from tests.hub_fixtures import update_message


def test_test_double_replaces_everything_that_may_change(
    app: Flask, stored: str, admin: Browser
) -> None:
    with app.app_context():
        transaction(
            lambda: set_state(
                db.session.get_one(Connection, stored), ConnectionState.BROKEN, "It was refused."
            )
        )()
    broken = admin.get(PAGE)
    regions = re.search(r'data-inplace="([^"]*)"\s+data-busy="Testing…"', broken.text)
    assert regions
    for region in regions[1].split(", "):
        assert broken.text.count(f'id="{region.removeprefix("#")}"') == 1
    trouble = re.search(r'id="connection-trouble">(.*?)<form', broken.text, re.DOTALL)
    assert trouble
    assert "This connection sends no messages." in trouble[1]


# ── From nothing to sending ───────────────────────────────────────────────────────────────────────
def test_admin_connects_tests_enables_and_sends_a_message(
    app: Flask, admin: Browser, values: dict[str, str], simulator: Any
) -> None:
    assert "Not set up" in words(admin.get("/integrations"))
    assert admin.get(f"/integrations/{NAME}").headers["Location"] == NEW
    assert "Account SID" in words(admin.get(NEW))
    saved = admin.post(NEW, {**values, "do": "save"})
    assert saved.headers["Location"] == PAGE
    assert "Saved. Test the connection, then enable it." in words(admin.get(PAGE))
    assert "Available after the test passes and you enable the connection" in words(admin.get(PAGE))
    tested = admin.post(PAGE, {**values, "auth_token": "", "do": "test"})
    assert "Twilio is ready" in words(tested)
    assert "Signed in as" in words(tested)
    assert admin.post(PAGE + "/enable").headers["Location"] == PAGE
    assert "Enabled. Messages are sent over this connection from now on." in words(admin.get(PAGE))
    sent = admin.post(PAGE + "/send", {"to": "+13175551234"})
    assert sent.headers["Location"] == PAGE + "#send-one"
    with app.app_context():
        message_id = db.session.scalars(select(Message.id)).one()
    assert f"/messages/{message_id}" in admin.get(PAGE).text
    assert admin.get(f"/integrations/{NAME}").headers["Location"] == PAGE
    assert "/api/rpc/webhooks/twilio/sms" in admin.get(PAGE).text


def test_before_the_first_save_stores_nothing(
    app: Flask, admin: Browser, values: dict[str, str], simulator: Any
) -> None:
    page = admin.post(NEW, {**values, "do": "test"})
    assert (page.status_code, "Twilio is ready" in words(page)) == (200, True)
    assert "not saved yet" in words(page)
    with app.app_context():
        assert connections.list_connections() == []


def test_secret_of_a_test_without_script_is_saved_afterwards(
    app: Flask, admin: Browser, values: dict[str, str], simulator: Any
) -> None:
    page = admin.post(NEW, {**values, "do": "test"})
    assert values["auth_token"] not in page.text
    encrypted_secret = hidden_value(page, "auth_token-kept")
    assert encrypted_secret
    resubmission = {**values, "auth_token": "", "auth_token-kept": encrypted_secret, "do": "save"}
    assert admin.post(NEW, resubmission).status_code == 303
    with app.app_context():
        assert only_connection(app).settings["auth_token"] == values["auth_token"]


@pytest.mark.parametrize("other", ["somebody else", "another account", "changed on the way"])
def test_resubmitted_secret_works_only_for_its_user_and_settings(
    app: Flask,
    admin: Browser,
    browser_for: Callable[..., Browser],
    values: dict[str, str],
    other: str,
    simulator: Any,
) -> None:
    encrypted_secret = hidden_value(admin.post(NEW, {**values, "do": "test"}), "auth_token-kept")
    browser = browser_for(Role.ADMIN) if other == "somebody else" else admin
    changed = {**values, "auth_token": "", "auth_token-kept": encrypted_secret, "do": "save"}
    if other == "another account":
        changed["account_sid"] = "AC" + "f" * 32
    if other == "changed on the way":
        changed["auth_token-kept"] = encrypted_secret[:-6] + "AAAAAA"
    page = browser.post(NEW, changed)
    assert (page.status_code, "Enter the Auth Token." in words(page)) == (422, True)


def test_invalid_field_is_reported_and_input_is_preserved(
    app: Flask, admin: Browser, values: dict[str, str]
) -> None:
    page = admin.post(
        NEW, {**values, "account_sid": "AC123", "title": "My <b>own</b> name", "do": "save"}
    )
    assert page.status_code == 422
    assert "An Account SID is AC followed by 32 digits" in words(page)
    assert 'value="AC123"' in page.text
    assert 'value="My &lt;b&gt;own&lt;/b&gt; name"' in page.text
    assert values["auth_token"] not in page.text
    assert hidden_value(page, "auth_token-kept")


def test_refused_token_is_explained_and_marked_on_its_field(
    app: Flask, admin: Browser, values: dict[str, str], stored: str, simulator: Any
) -> None:
    page = admin.post(PAGE, {**values, "auth_token": OTHER_TOKEN, "do": "test"})
    assert page.status_code == 200
    assert "Twilio rejected the Auth Token." in words(page)
    assert "API keys &amp; tokens" in page.text
    assert 'aria-invalid="true"' in page.text
    assert OTHER_TOKEN not in page.text


def test_changing_the_account_requires_its_secret(
    app: Flask, admin: Browser, values: dict[str, str], stored: str
) -> None:
    page = admin.post(
        PAGE, {**values, "account_sid": "AC" + "f" * 32, "auth_token": "", "do": "save"}
    )
    assert page.status_code == 422
    assert "The Account SID changed. Enter the Auth Token that belongs to it." in words(page)
    assert f'value="AC{"f" * 32}"' in page.text


def test_changing_the_account_warns_about_messages_in_progress(
    app: Flask, admin: Browser, values: dict[str, str], stored: str, simulator: Any
) -> None:
    admin.post(PAGE + "/enable")
    admin.post(PAGE + "/send", {"to": "+13175551234"})
    warning = (
        "Messages of the previous account are still in progress, and Signpost now rejects their"
        " callbacks."
    )
    admin.post(PAGE, {**values, "do": "save"})
    assert warning not in words(admin.get(PAGE))
    with app.app_context():
        update_message(db.session.scalars(select(Message.id)).one(), status="accepted")
    admin.post(PAGE, {**values, "account_sid": "AC" + "f" * 32, "do": "save"})
    assert warning in words(admin.get(PAGE))


def test_enabling_requires_a_passing_test(
    app: Flask, admin: Browser, values: dict[str, str], stored: str, simulator: Any
) -> None:
    admin.post(PAGE, {**values, "auth_token": OTHER_TOKEN, "do": "save"})
    page = admin.post(PAGE + "/enable")
    assert (page.status_code, "Twilio rejected the Auth Token." in words(page)) == (422, True)
    with app.app_context():
        assert only_connection(app).state == ConnectionState.NEW


# ── Reading ───────────────────────────────────────────────────────────────────────────────────────
def test_viewer_sees_settings_without_controls(
    app: Flask, browser_for: Callable[..., Browser], values: dict[str, str], stored: str
) -> None:
    page = browser_for(Role.VIEWER).get(PAGE)
    assert values["account_sid"] in page.text
    assert "Only admins can change settings" in words(page)
    assert 'value="save"' not in page.text
    assert "/send" not in page.text


def test_broken_connection_shows_since_when_why_and_the_queue(
    app: Flask, admin: Browser, values: dict[str, str], stored: str
) -> None:
    @transaction
    def break_connection() -> None:
        set_state(
            db.session.get_one(Connection, stored),
            ConnectionState.BROKEN,
            "Twilio rejected the Auth Token.",
        )

    with app.app_context():
        break_connection()
    for path in ("/integrations", "/integrations?state=broken", PAGE):
        page = words(admin.get(path))
        assert "Broken" in page
        assert "Twilio rejected the Auth Token." in page
    assert "1 connection is broken" in admin.get("/account").text
    assert "No integrations with this status" in words(admin.get("/integrations?state=enabled"))


def test_renaming_and_archiving_ask_for_confirmation(
    app: Flask, admin: Browser, values: dict[str, str], stored: str
) -> None:
    assert 'value="acme-us"' in admin.get(PAGE + "/rename").text
    assert "Use lowercase letters" in words(
        admin.post(PAGE + "/rename", {"title": "Acme", "slug": "Not A Slug"})
    )
    renamed = admin.post(PAGE + "/rename", {"title": "Acme Europe", "slug": "acme-eu"})
    assert renamed.headers["Location"] == "/connections/acme-eu"
    assert "Archive Acme Europe" in words(admin.get("/connections/acme-eu/archive"))
    assert admin.post("/connections/acme-eu/archive").headers["Location"] == "/integrations"
    assert admin.get("/connections/acme-eu").status_code == 404
    archived = admin.get("/connections/acme-eu-archived")
    assert "This connection is archived." in words(archived)
    assert 'value="save"' not in archived.text


# ── A test that passed before its settings were saved ─────────────────────────────────────────────
def test_passed_test_counts_after_the_first_save(
    app: Flask, admin: Browser, values: dict[str, str], simulator: Any
) -> None:
    passed = hidden_value(admin.post(NEW, {**values, "do": "test"}), "passed")
    assert passed
    answer = admin.post(NEW, {**values, "do": "save", "passed": passed}, follow_redirects=True)
    assert "Saved. Enable the connection to start sending" in words(answer)
    with app.app_context():
        connection = db.session.scalars(
            select(Connection).where(Connection.title == "Acme US")
        ).one()
        assert (connection.ready, connection.enabled) == (True, False)


@pytest.mark.parametrize(
    "other_values", [{"sender": "+13175550188"}, {"test": ""}, {"passed": "made up"}]
)
def test_passed_test_counts_only_for_the_tested_settings(
    app: Flask, admin: Browser, values: dict[str, str], other_values: dict[str, str], simulator: Any
) -> None:
    passed = hidden_value(admin.post(NEW, {**values, "do": "test"}), "passed")
    admin.post(NEW, {**values, "do": "save", "passed": passed, **other_values})
    with app.app_context():
        connection = db.session.scalars(
            select(Connection).where(Connection.title == "Acme US")
        ).one()
        assert not connection.ready


def test_passed_test_counts_only_for_its_user(
    app: Flask,
    admin: Browser,
    browser_for: Callable[..., Browser],
    values: dict[str, str],
    simulator: Any,
) -> None:
    passed = hidden_value(admin.post(NEW, {**values, "do": "test"}), "passed")
    other = browser_for(Role.ADMIN, name="Ines Duarte")
    other.post(NEW, {**values, "do": "save", "passed": passed})
    with app.app_context():
        connection = db.session.scalars(
            select(Connection).where(Connection.title == "Acme US")
        ).one()
        assert not connection.ready


def test_failed_test_cannot_be_saved_as_passed(
    admin: Browser, values: dict[str, str], simulator: Any
) -> None:
    page = admin.post(NEW, {**values, "auth_token": OTHER_TOKEN, "do": "test"})
    assert hidden_value(page, "passed") == ""


def test_broken_connection_is_enabled_again_after_a_passing_test(
    app: Flask, admin: Browser, stored: str, simulator: Any
) -> None:
    @transaction
    def break_connection() -> None:
        connection = db.session.get_one(Connection, stored)
        set_state(connection, ConnectionState.BROKEN, "Twilio rejected the Auth Token.")

    with app.app_context():
        break_connection()
    assert "Test again" in words(admin.get(PAGE))
    answer = admin.post(f"{PAGE}/test", follow_redirects=True)
    assert "The test passed. The connection is enabled again." in words(answer)
    with app.app_context():
        assert db.session.get_one(Connection, stored).state == ConnectionState.ENABLED


@pytest.mark.parametrize("action", ["test", "enable", "send"])
def test_settings_form_always_posts_to_the_page_address(
    app: Flask, admin: Browser, stored: str, values: dict[str, str], simulator: Any, action: str
) -> None:
    wrong = {**values, "auth_token": OTHER_TOKEN, "do": "save"}
    assert admin.post(PAGE, wrong).status_code == 303
    answer = admin.post(f"{PAGE}/{action}", {"to": "nobody"})
    assert answer.status_code == 422
    [form] = re.findall(r'<form[^>]*id="settings"[^>]*>', answer.text)
    assert f'action="{PAGE}"' in form


def test_help_of_a_webhook_may_contain_marks(
    admin: Browser, stored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path, method in TwilioSms.webhooks.items():
        if path != TwilioSms.status_path:
            function = getattr(TwilioSms, method)
            monkeypatch.setattr(function, "__doc__", "Replies. Open **Numbers** <there>.")
    assert "Open <b>Numbers</b> &lt;there&gt;." in admin.get(PAGE).text
