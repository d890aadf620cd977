"""Reminders follow the settings of a request, a source and a route, and pause for apps."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import current_app
from sqlalchemy import update

from hub.accounts import api_keys, sources
from hub.core.vocabulary import RemindedBy
from hub.db.engine import db
from hub.db.store import transaction
from hub.models import (
    Event,
    Route,
    Source,
)
from hub.signing import reminder_settings
from tests.conftest import Browser
from tests.hub_fixtures import SigningApp, count, event_body, json_of, signer_body, source_id
from tests.signing.reminder_steps import (
    DAY,
    check,
    let_pass,
    post,
    reminders_after,
    reminders_to,
    send,
    signer,
    zone_at_noon,
)


def save_reminders(reminded_by: RemindedBy = RemindedBy.HUB, **settings: Any) -> None:
    reminder_settings.save_source(
        source_id(),
        reminded_by=reminded_by,
        test_reminded_by=reminded_by,
        settings=settings,
        time_zone=zone_at_noon(),
    )


def source() -> Source:
    db.session.rollback()
    return sources.get_source("default")


# ── Settings ──────────────────────────────────────────────────────────────────────────────────────
def test_request_has_reminders_of_its_own(signing_app: SigningApp) -> None:
    send(signing_app, reminders={"days": [2, 5], "most": 3})
    assert [days for days in range(1, 31) if reminders_after(1)] == [2, 5]


def test_reminders_of_a_request_can_be_switched_off_and_on(signing_app: SigningApp) -> None:
    send(signing_app, reminders={"enabled": False})
    assert reminders_after(4) == 0
    body = event_body("request.viewed", signer="eric")
    body["request"]["reminders"] = None
    assert signing_app.post("/events", body).status_code == 202
    assert check() == 1, "the one that was missed"


def test_source_has_reminders_of_its_own(signing_app: SigningApp) -> None:
    save_reminders(days=[4], days_before_expiry=[], most=5, working_days=False)
    send(signing_app)
    assert [days for days in range(1, 31) if reminders_after(1)] == [4]


def test_route_of_reminders_has_a_schedule(signing_app: SigningApp) -> None:
    @transaction
    def schedule() -> None:
        db.session.execute(
            update(Route)
            .where(Route.event_type == "request.reminder")
            .values(schedule={"days": [6]})
        )

    schedule()
    send(signing_app)
    assert [days for days in range(1, 31) if reminders_after(1)] == [6]


def test_changed_settings_apply_to_open_requests(signing_app: SigningApp) -> None:
    send(signing_app)
    let_pass(DAY)
    save_reminders(days=[2], days_before_expiry=[], most=5, working_days=False)
    assert check() == 0
    assert reminders_after(1) == 1


def test_zone_of_the_source_counts_for_signers_without_a_number(signing_app: SigningApp) -> None:
    @transaction
    def move() -> None:
        db.session.execute(update(Source).values(time_zone=zone_at_noon(-12)))

    move()
    send(signing_app, signer_body("Eric", None, email="eric@example.com"))
    assert reminders_after(3) == 0, "it is night there"
    remind_at = signer().remind_at
    assert remind_at is not None
    assert remind_at.astimezone(ZoneInfo(zone_at_noon(-12))).hour == 8


@pytest.mark.parametrize(
    ("schedule", "field"),
    [
        ({"days": [0]}, "request.reminders.days[0]"),
        ({"days": [366]}, "request.reminders.days[0]"),
        ({"days": ["3"]}, "request.reminders.days[0]"),
        ({"days": [1.5]}, "request.reminders.days[0]"),
        ({"days": [3, 3]}, "request.reminders.days"),
        ({"days": list(range(1, 12))}, "request.reminders.days"),
        ({"days": None}, "request.reminders.days"),
        ({"days_before_expiry": [-1]}, "request.reminders.days_before_expiry[0]"),
        ({"most": 0}, "request.reminders.most"),
        ({"most": 11}, "request.reminders.most"),
        ({"most": True}, "request.reminders.most"),
        ({"working_days": "yes"}, "request.reminders.working_days"),
        ({"enabled": 1}, "request.reminders.enabled"),
        ({"weekdays": True}, "request.reminders.weekdays"),
        ("off", "request.reminders"),
    ],
)
def test_invalid_reminders_are_refused_with_their_field(
    signing_app: SigningApp, schedule: Any, field: str
) -> None:
    body = event_body(signers=[signer_body("Eric")])
    body["request"]["reminders"] = schedule
    answer = signing_app.post("/events", body)
    assert (answer.status_code, json_of(answer)["field"]) == (422, field)
    assert count(Event) == 0


# ── Who reminds ───────────────────────────────────────────────────────────────────────────────────
def test_reminders_pause_once_the_app_posts_its_own(signing_app: SigningApp) -> None:
    send(signing_app)
    post(signing_app, "reminder", id="r1")
    assert source().test_reminded_by == RemindedBy.APP
    current_app.extensions["hub.cached"].clear()
    [listed] = json_of(signing_app.get("/requests/agr-1001"))["signers"]
    assert listed["next_reminder_at"] is None
    assert reminders_after(5) == 0
    send(signing_app, id="agr-2")
    assert reminders_after(5) == 0
    assert len(reminders_to()) == 1


@pytest.mark.parametrize("test", [False, True], ids=["live", "test"])
def test_reminder_of_an_app_pauses_only_those_of_its_kind_of_key(
    signing_app: SigningApp, *, test: bool
) -> None:
    live_app = SigningApp(signing_app.client, api_keys.create_key("Live", test=False))
    app = signing_app if test else live_app
    send(signing_app)
    send(live_app)
    post(app, "reminder", id="r1")
    paused = {True: source().test_reminded_by, False: source().reminded_by}
    assert paused == {test: RemindedBy.APP, not test: RemindedBy.HUB}
    current_app.extensions["hub.cached"].clear()
    for other, is_test in ((signing_app, True), (live_app, False)):
        [listed] = json_of(other.get("/requests/agr-1001"))["signers"]
        assert (listed["next_reminder_at"] is None) == (is_test == test)


def test_admin_switches_reminders_of_test_requests_on_again(
    signing_app: SigningApp, admin: Browser
) -> None:
    send(signing_app)
    post(signing_app, "reminder", id="r1")
    page = admin.get("/settings/sources/default").text
    assert "Reminders of test requests are sent by" in page
    assert "test reminders sent by the app" in admin.get("/activity").text.lower()
    save_reminders(RemindedBy.HUB)
    assert source().test_reminders_since is not None
    assert source().reminders_since is None, "those of live requests were never off"
    assert [days for days in range(1, 31) if reminders_after(1)] == [3, 7, 14]


def test_requests_that_were_open_count_from_when_reminders_were_switched_on(
    signing_app: SigningApp,
) -> None:
    send(signing_app)
    save_reminders(RemindedBy.APP)
    assert reminders_after(20) == 0
    save_reminders(RemindedBy.HUB)
    assert check() == 0, "nobody is flooded"
    assert [days for days in range(1, 31) if reminders_after(1)] == [3, 7, 14]
