"""Attacks on sign-ins and keys: no lockout, every refusal recorded, bounded growth."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from limits import parse
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from hub.accounts import api_keys, known_browsers, passwords, rate_limits
from hub.core.errors import Refused
from hub.core.vocabulary import Role
from hub.db.engine import db
from hub.db.types import now
from hub.intake import retention
from hub.models import ApiKey, AuditEntry
from hub.shared import security_log
from tests.conftest import PASSWORD, Browser
from tests.effort import examples

WRONG = "wrong, all wrong"


def from_address(address: str) -> dict[str, dict[str, str]]:
    return {"environ_base": {"REMOTE_ADDR": address}}


def sign_in_as(app: Flask, email: str, address: str, password: str = WRONG) -> TestResponse:
    stranger = Browser(app, email)
    return stranger.post(
        "/sign-in", {"email": email, "password": password}, **from_address(address)
    )


# ── Sign-ins ────────────────────────────────────────────────────────────────────────────────────
def test_wrong_passwords_elsewhere_do_not_lock_out_an_admin(
    app: Flask, browser_for: Callable[..., Browser]
) -> None:
    admin = browser_for(Role.ADMIN, signed_in=False)
    codes = [sign_in_as(app, admin.email, "203.0.113.7").status_code for _ in range(8)]
    assert codes == [422] * 5 + [429] * 3
    assert sign_in_as(app, admin.email, "192.0.2.1", PASSWORD).status_code == 303
    assert sign_in_as(app, admin.email, "203.0.113.7", PASSWORD).status_code == 429


@pytest.mark.parametrize("spread", ["one network", "many addresses"])
def test_known_browser_signs_in_despite_failures_elsewhere(
    app: Flask, browser_for: Callable[..., Browser], spread: str
) -> None:
    admin = browser_for(Role.ADMIN)
    admin.post("/sign-out")
    with app.app_context():
        account = rate_limits.account_key(admin.email)
        rate_limits.limiter.limiter.hit(
            parse(rate_limits.ACCOUNT.rate), "hub", account, rate_limits.ACCOUNT.name, cost=260
        )
    for number in range(45):
        address = "127.0.0.1" if spread == "one network" else f"198.51.100.{number}"
        email = admin.email if number < 6 or spread != "one network" else f"u{number}@acme.example"
        last = sign_in_as(app, email, address)
    assert last.status_code == 429
    other = Browser(app, admin.email)
    assert other.sign_in().status_code == 429, "a browser that it does not know"
    assert admin.sign_in().status_code == 303
    assert admin.get("/account").status_code == 200


def test_known_browser_has_its_own_limit(browser_for: Callable[..., Browser]) -> None:
    admin = browser_for(Role.ADMIN)
    admin.post("/sign-out")
    assert [admin.sign_in("wrong, all wrong").status_code for _ in range(6)] == [422] * 5 + [429]
    assert admin.sign_in().status_code == 429


def test_browser_is_known_only_for_its_own_accounts(
    app: Flask, browser_for: Callable[..., Browser]
) -> None:
    first = browser_for(Role.ADMIN, name="First One")
    second = browser_for(Role.VIEWER, name="Second One")
    cookie = first.client.get_cookie(known_browsers.COOKIE, "127.0.0.1")
    assert cookie is not None
    assert cookie.http_only
    with app.test_request_context():
        assert known_browsers.find_known_browser(cookie.value, first.email)
        assert not known_browsers.find_known_browser(cookie.value, second.email)
        assert not known_browsers.find_known_browser(cookie.value[:-2] + "xx", first.email)
        cookie_of_both = known_browsers.add_account_to_cookie(cookie.value, second.email)
        assert (
            known_browsers.find_known_browser(cookie_of_both, first.email)
            == known_browsers.find_known_browser(cookie_of_both, second.email)
            != ""
        )
        for number in range(known_browsers.MAX_ACCOUNTS):
            cookie_of_both = known_browsers.add_account_to_cookie(
                cookie_of_both, f"{number}@acme.example"
            )
        assert not known_browsers.find_known_browser(cookie_of_both, first.email)
    assert first.email not in cookie.value


@settings(max_examples=examples(50), deadline=None, suppress_health_check=list(HealthCheck))
@given(cookie=st.text(max_size=200))
def test_forged_cookie_does_not_make_a_browser_known(app: Flask, cookie: str) -> None:
    with app.test_request_context():
        assert known_browsers.find_known_browser(cookie, "dana@acme.example") == ""


def test_wrong_current_password_is_limited_to_five_attempts(app: Flask, admin: Browser) -> None:
    new = {"password": "four other words entirely"}
    codes = [admin.post("/account", {"current": f"wrong {n}", **new}).status_code for n in range(5)]
    assert codes == [422] * 4 + [303]
    assert admin.get("/account").status_code == 303, "signed out"
    assert "You entered 5 wrong passwords. Sign in again." in admin.get("/sign-in").text
    assert admin.sign_in().status_code == 303
    assert admin.post("/account", {"current": PASSWORD, **new}).status_code == 303
    assert "Was signed out after 5 wrong passwords" in admin.get("/activity").text


def test_correct_current_password_resets_the_count_even_if_the_new_one_is_refused(
    admin: Browser,
) -> None:
    for _ in range(7):
        page = admin.post("/account", {"current": PASSWORD, "password": "password1234"})
        assert page.status_code == 422
        assert "one of the most common passwords" in page.text


# ── Passwords ───────────────────────────────────────────────────────────────────────────────────
COMMON = [
    "password1234",
    "Password123!",
    "qwertyuiop",
    "1q2w3e4r5t6y",
    "iloveyou2024",
    "letmein12345",
    "passwordpassword",
    "aaaaaaaaaaaa",
    "abcdefghijkl",
    "1234567890",
    "admin12345",
    "welcome2026",
    "correcthorsebatterystaple",
    "Correct Horse Battery Staple",
]
PERSONAL = [
    "dana.whitfield",
    "DanaWhitfield1",
    "whitfield-2026",
    "Signpost2026!",
    "acme.example",
    "signpost-acme",
]


@pytest.mark.parametrize("password", COMMON)
def test_common_password_is_refused(password: str) -> None:
    with pytest.raises(Refused, match=r"common|easy to guess") as refusal:
        passwords.check_strength(password, "dana.whitfield@acme.example", "Dana Whitfield")
    assert refusal.value.code == "password_too_common"
    assert password not in str(refusal.value)


@pytest.mark.parametrize("password", PERSONAL)
def test_password_with_personal_details_is_refused(password: str) -> None:
    with pytest.raises(Refused) as refusal:
        passwords.check_strength(password, "dana.whitfield@acme.example", "Dana Whitfield")
    assert refusal.value.code == "password_is_personal"


@settings(max_examples=examples(50), deadline=None)
@given(
    st.lists(
        st.sampled_from(["otter", "granite", "violin", "ladder", "copper", "window"]),
        min_size=4,
        max_size=4,
        unique=True,
    )
)
def test_passphrase_of_four_words_is_accepted(words: list[str]) -> None:
    passwords.check_strength(" ".join(words), "dana.whitfield@acme.example", "Dana Whitfield")


@settings(max_examples=examples(50), deadline=None)
@given(st.text(max_size=1200))
def test_any_text_is_accepted_or_refused_with_a_reason(text: str) -> None:
    code = "password_"
    try:
        passwords.check_strength(text, "dana@acme.example", "Dana")
    except Refused as refusal:
        code = refusal.code
    assert code.startswith("password_")


def test_page_explains_a_refused_password(admin: Browser) -> None:
    form = {"name": "Olaf", "email": "olaf@acme.example", "role": str(Role.VIEWER.value)}
    link = admin.post("/settings/users", form).text.partition("/password/")[2].partition("<")[0]
    nobody = Browser(admin.app)
    page = nobody.post(f"/password/{link}", {"password": "olaf-olaf-olaf"})
    assert page.status_code == 422
    assert "contains your name, your email address or the name of this product" in page.text


# ── The activity ────────────────────────────────────────────────────────────────────────────────
def refusals(app: Flask) -> list[AuditEntry]:
    with app.app_context():
        query = (
            select(AuditEntry)
            .where(AuditEntry.action.startswith("security."))
            .order_by(AuditEntry.id)
        )
        return list(db.session.scalars(query))


def test_refused_sign_ins_are_counted_in_the_activity(app: Flask, admin: Browser) -> None:
    with time_machine.travel(now().replace(second=1), tick=False):
        for _ in range(7):
            sign_in_as(app, admin.email, "203.0.113.7", "my secret password")
        sign_in_as(app, "secret-typed-here@acme.example", "203.0.113.8")
    rows = {(row.action, row.detail["address"]): row for row in refusals(app)}
    failed = rows[("security.sign_in_failed", "203.0.113.7")]
    assert (failed.detail["count"], failed.title) == (5, "Dana Whitfield")
    assert rows[("security.sign_in_limited", "203.0.113.7")].detail["count"] == 2
    assert rows[("security.sign_in_failed", "203.0.113.8")].title == "an unknown account"
    page = admin.get("/activity?kind=security").text
    assert "Failed to sign in as Dana Whitfield" in page
    assert "IP address: 203.0.113.7 · Attempts: 5" in page
    assert "secret" not in page


def test_refused_keys_are_recorded_without_the_key(app: Flask, admin: Browser) -> None:
    with app.app_context():
        text = api_keys.create_key("Contracts", test=False)
        api_keys.revoke_key(
            db.session.scalars(select(ApiKey.id).where(ApiKey.name == "Contracts")).one()
        )
    unknown = "sp_live_" + secrets.token_urlsafe(32)
    client = app.test_client()
    with time_machine.travel(now().replace(second=1), tick=False):
        for key in (text, text, unknown, "hunter2hunter2"):
            headers = {"Authorization": f"Bearer {key}"}
            assert client.get("/api/v1/messages", headers=headers).status_code == 401
        assert client.get("/api/v1/messages").status_code == 401
    rows = refusals(app)
    assert [(row.title, row.detail["count"]) for row in rows if row.subject] == [("Contracts", 2)]
    page = admin.get("/activity?kind=security").text
    assert "Sent a request with a rejected API key: Contracts" in page
    for row in rows:
        audit_text = f"{row.title} {row.detail}"
        assert text not in audit_text
        assert unknown[:14] not in audit_text
        assert "hunter2" not in audit_text


def test_forbidden_pages_are_recorded(app: Flask, browser_for: Callable[..., Browser]) -> None:
    viewer = browser_for(Role.VIEWER, name="Vera Vale")
    admin = browser_for(Role.ADMIN)
    assert viewer.post("/settings/api-keys", {"name": "x"}).status_code == 403
    (row,) = refusals(app)
    assert (row.action, row.actor, row.detail["page"]) == (
        "security.forbidden",
        "Vera Vale",
        "/settings/api-keys",
    )
    assert "Tried to open a page without permission" in admin.get("/activity").text


def test_refused_webhooks_are_recorded(app: Flask) -> None:
    form = {"AccountSid": "AC" + "0" * 32, "MessageSid": "SM" + "0" * 32, "MessageStatus": "sent"}
    with time_machine.travel(now().replace(second=1), tick=False):
        for _ in range(3):
            assert (
                app.test_client().post("/api/rpc/webhooks/twilio/sms", data=form).status_code == 403
            )
    (row,) = refusals(app)
    assert (row.action, row.detail["count"]) == ("security.webhook_refused", 3)


@settings(max_examples=examples(20), deadline=None, suppress_health_check=list(HealthCheck))
@given(numbers=st.lists(st.integers(0, 300), min_size=1, max_size=400))
def test_attack_adds_a_bounded_number_of_rows(app: Flask, numbers: list[int]) -> None:
    minute = now().replace(second=1) + timedelta(minutes=secrets.randbelow(10**7))
    with time_machine.travel(minute, tick=False):
        before = {row.id for row in refusals(app)}
        with app.app_context():
            for number in numbers:
                security_log.record("key_refused", f"10.0.{number // 250}.{number % 250}")
        rows = [row for row in refusals(app) if row.id not in before]
        assert len(rows) <= min(len(set(numbers)), security_log.MAX_ROWS_PER_MINUTE + 1)
        assert sum(row.detail["count"] for row in rows) <= len(numbers)
        busiest = max(numbers.count(number) for number in set(numbers))
        assert sum(row.detail["count"] for row in rows) >= min(
            len(numbers), busiest, security_log.IMMEDIATE_WRITES
        )


def test_old_refusals_are_removed_and_changes_are_kept(app: Flask, admin: Browser) -> None:
    with app.app_context():
        with time_machine.travel(now() - timedelta(days=366)):
            security_log.record("forbidden", "192.0.2.1")
            changes = db.session.scalar(select(func.count()).select_from(AuditEntry)) or 0
        security_log.record("forbidden", "192.0.2.1")
        retention.apply_retention()
        db.session.rollback()
        assert db.session.scalar(select(func.count()).select_from(AuditEntry)) == changes
        assert len(refusals(app)) == 1
