"""Signing requests in the API: snoozed reminders, chat invitations and team posts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hub.connections import connections
from hub.connections.connection_tests import lock_connection, set_state
from hub.core.vocabulary import ConnectionState
from hub.db.store import transaction
from hub.models import Connection
from tests.api.conftest import StrictApp
from tests.fake_provider import FakeProvider
from tests.fake_provider import fake_provider as fake_provider
from tests.hub_fixtures import ERIC, deliver, event_body, json_of, signer_body
from tests.team_connections import connect_team as connect_team

ConnectTeam = Callable[[str], Connection]
HERE = "/requests/agr-1001"


@pytest.fixture
def app_with_request(connect_team: ConnectTeam, signing_app: StrictApp) -> StrictApp:
    """Send a document to Eric and Anna that a team follows, and return the signing app."""
    connect_team("W1")
    event = event_body(signers=[signer_body("Eric"), signer_body("Anna", "+442071234567")])
    event["request"]["url"] = "https://sign.example/documents/agr-1001"
    assert signing_app.post("/events", event).status_code == 202
    return signing_app


def snoozed_signers(app: StrictApp) -> list[str]:
    return [signer["id"] for signer in json_of(app.get(HERE))["signers"] if signer["snoozed_until"]]


def test_reminders_to_one_signer_are_snoozed_and_unsnoozed(
    app_with_request: StrictApp,
) -> None:
    answer = app_with_request.post(f"{HERE}/snooze", {"signer": "eric"})
    assert (answer.status_code, snoozed_signers(app_with_request)) == (200, ["eric"])
    refused = app_with_request.post(f"{HERE}/remind", {"signer": "eric"})
    assert (refused.status_code, json_of(refused)["code"]) == (409, "snoozed")
    reminded = json_of(app_with_request.post(f"{HERE}/remind"))
    assert [message["to"] for message in reminded["messages"] if message["channel"] == "sms"] == [
        "+442071234567"
    ]
    assert ("eric", "snoozed") in {
        (skipped_step["signer"], skipped_step["reason"]) for skipped_step in reminded["skipped"]
    }
    assert app_with_request.post(f"{HERE}/unsnooze", {"signer": "eric"}).status_code == 200
    assert snoozed_signers(app_with_request) == []
    assert [
        message["to"]
        for message in json_of(app_with_request.post(f"{HERE}/remind", {"signer": "eric"}))[
            "messages"
        ]
        if message["channel"] == "sms"
    ] == [ERIC]


def test_reminder_without_a_name_reaches_all_unsigned_signers(app_with_request: StrictApp) -> None:
    app_with_request.post(f"{HERE}/snooze")
    assert snoozed_signers(app_with_request) == ["eric", "anna"]
    response = app_with_request.post("/events", event_body("request.reminder", id="r1"))
    assert {
        (skipped_step["signer"], skipped_step["reason"])
        for skipped_step in json_of(response)["skipped"]
    } == {
        ("eric", "snoozed"),
        ("anna", "snoozed"),
    }
    app_with_request.post(f"{HERE}/unsnooze")
    assert snoozed_signers(app_with_request) == []
    assert app_with_request.post(f"{HERE}/unsnooze").status_code == 409


@pytest.mark.parametrize("do", ["snooze", "unsnooze"])
def test_snooze_affects_only_the_named_signer(
    app_with_request: StrictApp, add_signing_app: Callable[..., StrictApp], do: str
) -> None:
    assert app_with_request.post(f"{HERE}/{do}", {"signer": "nobody"}).status_code == 404
    assert app_with_request.post(f"{HERE}/{do}", {"whom": "eric"}).status_code == 422
    assert add_signing_app("other").post(f"{HERE}/{do}").status_code == 404


def test_signer_is_invited_to_a_chat(app_with_request: StrictApp) -> None:
    answer = app_with_request.post(f"{HERE}/invite", {"signer": "eric"})
    assert answer.status_code == 201
    invitation = json_of(answer)
    assert invitation["url"].startswith("https://team-chat.example/chat/")
    assert invitation["connection"] == "team-w1"
    wrong = app_with_request.post(f"{HERE}/invite", {"signer": "eric", "connection": "demo-sms"})
    assert (wrong.status_code, json_of(wrong)["field"]) == (422, "connection")
    assert app_with_request.post(f"{HERE}/invite", {}).status_code == 422


def test_team_posts_are_listed_on_the_request(app_with_request: StrictApp) -> None:
    deliver()
    posts = json_of(app_with_request.get(HERE))
    assert posts["url"] == "https://sign.example/documents/agr-1001"
    assert [(post["to"], post["channel"], post["status"]) for post in posts["posts"]] == [
        ("W1", "chat", "accepted")
    ]


def test_message_without_a_recipient_is_posted_to_the_team(
    app_with_request: StrictApp, fake_provider: FakeProvider
) -> None:
    assert (
        json_of(
            app_with_request.post("/messages", {"connection": "team-w1", "text": "All quiet."})
        )["to"]
        == "W1"
    )
    refused = app_with_request.post("/messages", {"connection": "demo-sms", "text": "To whom?"})
    assert (refused.status_code, json_of(refused)["field"]) == (422, "to")


def test_preference_accepts_only_chats_that_can_find_people(app_with_request: StrictApp) -> None:
    event = event_body(
        signers=[signer_body("Tom", preference=["team_chat", "telegram", "slack", "sms"])]
    )
    assert app_with_request.post("/events", event).status_code == 202
    refused = app_with_request.post(
        "/events", event_body(signers=[signer_body("Tom", preference=["teams"])])
    )
    assert (refused.status_code, json_of(refused)["field"]) == (422, "signers[0].preference[0]")
    assert "telegram" in json_of(refused)["detail"]


def test_webhook_of_one_channel_sends_no_direct_messages(
    app_with_request: StrictApp,
) -> None:
    connect_hook()
    answer = json_of(
        app_with_request.post(
            "/events",
            event_body(
                "request.reminder",
                id="r9",
                signer=signer_body("Eve", email="eve@example.com", preference=["slack", "sms"]),
            ),
        )
    )
    assert [message["channel"] for message in answer["messages"] if message["signer"] == "eve"] == [
        "sms"
    ]
    refused = app_with_request.post(
        "/messages", {"connection": "hook", "to": "eve@example.com", "text": "Hello"}
    )
    assert (refused.status_code, json_of(refused)["code"]) == (422, "no_direct_messages")


@transaction
def connect_hook() -> None:
    connection = lock_connection(connections.create("slack", "Hook", test=True))
    connection.settings = {}
    connection.settings_version = 1
    connection.sender = "T1234567/B1234567"
    connection.destination = "T1234567/B1234567"
    set_state(connection, ConnectionState.ENABLED)
