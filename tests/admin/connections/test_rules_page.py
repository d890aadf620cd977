"""The page of a connection's rules: stored values and reported contradictions."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from flask import Flask
from sqlalchemy import select

from hub.core.vocabulary import Role
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.messaging.policy import policy, spending
from hub.messaging.policy.quiet_hours import QuietHours
from hub.models import Connection
from tests.conftest import Browser

PATH = "/connections/demo-sms/rules"
FULL = {
    "consent": "y",
    "consent_days": "365",
    "countries": "us, de",
    "per_hour": "3",
    "per_day": "9",
    "currency": "eur",
    "prices": "US: 0.0083\nother: 0.25",
    "spend_day": "5",
    "spend_month": "50.5",
    "quiet_from": "21:00",
    "quiet_to": "08:00",
    "quiet_waits": "y",
    "opt_out_line": "Text STOP to end.",
    "opt_out_prefixes": "+1, +33",
}


@pytest.fixture(autouse=True)
def _prepare_demo(demo_data: None) -> None:
    """Add the demo's connections."""


def stored_rules(app: Flask) -> policy.Rules:
    with app.app_context():
        return policy.get_rules(
            db.session.scalars(select(Connection).where(Connection.slug == "demo-sms")).one().info
        )


def test_rules_are_stored_and_shown_as_entered(app: Flask, admin: Browser) -> None:
    answer = admin.post(PATH, FULL)
    assert (answer.status_code, answer.location) == (303, PATH)
    rules = stored_rules(app)
    assert (rules.consent, rules.consent_days, rules.countries, rules.per_hour, rules.per_day) == (
        True,
        365,
        {"US", "DE"},
        3,
        9,
    )
    assert (rules.currency, rules.prices) == ("EUR", {"US": Decimal("0.0083"), "": Decimal("0.25")})
    assert (rules.spend_day, rules.spend_month) == (5, Decimal("50.5"))
    assert (rules.quiet, rules.quiet_waits) == (QuietHours("21:00", "08:00"), True)
    page = admin.get(PATH).text
    for line in (
        'value="DE, US"',
        "US: 0.0083",
        "other: 0.25",
        'value="EUR"',
        'value="50.5"',
        'value="21:00"',
    ):
        assert line in page
    assert "Changed the rules of the connection" in admin.get("/activity").text


def test_emptied_rule_is_removed(app: Flask, admin: Browser) -> None:
    admin.post(PATH, FULL)
    assert admin.post(PATH, {"currency": "USD"}).status_code == 303
    emptied = policy.Rules(opt_out_line="", opt_out_prefixes=frozenset())
    assert stored_rules(app) == emptied


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("countries", "US, UK", "is not a country"),
        ("per_hour", "many", "Not a valid integer"),
        ("per_hour", "-1", "from 1 to"),
        ("opt_out_prefixes", "US", "is not a country code"),
        ("opt_out_line", "x" * 121, "at most 120 characters"),
        ("prices", "US 0.01", "a country, a colon and a price"),
        ("spend_day", "5,50", "is not an amount"),
        ("spend_day", "99", "The monthly limit is lower"),
        ("currency", "Euro", "three letters"),
        ("quiet_to", "", "Enter both times"),
        ("quiet_to", "21:00", "nothing could be sent"),
        ("per_day", "2", "The limit per day is lower"),
        ("prices", "", "A spending limit needs prices"),
    ],
)
def test_contradictory_rule_is_reported_at_its_field_and_not_saved(
    app: Flask, admin: Browser, field: str, value: str, error: str
) -> None:
    before = stored_rules(app)
    answer = admin.post(PATH, FULL | {field: value})
    assert answer.status_code == 422
    assert error in answer.text
    assert "US, DE" in answer.text.upper() or field == "countries", (
        "what was typed stands there still"
    )
    assert stored_rules(app) == before


def test_all_errors_of_the_rules_are_reported_together(app: Flask, admin: Browser) -> None:
    before = stored_rules(app)
    wrong = {"countries": "US, UK", "prices": "US 1", "spend_day": "x", "spend_month": "y"}
    page = admin.post(PATH, FULL | wrong).text
    for error in ("is not a country", "a country, a colon and a price", "“x” is not an amount"):
        assert error in page
    contradictions = {"currency": "Euro", "per_day": "2", "prices": ""}
    page = admin.post(PATH, FULL | contradictions).text
    for error in ("three letters", "The limit per day is lower", "A spending limit needs prices"):
        assert error in page
    assert stored_rules(app) == before


def test_only_an_admin_changes_rules(browser_for: Callable[[Role], Browser]) -> None:
    operator = browser_for(Role.OPERATOR)
    assert "Only admins can change rules" in operator.get(PATH).text
    assert operator.post(PATH, FULL).status_code == 403


@pytest.mark.parametrize(("spent", "tone"), [("3.90", None), ("4.00", "80%"), ("5", "100%")])
def test_overview_warns_when_a_limit_is_near(
    app: Flask, admin: Browser, spent: str, tone: str | None
) -> None:
    admin.post(PATH, FULL)

    @transaction
    def spend() -> None:
        connection_id = db.session.scalars(
            select(Connection.id).where(Connection.slug == "demo-sms")
        ).one()
        spending.add_spending(connection_id, now(), messages=1, segments=1, cost=Decimal(spent))

    with app.app_context():
        spend()
    page = admin.get("/").text
    assert ("of its spending limit" in page) == (tone is not None)
    if tone:
        assert f"has used {tone}" in page
        assert "More than 80% of a spending limit is used." in admin.get(PATH).text


@pytest.mark.parametrize(
    ("name", "hours", "days"),
    [
        ("us", ("21:00", "08:00"), ()),
        ("fr", ("22:00", "08:00"), (6,)),
        ("in", ("21:00", "10:00"), ()),
    ],
)
def test_preset_replaces_the_entered_quiet_hours(
    app: Flask, admin: Browser, name: str, hours: tuple[str, str], days: tuple[int, ...]
) -> None:
    assert admin.post(PATH, {**FULL, "quiet_preset": name}).status_code == 303
    assert stored_rules(app).quiet == QuietHours(*hours, days)
    page = admin.get(PATH).text
    assert f'value="{hours[0]}"' in page
    assert "Check with a lawyer" in page
    sundays = {"quiet_sundays": "y"} if days else {}
    admin.post(PATH, {**FULL, "quiet_from": hours[0], "quiet_to": hours[1], **sundays})
    assert stored_rules(app).quiet == QuietHours(*hours, days), "as entered, without a preset"


def test_quiet_sundays_need_hours_for_the_other_days(app: Flask, admin: Browser) -> None:
    answer = admin.post(
        PATH, {"currency": "USD", "prices": "", "quiet_from": "", "quiet_sundays": "y"}
    )
    assert answer.status_code == 422
    assert "Enter the hours that apply on the other days" in answer.text
    assert stored_rules(app).quiet is None
    assert admin.post(PATH, {**FULL, "quiet_preset": "mars"}).status_code == 422


def test_quiet_sundays_are_shown_on_the_connection(app: Flask, admin: Browser) -> None:
    admin.post(PATH, {**FULL, "quiet_preset": "fr"})
    assert "22:00 to 08:00 and on Sundays" in admin.get("/connections/demo-sms").text


def test_opt_out_line_is_stored_and_warns_about_france(app: Flask, admin: Browser) -> None:
    assert "Gateways in France" not in admin.get(PATH).text
    admin.post(PATH, FULL)
    rules = stored_rules(app)
    assert (rules.opt_out_line, rules.opt_out_prefixes) == ("Text STOP to end.", {"+1", "+33"})
    page = admin.get(PATH).text
    assert "Gateways in France can hold texts with an opt-out line" in page
    assert "Text STOP to end." in page
