"""An admin sees and changes on one page who is notified of each event."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from hub.accounts import sources
from hub.admin.routing.route_form import edit_steps
from hub.connections import demo
from hub.core.vocabulary import Audience, Connective, EventType, Goal, Role
from hub.db.engine import db
from hub.db.store import transaction
from hub.models import Contact, Message
from hub.signing import accept, routes
from hub.signing.events import EventIn
from hub.signing.reminder_settings import source_reminders
from hub.signing.routes import RouteIn, StepIn
from tests.conftest import Browser
from tests.hub_fixtures import event_body, source_id
from tests.signing.test_planning import open_window

URL = "/routing/sent/signer"
CELL = (EventType.SENT.value, Audience.SIGNER.value)
LADDER = {
    "steps-0-connective": "also",
    "steps-0-over": "whatsapp",
    "steps-1-connective": "otherwise",
    "steps-1-goal": "delivered",
    "steps-1-wait": "30",
    "steps-1-unit": "minutes",
    "steps-1-over": "sms",
    "steps-2-connective": "otherwise",
    "steps-2-goal": "opened",
    "steps-2-wait": "1",
    "steps-2-unit": "days",
    "steps-2-over": "email",
}


@pytest.fixture(autouse=True)
def demo_hub(app: Flask) -> None:
    """Add the demo's connections."""
    with app.app_context():
        demo.prepare()


def stored(app: Flask, source: str = "") -> tuple[str, RouteIn] | None:
    """Return the ID and content of the route in force, of one source or of all."""
    with app.app_context():
        route = routes.read_routes_in_force(sources.get_source(source).id if source else None).get(
            CELL
        )
        return (route.id, routes.read_entry(route)) if route else None


def stored_id(app: Flask) -> str:
    route = stored(app)
    assert route
    return route[0]


def post_request(app: Flask) -> None:
    """Accept an event that asks a signer with a phone number only."""
    signer = {"id": "eric", "name": "Eric Smith", "mobile_number": "+13175551234"}
    body = event_body("request.sent", signers=[signer])
    with app.app_context():
        answer = accept.accept_event(EventIn.model_validate(body), source_id(), test=True)
        assert answer["messages"]


def count_messages(app: Flask) -> int:
    with app.app_context():
        return len(db.session.scalars(select(Message)).all())


def seen(page: Any) -> str:
    found = re.search(r'name="seen"[^>]*value="([^"]*)"', page.text)
    assert found
    return found[1]


def save(admin: Browser, url: str = URL, **fields: str) -> Any:
    """Save the ladder with some fields changed, as a browser does after opening the page."""
    return admin.post(url, {"seen": seen(admin.get(url)), **LADDER, **fields, "do": "save"})


def words(page: Any) -> str:
    """Return the text of a page without tags, with single spaces."""
    return " ".join(re.sub(r"<[^>]*>", " ", page.text).split())


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


def test_second_admin_is_told_of_a_route_saved_meanwhile(app: Flask, admin: Browser) -> None:
    old = seen(admin.get(URL))
    save(admin)
    saved = stored_id(app)
    page = admin.post(URL, {"seen": old, **LADDER, "do": "save"}, follow_redirects=True)
    assert "in the meantime" in page.text
    assert stored_id(app) == saved


def test_source_gets_its_own_route_until_it_follows_the_general_one(
    app: Flask, admin: Browser
) -> None:
    own = f"{URL}?source=default"
    assert "uses the general route" in admin.get(own).text
    assert save(admin, own).status_code == 303
    assert stored(app, "default")
    confirm = admin.get(f"{URL}/general?source=default")
    assert "will notify the signer as all apps do" in confirm.text
    admin.post(f"{URL}/general?source=default")
    assert stored(app, "default") is None


def test_former_version_can_be_started_from(app: Flask, admin: Browser) -> None:
    first = stored_id(app)
    save(admin)
    page = admin.get(f"{URL}?version={first}")
    assert "Start from this version" in page.text
    # the last step of the installed route follows only a failure
    assert re.search(r'name="steps-2-goal".*?<option selected value="">', page.text)
    assert seen(page) == stored_id(app)


def test_example_shows_what_a_signer_would_receive(app: Flask, admin: Browser) -> None:
    post_request(app)
    before = count_messages(app)
    page = words(admin.post(URL, {"seen": stored_id(app), **LADDER, "do": "example"}))
    assert "Eric Smith" in page
    example = page.partition("What happens now")[2].partition("Limits and opt-outs")[0]
    assert "Skipped WhatsApp The person has not written recently" in example
    assert "Now SMS +13175551234 · 1 segment" in example
    assert "Skipped Email No enabled connection." in example
    assert count_messages(app) == before


def example_of(page: Any) -> str:
    return words(page).partition("What happens now")[2].partition("Limits and opt-outs")[0]


def test_example_shows_prices_windows_and_times(app: Flask, admin: Browser) -> None:
    post_request(app)
    prices = {"currency": "USD", "prices": "US: 0.0083\nother: 0.1"}
    assert admin.post("/connections/demo-sms/rules", prices).status_code == 303
    with app.app_context():
        open_window()
    posted = {"seen": stored_id(app), **LADDER, "steps-1-wait": "1", "steps-1-unit": "days"}
    example = example_of(admin.post(URL, {**posted, "do": "example"}))
    assert "Now WhatsApp +13175551234 · free text (window open)" in example
    sms = r"SMS \+13175551234 · 1 segment · USD 0\.0083 · if not delivered by then"
    assert re.search(rf"Tomorrow, \d\d:\d\d {sms}", example)


@pytest.mark.parametrize(
    ("url", "name", "result"),
    [
        ("/routing/completed/sender", "Dana Berg", "Now Email dana@example.com"),
        ("/routing/completed/observers", "Olga Reyes", "Now Email olga@example.com"),
        ("/routing/signed/others", "Eric Smith", "Now Email eric@example.com"),
        ("/routing/signed/signer", "Eric Smith", "Now Email eric@example.com"),
        ("/routing/declined/others", "Eric Smith", "would not be notified"),
        ("/routing/canceled/signer", "Eric Smith", "Now Email eric@example.com"),
        ("/routing/expired/sender", "Dana Berg", "Now Email dana@example.com"),
    ],
)
def test_example_is_about_a_person_of_the_audience(
    app: Flask, admin: Browser, url: str, name: str, result: str
) -> None:
    with app.app_context():
        demo.connect_chats_and_mail()
        post_whole_request()
    email = {"steps-0-connective": "also", "steps-0-over": "email", "do": "example"}
    answer = admin.post(url, {"seen": seen(admin.get(url)), **email})
    example = example_of(answer)
    assert name in example
    assert result in example


def post_whole_request() -> None:
    """Accept an event with two signers, a sender and an observer, all with email addresses."""
    people = ("eric", "Eric Smith"), ("anna", "Anna Berg")
    signers = [{"id": key, "name": name, "email": f"{key}@example.com"} for key, name in people]
    observer = {"id": "olga", "name": "Olga Reyes", "email": "olga@example.com"}
    sender = {"name": "Dana Berg", "email": "dana@example.com"}
    body = event_body("request.sent", signers=signers, observers=[observer])
    body["request"] = {**body["request"], "sender": sender}
    accept.accept_event(EventIn.model_validate(body), source_id(), test=True)


def test_example_counts_the_opt_out_line_of_a_first_sms(app: Flask, admin: Browser) -> None:
    post_request(app)
    line = {"currency": "USD", "opt_out_line": "Reply STOP " + "x" * 109, "opt_out_prefixes": "+1"}
    assert admin.post("/connections/demo-sms/rules", line).status_code == 303
    posted = {"seen": stored_id(app), **LADDER, "do": "example"}
    assert "+13175551234 · 1 segment" in words(admin.post(URL, posted))
    with app.app_context():
        forget_opt_out_lines()
    assert "+13175551234 · 2 segments" in words(admin.post(URL, posted))


@transaction
def forget_opt_out_lines() -> None:
    for contact in db.session.scalars(select(Contact)):
        contact.opt_out_line_at = None


def test_cell_shows_what_it_has_sent(app: Flask, admin: Browser) -> None:
    post_request(app)
    assert "1 sent" in words(admin.get("/routing"))


def test_cell_that_cannot_reach_anybody_has_a_warning(admin: Browser) -> None:
    call = {"steps-0-connective": "also", "steps-0-over": "voice", "do": "save"}
    assert admin.post(URL, {"seen": seen(admin.get(URL)), **call}).status_code == 303
    warning = "No enabled connection for Voice, so nothing is sent."
    assert warning in words(admin.get("/routing"))
    assert warning in words(admin.get(URL))


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
        route = edit_steps(route, action)
    assert len(route.steps) <= routes.MAX_STEPS
    if pressed and route.steps:
        assert route.steps[0].connective == Connective.ALSO


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
