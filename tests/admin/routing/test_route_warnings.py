"""Cells and panels warn of steps that cannot work, with the next step."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.admin.routing.route_form import edit_steps
from hub.connections import demo
from hub.connections.connections import get_by_slug
from hub.core.vocabulary import Channel, ConnectionState
from hub.db.engine import db
from hub.db.store import transaction
from hub.messaging.contacts import consents
from hub.messaging.contacts.consents import ConsentEntry
from hub.models import Connection, ProviderTemplate, TemplateMapping
from hub.signing import routes
from hub.signing.routes import RouteIn, StepIn
from tests.admin.routing.routing_steps import (
    CELL,
    URL,
    save,
    seen,
    words,
)
from tests.conftest import Browser
from tests.hub_fixtures import set_connection_state


def test_cell_that_cannot_reach_anybody_has_a_warning(app: Flask, admin: Browser) -> None:
    with app.app_context():
        set_connection_state(get_by_slug("demo-calls").id, ConnectionState.DISABLED)
    call = {"steps-0-connective": "also", "steps-0-over": "voice", "do": "save"}
    assert admin.post(URL, {"seen": seen(admin.get(URL)), **call}).status_code == 303
    warning = "No enabled connection for Call, so nothing is sent."
    assert warning in words(admin.get("/routing"))
    assert warning in words(admin.get(URL))


def warnings_in_grid(admin: Browser, row: str = "Sent") -> str:
    """Return the text of the cell of the signer in a row of the grid."""
    grid = words(admin.get("/routing"))
    return grid.partition(f"{row}, The signer:")[2].partition("Not used")[0]


def test_step_without_a_template_has_a_warning_until_one_is_mapped(
    app: Flask, admin: Browser
) -> None:
    save(admin)
    warning = "WhatsApp: no approved template. Map a template"
    assert warning in warnings_in_grid(admin)
    assert "only people who have written in the last 24 hours" in words(admin.get(URL))
    with app.app_context():
        map_template()
    assert warning not in warnings_in_grid(admin)
    with app.app_context():
        map_template("paused")
    assert warning in warnings_in_grid(admin)


@transaction
def map_template(state: str = "approved") -> None:
    """Map a template of the demo's WhatsApp connection to the text of the signing request."""
    connection_id = get_by_slug("demo-whatsapp").id
    row = db.session.scalar(select(ProviderTemplate))
    if row is None:
        row = ProviderTemplate(
            connection_id=connection_id, external_id="HX1", name="sign", locale="en", state=state
        )
        db.session.add(row)
        db.session.flush()
        mapping = {"name": "request_sent", "locale": "en", "provider_template_id": row.id}
        db.session.add(TemplateMapping(connection_id=connection_id, **mapping))
    row.state = state


@pytest.mark.parametrize(
    ("state", "words_of_state"),
    [
        (ConnectionState.BROKEN, "Demo WhatsApp is broken."),
        (ConnectionState.DISABLED, "Demo WhatsApp is disabled."),
        (ConnectionState.NEW, "Demo WhatsApp is not enabled yet."),
    ],
)
def test_step_whose_connection_does_not_send_has_a_warning(
    app: Flask, admin: Browser, state: ConnectionState, words_of_state: str
) -> None:
    save(admin)
    with app.app_context():
        set_connection_state(get_by_slug("demo-whatsapp").id, state)
    assert f"{words_of_state} View connection" in warnings_in_grid(admin)
    assert '<a href="/connections/demo-whatsapp">View connection</a>' in admin.get(URL).text


def test_channel_without_a_connection_is_marked_and_explained(admin: Browser) -> None:
    save(admin)
    assert "Email (not connected)" in warnings_in_grid(admin)
    assert "Email is not connected, so this step is skipped." in words(admin.get(URL))


def test_required_consent_that_was_never_recorded_has_a_warning(app: Flask, admin: Browser) -> None:
    warning = "WhatsApp: no consent recorded."
    assert warning not in warnings_in_grid(admin), "others than those who consented may prefer it"
    assert "No consent to WhatsApp is recorded" in words(admin.get(URL))
    rules = {"currency": "USD", "consent": "y"}
    assert admin.post("/connections/demo-whatsapp/rules", rules).status_code == 303
    assert warning in warnings_in_grid(admin)
    with app.app_context():
        consents.record_consent(ConsentEntry("+13175551234", True, "sms"), source="api", test=True)
    assert warning in warnings_in_grid(admin)
    with app.app_context():
        consents.record_consent(ConsentEntry("+13175551234", True, ""), source="api", test=True)
    assert warning not in warnings_in_grid(admin)


def test_goal_that_a_new_connection_never_reports_has_a_warning(app: Flask, admin: Browser) -> None:
    slow = {"steps-1-over": "email", "steps-2-over": "sms", "steps-2-goal": "read"}
    assert save(admin, **slow).status_code == 303
    assert "never reports" not in warnings_in_grid(admin), "email is not connected yet"
    with app.app_context():
        demo.connect_chats_and_mail()
    assert "Email never reports “read”." in warnings_in_grid(admin)


CONDITION = {
    "steps-0-connective": "also",
    "steps-1-connective": "otherwise",
    "steps-1-wait": "30",
    "steps-1-unit": "minutes",
    "steps-1-over": "whatsapp",
}


@pytest.mark.parametrize("goal", ["sent", "delivered", "read", "opened"])
@pytest.mark.parametrize("channel", ["sms", "whatsapp", "email", "voice", "chat"])
def test_panel_gives_the_reason_for_which_saving_refuses_a_condition(
    app: Flask, admin: Browser, channel: str, goal: str
) -> None:
    with app.app_context():
        demo.connect_chats_and_mail()
    entered = {**CONDITION, "steps-0-over": channel, "steps-1-goal": goal}
    answers = [
        admin.post(URL, {"seen": seen(admin.get(URL)), **entered, "do": action})
        for action in ("example", "save")
    ]
    reason = f"never reports “{goal}”, so Signpost cannot check this condition."
    is_refused = answers[1].status_code == 422
    assert [reason in panel_warnings(answer) for answer in answers if is_refused] == (
        [True, True] if is_refused else []
    )
    assert is_refused or reason not in panel_warnings(answers[0])


def panel_warnings(page: Any) -> str:
    """Return the text of the part of the panel that an update replaces."""
    return words(page).partition("The quiet hours of a connection also apply.")[2]


@pytest.mark.parametrize("channel", ["sms", "whatsapp", "email", "voice", "chat"])
def test_new_otherwise_step_can_be_saved(app: Flask, admin: Browser, channel: str) -> None:
    with app.app_context():
        demo.connect_chats_and_mail()
        connections = {row.id: row for row in db.session.scalars(select(Connection))}
        added = edit_steps(RouteIn([StepIn(channel)]), "otherwise", connections)
        assert not list(routes.find_problems(*CELL, added))
    assert (added.steps[1].wait_minutes is None) == (channel == "email")


@pytest.mark.parametrize(
    ("channel", "connective", "note"),
    [
        ("sms", "otherwise", "Steps 1 and 3 send to the same number."),
        ("email", "otherwise", "Steps 1 and 3 send to the same address."),
        ("chat", "otherwise", ""),
    ],
)
def test_steps_over_one_channel_are_noted_and_can_be_saved(
    admin: Browser, channel: str, connective: str, note: str
) -> None:
    steps = {
        "steps-0-connective": "also",
        "steps-0-over": channel,
        "steps-1-connective": "otherwise",
        "steps-1-goal": "delivered",
        "steps-1-wait": "30",
        "steps-1-unit": "minutes",
        "steps-1-over": "whatsapp",
        "steps-2-connective": connective,
        "steps-2-goal": "delivered",
        "steps-2-wait": "30",
        "steps-2-unit": "minutes",
        "steps-2-over": channel,
    }
    answer = admin.post(URL, {"seen": seen(admin.get(URL)), "do": "save", **steps})
    assert answer.status_code == 303
    page = words(admin.get(URL))
    assert (note in page) if note else ("send to the same" not in page)
    assert "send to the same" not in warnings_in_grid(admin)


def test_also_step_over_the_connection_of_another_channel_step_is_noted(
    app: Flask, admin: Browser
) -> None:
    with app.app_context():
        connection_id = get_by_slug("demo-sms").id
    note = "Steps 2 and 3 send to the same number, so the message arrives twice"
    always = {"steps-2-connective": "also", "steps-2-over": "sms"}
    save(admin, **always)
    unless = f"{note} unless both would use the same connection."
    assert unless in words(admin.get(URL))
    save(admin, **always, **{"steps-1-over": f"sms:{connection_id}"})
    assert unless in words(admin.get(URL))


def test_step_over_a_connection_that_posts_to_a_team_is_refused_and_not_offered(
    app: Flask, admin: Browser
) -> None:
    with app.app_context():
        demo.connect_chats_and_mail()
        wall = get_by_slug("demo-microsoft-teams")
        step = f"chat:{wall.id}"
        title = wall.title
    answer = save(admin, **{"steps-2-over": step})
    assert answer.status_code == 422
    assert f"{title} posts to a team and cannot write to single people." in words(answer)
    assert step not in admin.get(URL).text


def test_stored_step_over_a_connection_that_posts_to_a_team_has_a_warning(
    app: Flask, admin: Browser
) -> None:
    save(admin)
    with app.app_context():
        demo.connect_chats_and_mail()
        wall = get_by_slug("demo-microsoft-teams")
        title = wall.title
        replace_last_step(Channel.CHAT, wall.id)
    assert f"{title} posts to a team, so this step reaches nobody." in warnings_in_grid(admin)


@transaction
def replace_last_step(channel: Channel, connection_id: str) -> None:
    """Store a step that the form refuses today, as earlier versions did."""
    step = routes.read_routes_in_force(None)[CELL].steps[-1]
    step.channel = channel.value
    step.connection_id = connection_id
