"""A connection's page, as an admin uses it; the provider is the simulator, over HTTP."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from hub import integrations
from hub.connections import connections
from hub.connections.connection_tests import set_state
from hub.core import data_dir
from hub.core.vocabulary import ConnectionState, Role
from hub.db.engine import db
from hub.db.store import transaction
from hub.models import Audit, Connection, Message
from tests.conftest import Browser, config_of, make_app
from tests.hub_fixtures import change

NAME = "twilio_sms"
NEW = f"/integrations/{NAME}/new"
PAGE = "/connections/acme-us"
OTHER_TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def values(app: Flask) -> dict[str, str]:
    """Return what an admin types to connect the simulator's account."""
    found = integrations.get(NAME).demo_settings(
        data_dir.simulator_credentials(config_of(app).data_dir)
    )
    assert found is not None
    return {**found, "title": "Acme US", "test": "y"}


@pytest.fixture
def stored(app: Flask, values: dict[str, str]) -> str:
    """Store the connection and return its id."""
    with app.app_context():
        return connections.add(NAME, "Acme US", True, values)


def one(app: Flask) -> Connection:
    return db.session.scalars(select(Connection)).one()


def words(page: TestResponse) -> str:
    """Return what a page says, without its markup."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page.text))


def hidden(page: TestResponse, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page.text)
    return found[1] if found else ""


def test_what_a_test_replaces_is_everything_that_it_may_change(
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
def test_an_admin_connects_tests_enables_and_sends_one(
    app: Flask, admin: Browser, values: dict[str, str], simulator: Any
) -> None:
    assert "Not set up" in words(admin.get("/integrations"))
    assert admin.get(f"/integrations/{NAME}").headers["Location"] == NEW
    assert "Account SID" in words(admin.get(NEW))
    saved = admin.post(NEW, {**values, "do": "save"})
    assert saved.headers["Location"] == PAGE
    assert "Saved. Test the connection, then enable it." in words(admin.get(PAGE))
    assert "Available when the test has passed" in words(admin.get(PAGE))
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


def test_a_test_before_the_first_save_stores_nothing(
    app: Flask, admin: Browser, values: dict[str, str], simulator: Any
) -> None:
    page = admin.post(NEW, {**values, "do": "test"})
    assert (page.status_code, "Twilio is ready" in words(page)) == (200, True)
    assert "not saved yet" in words(page)
    with app.app_context():
        assert connections.all_connections() == []


def test_a_secret_typed_before_a_test_without_script_is_saved_afterwards(
    app: Flask, admin: Browser, values: dict[str, str], simulator: Any
) -> None:
    page = admin.post(NEW, {**values, "do": "test"})
    assert values["auth_token"] not in page.text
    kept = hidden(page, "auth_token-kept")
    assert kept
    again = {**values, "auth_token": "", "auth_token-kept": kept, "do": "save"}
    assert admin.post(NEW, again).status_code == 303
    with app.app_context():
        assert one(app).settings["auth_token"] == values["auth_token"]


@pytest.mark.parametrize("other", ["somebody else", "another account", "changed on the way"])
def test_a_kept_secret_opens_for_nothing_else(
    app: Flask,
    admin: Browser,
    person: Callable[..., Browser],
    values: dict[str, str],
    other: str,
    simulator: Any,
) -> None:
    kept = hidden(admin.post(NEW, {**values, "do": "test"}), "auth_token-kept")
    browser = person(Role.ADMIN) if other == "somebody else" else admin
    changed = {**values, "auth_token": "", "auth_token-kept": kept, "do": "save"}
    if other == "another account":
        changed["account_sid"] = "AC" + "f" * 32
    if other == "changed on the way":
        changed["auth_token-kept"] = kept[:-6] + "AAAAAA"
    page = browser.post(NEW, changed)
    assert (page.status_code, "Enter the Auth Token." in words(page)) == (422, True)


def test_what_is_filled_in_wrong_is_told_beside_the_field_and_nothing_typed_is_lost(
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
    assert hidden(page, "auth_token-kept")


def test_a_refused_token_is_told_with_the_remedy_and_marked_on_its_field(
    app: Flask, admin: Browser, values: dict[str, str], stored: str, simulator: Any
) -> None:
    page = admin.post(PAGE, {**values, "auth_token": OTHER_TOKEN, "do": "test"})
    assert page.status_code == 200
    assert "Twilio rejected the Auth Token." in words(page)
    assert "API keys &amp; tokens" in page.text
    assert 'aria-invalid="true"' in page.text
    assert OTHER_TOKEN not in page.text


def test_changing_the_account_asks_for_its_secret_again(
    app: Flask, admin: Browser, values: dict[str, str], stored: str
) -> None:
    page = admin.post(
        PAGE, {**values, "account_sid": "AC" + "f" * 32, "auth_token": "", "do": "save"}
    )
    assert page.status_code == 422
    assert "The Account SID changed. Enter the Auth Token that belongs to it." in words(page)
    assert f'value="AC{"f" * 32}"' in page.text


def test_another_account_is_told_what_becomes_of_messages_under_way(
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
        change(db.session.scalars(select(Message.id)).one(), status="accepted")
    admin.post(PAGE, {**values, "account_sid": "AC" + "f" * 32, "do": "save"})
    assert warning in words(admin.get(PAGE))


def test_enabling_is_refused_without_a_passing_test(
    app: Flask, admin: Browser, values: dict[str, str], stored: str, simulator: Any
) -> None:
    admin.post(PAGE, {**values, "auth_token": OTHER_TOKEN, "do": "save"})
    page = admin.post(PAGE + "/enable")
    assert (page.status_code, "Twilio rejected the Auth Token." in words(page)) == (422, True)
    with app.app_context():
        assert one(app).state == ConnectionState.NEW


# ── Limits ────────────────────────────────────────────────────────────────────────────────────────
def test_the_sixth_test_in_a_minute_waits_and_nothing_typed_is_lost(
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
    assert hidden(page, "auth_token-kept")
    assert admin.post(NEW, typed).status_code == 429
    assert admin.post(PAGE + "/enable").status_code == 429


def test_the_eleventh_save_in_a_minute_waits(
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
        assert one(app).sender == "+13175550109"


def test_the_sixth_message_in_a_minute_waits(
    app: Flask, person: Callable[..., Browser], values: dict[str, str], stored: str, simulator: Any
) -> None:
    operator = person(Role.OPERATOR)
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
    ("to", "why"),
    [
        ("5551234567", "The country code is missing."),
        ("+1 317 555 12345", "too long"),
        ("", "Enter the sender"),
    ],
)
def test_a_number_that_is_none_is_told_why(
    app: Flask,
    admin: Browser,
    values: dict[str, str],
    stored: str,
    simulator: Any,
    to: str,
    why: str,
) -> None:
    with app.app_context():
        connections.enable(stored)
    page = admin.post(PAGE + "/send", {"to": to})
    assert (page.status_code, why in words(page)) == (422, True)
    assert f'value="{to}"' in page.text


def test_a_connection_that_is_off_sends_nothing(
    app: Flask, admin: Browser, values: dict[str, str], stored: str
) -> None:
    page = admin.post(PAGE + "/send", {"to": "+13175551234"})
    assert page.status_code == 409
    assert "is not enabled" in words(page)
    with app.app_context():
        assert db.session.scalars(select(Message.id)).all() == []


# ── Reading ───────────────────────────────────────────────────────────────────────────────────────
def test_a_viewer_reads_and_is_offered_nothing_to_change(
    app: Flask, person: Callable[..., Browser], values: dict[str, str], stored: str
) -> None:
    page = person(Role.VIEWER).get(PAGE)
    assert values["account_sid"] in page.text
    assert "Only admins can change settings" in words(page)
    assert 'value="save"' not in page.text
    assert "/send" not in page.text


def test_what_is_broken_says_since_when_why_and_what_waits(
    app: Flask, admin: Browser, values: dict[str, str], stored: str
) -> None:
    @transaction
    def break_it() -> None:
        set_state(
            db.session.get_one(Connection, stored),
            ConnectionState.BROKEN,
            "Twilio rejected the Auth Token.",
        )

    with app.app_context():
        break_it()
    for place in ("/integrations", "/integrations?state=broken", PAGE):
        page = words(admin.get(place))
        assert "Broken" in page
        assert "Twilio rejected the Auth Token." in page
    assert "1 connection is broken" in admin.get("/account").text
    assert "No integrations with this status" in words(admin.get("/integrations?state=enabled"))


def test_renaming_and_archiving_ask_first(
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


# ── Secrets ───────────────────────────────────────────────────────────────────────────────────────
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
    answers = [admin.post(NEW, {**values, "do": what}) for what in ("test", "save")]
    answers += [admin.post(PAGE, {**values, "do": what}) for what in ("test", "save")]
    answers += [
        admin.post(PAGE, {**values, "account_sid": "AC1", "do": what}) for what in ("test", "save")
    ]
    answers += [
        admin.post(PAGE, {**values, "auth_token": OTHER_TOKEN, "do": "test"}),
        admin.post(PAGE + "/enable"),
    ]
    places = ("/integrations", PAGE, PAGE + "/rename", NEW, "/activity", "/settings/users")
    answers += [admin.get(place) for place in places]
    for answer in answers:
        assert answer.status_code < 500
        assert secret not in answer.text
        assert OTHER_TOKEN not in answer.text
        assert secret not in str(answer.headers)
    with app.app_context():
        audit = " ".join(f"{row.title} {row.detail}" for row in db.session.scalars(select(Audit)))
    out, err = capfd.readouterr()
    for place in (audit, caplog.text, out, err):
        assert secret not in place
        assert OTHER_TOKEN not in place


def test_settings_that_do_not_open_are_told_with_the_key_and_can_be_typed_again(
    environ: dict[str, str],
    app: Flask,
    admin: Browser,
    values: dict[str, str],
    stored: str,
    simulator: Any,
) -> None:
    lost = make_app({**environ, "HUB_ENCRYPTION_KEYS": "k2:" + "A" * 43})
    browser = Browser(lost, admin.email, admin.user_id)
    browser.sign_in()
    for place in ("/integrations", "/activity", PAGE, PAGE + "/rename", PAGE + "/archive"):
        assert browser.get(place).status_code == 200, place
    page = browser.get(PAGE)
    assert "encrypted with the key &#39;k1&#39;" in page.text
    assert "cannot be read" in words(browser.post(PAGE + "/enable"))
    assert browser.post(PAGE, {**values, "auth_token": "", "do": "save"}).status_code == 422
    assert browser.post(PAGE, {**values, "do": "save"}).status_code == 303
    assert "Twilio is ready" in words(
        browser.post(PAGE, {**values, "auth_token": "", "do": "test"})
    )
    with lost.app_context():
        db.session.remove()
        db.engine.dispose()


# ── A test that passed before its settings were saved ─────────────────────────────────────────────
def test_a_passed_test_counts_after_the_first_save(
    app: Flask, admin: Browser, values: dict[str, str], simulator: Any
) -> None:
    passed = hidden(admin.post(NEW, {**values, "do": "test"}), "passed")
    assert passed
    answer = admin.post(NEW, {**values, "do": "save", "passed": passed}, follow_redirects=True)
    assert "Saved. Enable the connection to start sending" in words(answer)
    with app.app_context():
        one = db.session.scalars(select(Connection).where(Connection.title == "Acme US")).one()
        assert (one.ready, one.enabled) == (True, False)


@pytest.mark.parametrize("other", [{"sender": "+13175550188"}, {"test": ""}, {"passed": "made up"}])
def test_a_passed_test_counts_for_its_own_settings_only(
    app: Flask, admin: Browser, values: dict[str, str], other: dict[str, str], simulator: Any
) -> None:
    passed = hidden(admin.post(NEW, {**values, "do": "test"}), "passed")
    admin.post(NEW, {**values, "do": "save", "passed": passed, **other})
    with app.app_context():
        one = db.session.scalars(select(Connection).where(Connection.title == "Acme US")).one()
        assert not one.ready


def test_a_passed_test_counts_for_its_reader_only(
    app: Flask,
    admin: Browser,
    person: Callable[..., Browser],
    values: dict[str, str],
    simulator: Any,
) -> None:
    passed = hidden(admin.post(NEW, {**values, "do": "test"}), "passed")
    other = person(Role.ADMIN, name="Ines Duarte")
    other.post(NEW, {**values, "do": "save", "passed": passed})
    with app.app_context():
        one = db.session.scalars(select(Connection).where(Connection.title == "Acme US")).one()
        assert not one.ready


def test_a_failed_test_leaves_nothing_to_save_it_with(
    admin: Browser, values: dict[str, str], simulator: Any
) -> None:
    page = admin.post(NEW, {**values, "auth_token": OTHER_TOKEN, "do": "test"})
    assert hidden(page, "passed") == ""


def test_a_broken_connection_that_passes_is_enabled_again(
    app: Flask, admin: Browser, stored: str, simulator: Any
) -> None:
    @transaction
    def break_it() -> None:
        one = db.session.get_one(Connection, stored)
        set_state(one, ConnectionState.BROKEN, "Twilio rejected the Auth Token.")

    with app.app_context():
        break_it()
    assert "Test again" in words(admin.get(PAGE))
    answer = admin.post(f"{PAGE}/test", follow_redirects=True)
    assert "The test passed. The connection is enabled again." in words(answer)
    with app.app_context():
        assert db.session.get_one(Connection, stored).state == ConnectionState.ENABLED


@pytest.mark.parametrize("action", ["test", "enable", "send"])
def test_the_settings_are_saved_to_their_own_address_from_every_answer(
    app: Flask, admin: Browser, stored: str, values: dict[str, str], simulator: Any, action: str
) -> None:
    wrong = {**values, "auth_token": OTHER_TOKEN, "do": "save"}
    assert admin.post(PAGE, wrong).status_code == 303
    answer = admin.post(f"{PAGE}/{action}", {"to": "nobody"})
    assert answer.status_code == 422
    [form] = re.findall(r'<form[^>]*id="settings"[^>]*>', answer.text)
    assert f'action="{PAGE}"' in form
