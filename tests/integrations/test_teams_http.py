"""Microsoft Teams over HTTP, with the simulator: failing workflows, posted cards, action links."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.connections import connections
from hub.connections.connection_tests import try_settings
from hub.core.errors import (
    ConnectionBroken,
    DestinationUnavailable,
    OutcomeUnknown,
    PermanentError,
    SendError,
    SlowDown,
)
from hub.core.vocabulary import ConnectionState, Status
from hub.db.engine import db
from hub.integrations.base import Accepted, Button, Card, Outbound
from hub.integrations.teams.integration import Teams
from hub.models import Connection, Message
from hub.shared import integration_instances
from hub.signing import accept
from hub.signing.events import EventIn
from tests.hub_fixtures import (
    credentials,
    deliver,
    event_body,
    set_connection_state,
    signer_body,
    source_id,
)


def workflow_settings(app: Flask, workflow: str = "") -> dict[str, Any]:
    settings = Teams.demo_settings(credentials(app)) or {}
    if not workflow:
        return settings
    return {
        **settings,
        "workflow_url": settings["workflow_url"].replace(
            Teams.senders_of(settings).default, workflow
        ),
    }


def make_teams(app: Flask, workflow: str = "") -> Any:
    return integration_instances.instances().create(
        "teams", workflow_settings(app, workflow), test=True
    )


def outbound(to: str, **fields: Any) -> Outbound:
    return Outbound(**{"id": "msg_1", "attempt": 1, "to": to, "text": "Hello", **fields})


def list_posts(simulator: Any) -> list[dict[str, Any]]:
    posts: list[dict[str, Any]] = simulator.test_client().get("/simulator/teams.json").json["posts"]
    return posts


@pytest.mark.parametrize(
    ("number", "error", "code"),
    [
        (4001, PermanentError, "card_refused"),
        (4002, PermanentError, "card_refused"),
        (4003, DestinationUnavailable, "workflow_off"),
        (4010, ConnectionBroken, "url_refused"),
        (4030, ConnectionBroken, "url_refused"),
        (4040, DestinationUnavailable, "workflow_gone"),
        (4090, DestinationUnavailable, "workflow_off"),
        (4100, DestinationUnavailable, "workflow_gone"),
        (4130, PermanentError, "card_too_large"),
        (4290, SlowDown, "too_many"),
        (5020, OutcomeUnknown, "http_502"),
        (5030, OutcomeUnknown, "http_503"),
        (5040, OutcomeUnknown, "http_504"),
        (5000, OutcomeUnknown, "http_500"),
    ],
)
def test_every_failing_workflow_has_its_error(
    in_app: Flask, simulator: Any, number: int, error: type[SendError], code: str
) -> None:
    workflow = f"{number:032}"
    with pytest.raises(SendError) as problem:
        make_teams(in_app, workflow).send(outbound(workflow))
    assert (type(problem.value), problem.value.code) == (error, code)


@pytest.mark.parametrize("number", [2000, 2020])
def test_accepted_message_is_sent_in_every_case(in_app: Flask, simulator: Any, number: int) -> None:
    workflow = f"{number:032}"
    assert make_teams(in_app, workflow).send(outbound(workflow)) == Accepted("", Status.SENT)


def test_card_is_received_unchanged(in_app: Flask, simulator: Any) -> None:
    teams = make_teams(in_app)
    card = Card("Employment & Co", (("Signers", "0 of 1"),), ("Sent by *Acme*",))
    teams.send(
        outbound(
            teams.destination_of(teams.settings),
            card=card,
            buttons=(Button("Open", "https://sign.example/1"),),
        )
    )
    [post] = list_posts(simulator)
    assert (post["failed"], post["notes"], post["actions"]) == (
        None,
        [],
        [{"title": "Open", "url": "https://sign.example/1"}],
    )
    assert [text.replace("\u034f", "") for text in post["texts"]] == [
        "Employment & Co",
        "Hello",
        "Sent by ∗Acme∗",
    ]
    assert post["facts"] == [["Signers", "0 of 1"]]


def test_longest_texts_are_received_shortened(in_app: Flask, simulator: Any) -> None:
    teams = make_teams(in_app)
    long = "Ünïcödé 🎉 *x* " * 9000
    teams.send(
        outbound(
            teams.destination_of(teams.settings),
            text=long,
            card=Card(long, ((long, long),) * 90, (long,) * 40),
        )
    )
    [post] = list_posts(simulator)
    assert (post["failed"], post["notes"]) == (None, [])
    assert post["size"] <= 20_000


def test_demo_workflow_passes_its_visible_test(in_app: Flask, simulator: Any) -> None:
    assert try_settings("teams", True, workflow_settings(in_app)).check.ok
    assert "Signpost can post" in list_posts(simulator)[0]["texts"][0]


def test_disabled_workflow_is_reported_at_its_url(in_app: Flask, simulator: Any) -> None:
    tested = try_settings("teams", True, workflow_settings(in_app, f"{4003:032}")).check
    assert (tested.ok, tested.field, tested.code) == (False, "workflow_url", "workflow_off")


def test_team_receives_a_request_and_its_links_ask_for_confirmation(
    hub_demo: Flask, simulator: Any
) -> None:
    for connection in db.session.scalars(
        select(Connection).where(Connection.channel == "chat")
    ).all():
        set_connection_state(connection.id, ConnectionState.DISABLED)
    connections.enable(connections.add("teams", "Team", True, workflow_settings(hub_demo)))
    accept.accept_event(
        EventIn.model_validate(event_body(signers=[signer_body("Eric")])), source_id(), test=True
    )
    deliver()
    posts = list_posts(simulator)[1:]  # the first is the test's
    assert posts, "nothing was posted"
    remind = next(action for action in posts[-1]["actions"] if action["title"].startswith("Remind"))
    target = remind["url"].split("/", 3)[3]
    page = hub_demo.test_client().get(f"/{target}")
    assert page.status_code == 200
    deliver()
    db.session.rollback()
    assert len(db.session.scalars(select(Message).where(Message.channel == "sms")).all()) == 1, (
        "to look at the link reminds nobody"
    )
    assert {
        message.status
        for message in db.session.scalars(select(Message).where(Message.channel == "chat"))
    } == {"sent"}
