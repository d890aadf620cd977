"""An admin sees and changes on one page who is notified of each event."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from hub.admin.routing.route_form import edit_steps
from hub.admin.view.datetimes import format_datetime
from hub.core.vocabulary import Connective, Goal, Role
from hub.db.types import creation_time
from hub.signing import routes
from hub.signing.reminder_settings import source_reminders
from hub.signing.routes import RouteIn, StepIn
from tests.admin.routing.routing_steps import (
    LADDER,
    URL,
    post_request,
    save,
    seen,
    stored,
    stored_id,
    words,
)
from tests.conftest import Browser
from tests.hub_fixtures import source_id


def test_ladder_is_saved_and_shown_as_a_sentence(app: Flask, admin: Browser) -> None:
    assert save(admin).status_code == 303
    route = stored(app)
    assert route
    assert [(step.channel, step.goal, step.wait_minutes) for step in route[1].steps] == [
        ("whatsapp", None, None),
        ("sms", "delivered", 30),
        ("email", "opened", 24 * 60),
    ]
    page = words(admin.get("/routing"))
    assert "WhatsApp otherwise after 30 min SMS otherwise not opened after 1 day Email" in page


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"steps-1-wait": "soon"}, "Enter a whole number."),
        ({"steps-1-wait": ""}, "Enter a time between 1 minute and 30 days."),
        ({"steps-1-wait": "99999"}, "Enter a time between 1 minute and 30 days."),
        ({"steps-2-goal": "read"}, "reports “read”"),
        ({"steps-2-over": "webhook"}, "Choose a channel"),
        ({"paid_when_missing": "many"}, "Enter a whole number."),
        ({"paid_when_missing": "0"}, "Enter 1 or more."),
    ],
)
def test_mistake_is_shown_at_its_field_and_nothing_is_saved(
    app: Flask, admin: Browser, fields: dict[str, str], message: str
) -> None:
    before = stored_id(app)
    page = save(admin, **fields)
    assert page.status_code == 422
    assert message in words(page)
    assert "<title>Error: " in page.text
    for name, value in fields.items():
        assert value in page.text, f"{name} was lost"
    assert stored_id(app) == before


def test_buttons_change_the_steps_without_saving(app: Flask, admin: Browser) -> None:
    before = stored_id(app)
    page = admin.post(URL, {"seen": before, **LADDER, "do": "remove-1"})
    assert "steps-1-over" in page.text
    assert "steps-2-over" not in page.text
    assert "Email" in words(page)
    assert stored_id(app) == before


@pytest.mark.parametrize("url", [URL, f"{URL}?source=default"])
def test_second_admin_keeps_the_entries_when_the_route_was_saved_meanwhile(
    app: Flask, admin: Browser, url: str
) -> None:
    slug = "default" if "source" in url else ""
    old = seen(admin.get(url))
    save(admin, url)
    saved = stored(app, slug)
    mine = {**LADDER, "steps-1-wait": "47", "paid_when_missing": "3"}
    page = admin.post(url, {"seen": old, **mine, "do": "save"})
    assert page.status_code == 409
    assert "in the meantime" in words(page)
    assert "<title>Error: " in page.text
    assert 'value="47"' in page.text
    assert stored(app, slug) == saved
    newest = seen(page)
    again = admin.post(url, {"seen": newest, **mine, "do": "save"})
    assert again.status_code == 303
    now_stored = stored(app, slug)
    assert now_stored
    assert now_stored[1].steps[1].wait_minutes == 47
    assert now_stored[1].paid_when_missing == 3


def test_source_gets_its_own_route_until_it_follows_the_general_one(
    app: Flask, admin: Browser
) -> None:
    own = f"{URL}?source=default"
    assert "uses the general route" in admin.get(own).text
    assert save(admin, own).status_code == 303
    assert stored(app, "default")
    confirm = admin.get(f"{URL}/general?source=default")
    assert "The general route replaces the route of " in words(confirm)
    admin.post(f"{URL}/general?source=default")
    assert stored(app, "default") is None
    for repeat in (admin.post, admin.get):
        assert repeat(f"{URL}/general?source=default").status_code == 303
        assert "The general route applies already." in admin.get(own).text


def test_former_version_can_be_started_from(app: Flask, admin: Browser) -> None:
    first = stored_id(app)
    save(admin)
    page = admin.get(f"{URL}?version={first}")
    assert "Start from this version" in page.text
    # the last step of the installed route follows only a failure
    assert re.search(r'name="steps-2-goal".*?<option selected value="">', page.text)
    assert seen(page) == stored_id(app)


def test_cell_shows_what_it_has_sent(app: Flask, admin: Browser) -> None:
    post_request(app)
    assert "1 sent" in words(admin.get("/routing"))


def test_viewer_sees_the_route_and_cannot_change_it(browser_for: Any) -> None:
    viewer = browser_for(Role.VIEWER)
    page = viewer.get(URL)
    assert "Only admins can change routes." in page.text
    assert viewer.post(URL, {"seen": "", **LADDER, "do": "save"}).status_code == 403


@pytest.mark.parametrize(
    "path", ["/routing/sent/nobody", "/routing/unknown/signer", "/routing/sent/team"]
)
def test_cell_that_does_not_exist_is_not_found(admin: Browser, path: str) -> None:
    assert admin.get(path).status_code == 404


steps = st.lists(
    st.builds(
        StepIn,
        st.sampled_from(["sms", "whatsapp", "email", "chat"]),
        st.none(),
        st.sampled_from([connective.value for connective in Connective]),
        st.sampled_from([goal.value for goal in Goal]),
        st.none() | st.integers(1, 100),
    ),
    max_size=10,
)
actions = st.sampled_from(["also", "otherwise", "up", "down", "remove", ""]).flatmap(
    lambda name: st.integers(-1, 11).map(lambda index: f"{name}-{index}" if index >= 0 else name)
)


@given(steps, st.lists(actions, max_size=8))
def test_any_buttons_keep_a_first_step_without_condition(
    entered: list[StepIn], pressed: list[str]
) -> None:
    route = RouteIn(entered)
    for action in pressed:
        route = edit_steps(route, action, {})
    assert len(route.steps) <= routes.MAX_STEPS
    if pressed and route.steps:
        assert route.steps[0].connective == Connective.ALSO


@pytest.mark.parametrize("number", ["²", "٣", "9" * 5000, "", "-1", "1.0"])
@pytest.mark.parametrize("name", ["up", "down", "remove"])
def test_button_of_a_step_that_does_not_exist_changes_nothing(
    admin: Browser, name: str, number: str
) -> None:
    before = admin.post(URL, {"seen": "", **LADDER, "do": "other"})
    page = admin.post(URL, {"seen": "", **LADDER, "do": f"{name}-{number}"})
    assert page.status_code == 200
    assert words(page) == words(before)


def test_schedule_of_reminders_is_saved_with_their_route(app: Flask, admin: Browser) -> None:
    url = "/routing/reminder/signer"
    step = {"steps-0-connective": "also", "steps-0-over": "sms", "do": "save"}
    days = {"days": "2, 5", "days_before_expiry": "", "most": "2"}
    wrong = admin.post(url, {"seen": seen(admin.get(url)), **step, **days, "days": "soon"})
    assert wrong.status_code == 422
    assert "Enter whole numbers separated by commas" in words(wrong)
    saved = admin.post(url, {"seen": seen(admin.get(url)), **step, **days})
    assert saved.status_code == 303
    page = words(admin.get("/routing"))
    assert "2 and 5 days after the invitation, at most 2." in page
    with app.app_context():
        schedule = source_reminders(source_id(), test=False).schedule(None)
    assert (schedule.days, schedule.days_before_expiry, schedule.most) == ((2, 5), (), 2)


def test_fallbacks_of_a_version_are_stopped_after_a_confirmation(
    app: Flask, admin: Browser
) -> None:
    saved = admin.post(URL, {"seen": stored_id(app), "do": "save", **LADDER})
    assert saved.status_code == 303
    version = stored_id(app)
    question = f"{URL}/stop?version={version}"
    assert question in admin.get(URL).text.replace("&amp;", "&")
    asked = words(admin.get(question))
    assert "No messages are waiting for a next step of this version." in asked
    assert "Events from now on have fallbacks again." in asked
    assert admin.post(question).status_code == 303
    page = words(admin.get(URL))
    assert "fallbacks stopped" in page
    assert "stopped the fallbacks of a version of a route" in words(admin.get("/activity")).lower()


def test_fallbacks_of_an_unknown_version_cannot_be_stopped(app: Flask, admin: Browser) -> None:
    for version in ("", "nonsense", "rte_0199f3b2-5d1a-7c44-8a51-3f6f5d2c9b10"):
        assert admin.get(f"{URL}/stop?version={version}").status_code == 404
        assert admin.post(f"{URL}/stop?version={version}").status_code == 404


def versions_of(page: Any) -> str:
    return words(page).partition("Version ")[2]


def test_versions_show_when_they_were_saved_and_all_that_differs(
    app: Flask, admin: Browser
) -> None:
    save(admin)
    choices = {
        "steps-2-consented_only": "y",
        "paid_when_missing": "3",
        "continue_after_opt_out": "y",
    }
    save(admin, **choices)
    listed = versions_of(admin.get(URL))
    newest, _, former = listed.partition("Version ")
    for said in (
        "Step 3 only with a recorded consent.",
        "Paid channels only while at most 3 signatures are missing.",
        "Continues on other channels after an opt-out.",
    ):
        assert said in newest
        assert said not in former
    with app.app_context():
        saved_at = format_datetime(creation_time(stored_id(app)))
    assert f"in force, saved by Dana Whitfield on {saved_at}" in newest


def test_versions_of_the_reminder_show_their_schedule(admin: Browser) -> None:
    url = "/routing/reminder/signer"
    step = {"steps-0-connective": "also", "steps-0-over": "sms", "do": "save"}
    for days, more in (("2, 5", {}), ("2, 5", {"working_days": "y"}), ("4", {})):
        fields = {**step, "days": days, "days_before_expiry": "", "most": "2", **more}
        answer = admin.post(url, {"seen": seen(admin.get(url)), **fields})
        assert answer.status_code == 303
    listed = versions_of(admin.get(url)).split("Version ")
    days = "Schedule: 2 and 5 days after the invitation, at most 2"
    assert "Schedule: 4 days after the invitation, at most 2." in listed[0]
    assert f"{days}, on working days only." in listed[1]
    assert f"{days}." in listed[2]


@pytest.mark.parametrize("url", [URL, "/routing/reminder/signer", "/routing/completed/signer"])
def test_save_without_a_change_adds_no_version(admin: Browser, url: str) -> None:
    page = admin.get(url)
    entered = {**form_values(page), "do": "save"}
    assert admin.post(url, entered).status_code == 303
    after = admin.get(url)
    assert "Nothing has changed." in words(after)
    assert seen(after) == seen(page)
    changed = {**entered, "continue_after_opt_out": "y"}
    assert admin.post(url, changed).status_code == 303
    assert seen(admin.get(url)) != seen(page)


def form_values(page: Any) -> dict[str, str]:
    """Return the fields of the panel as a browser posts them."""
    found = re.search(r'<form method="post" action="/routing.*?</form>', page.text, re.DOTALL)
    assert found
    values = {}
    for tag in re.findall(r"<input[^>]*>", found[0]):
        attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if attributes.get("type") != "checkbox" or " checked" in tag:
            values[attributes["name"]] = attributes.get("value", "")
    for name, options in re.findall(
        r'<select[^>]*name="([^"]*)"[^>]*>(.*?)</select>', found[0], re.DOTALL
    ):
        selected = re.search(r'<option selected value="([^"]*)"', options)
        values[name] = selected[1] if selected else ""
    return values
