"""Signing requests over the API: reminders put off and taken up, signers invited to a chat, what
was posted to a team.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hub.connections import connections
from hub.connections.connection_tests import lock_connection, set_state
from hub.core.vocabulary import ConnectionState
from hub.db.store import transaction
from hub.models import Connection
from tests.api.conftest import StrictApp
from tests.fake_provider import Loft
from tests.fake_provider import loft as loft
from tests.hub_fixtures import ERIC, a_signer, an_event, body, deliver
from tests.team_connections import roof as roof

Roof = Callable[[str], Connection]
HERE = "/requests/agr-1001"


@pytest.fixture
def sent(roof: Roof, signing_app: StrictApp) -> StrictApp:
    """Send a document to Eric and Anna, which a team reads of."""
    roof("W1")
    event = an_event(signers=[a_signer("Eric"), a_signer("Anna", "+442071234567")])
    event["request"]["url"] = "https://sign.example/documents/agr-1001"
    assert signing_app.post("/events", event).status_code == 202
    return signing_app


def snoozed(app: StrictApp) -> list[str]:
    return [one["id"] for one in body(app.get(HERE))["signers"] if one["snoozed_until"]]


def test_reminders_to_one_signer_are_put_off_and_taken_up_again(sent: StrictApp) -> None:
    answer = sent.post(f"{HERE}/snooze", {"signer": "eric"})
    assert (answer.status_code, snoozed(sent)) == (200, ["eric"])
    refused = sent.post(f"{HERE}/remind", {"signer": "eric"})
    assert (refused.status_code, body(refused)["code"]) == (409, "snoozed")
    reminded = body(sent.post(f"{HERE}/remind"))
    assert [one["to"] for one in reminded["messages"] if one["channel"] == "sms"] == [
        "+442071234567"
    ]
    assert ("eric", "snoozed") in {(one["signer"], one["reason"]) for one in reminded["skipped"]}
    assert sent.post(f"{HERE}/unsnooze", {"signer": "eric"}).status_code == 200
    assert snoozed(sent) == []
    assert [
        one["to"]
        for one in body(sent.post(f"{HERE}/remind", {"signer": "eric"}))["messages"]
        if one["channel"] == "sms"
    ] == [ERIC]


def test_without_a_name_everybody_who_owes_one_is_meant(sent: StrictApp) -> None:
    sent.post(f"{HERE}/snooze")
    assert snoozed(sent) == ["eric", "anna"]
    again = sent.post("/events", an_event("request.reminder", id="r1"))
    assert {(one["signer"], one["reason"]) for one in body(again)["skipped"]} == {
        ("eric", "snoozed"),
        ("anna", "snoozed"),
    }
    sent.post(f"{HERE}/unsnooze")
    assert snoozed(sent) == []
    assert sent.post(f"{HERE}/unsnooze").status_code == 409


@pytest.mark.parametrize("do", ["snooze", "unsnooze"])
def test_nobody_else_is_put_off(
    sent: StrictApp, another: Callable[..., StrictApp], do: str
) -> None:
    assert sent.post(f"{HERE}/{do}", {"signer": "nobody"}).status_code == 404
    assert sent.post(f"{HERE}/{do}", {"whom": "eric"}).status_code == 422
    assert another("other").post(f"{HERE}/{do}").status_code == 404


def test_a_signer_is_invited_to_a_chat(sent: StrictApp) -> None:
    answer = sent.post(f"{HERE}/invite", {"signer": "eric"})
    assert answer.status_code == 201
    made = body(answer)
    assert made["url"].startswith("https://flock.example/nest/")
    assert made["connection"] == "roof-w1"
    wrong = sent.post(f"{HERE}/invite", {"signer": "eric", "connection": "demo-sms"})
    assert (wrong.status_code, body(wrong)["field"]) == (422, "connection")
    assert sent.post(f"{HERE}/invite", {}).status_code == 422


def test_what_was_posted_stands_with_the_request(sent: StrictApp) -> None:
    deliver()
    found = body(sent.get(HERE))
    assert found["url"] == "https://sign.example/documents/agr-1001"
    assert [(one["to"], one["channel"], one["status"]) for one in found["posts"]] == [
        ("W1", "chat", "accepted")
    ]


def test_a_message_without_recipient_goes_to_where_the_team_reads(
    sent: StrictApp, loft: Loft
) -> None:
    assert (
        body(sent.post("/messages", {"connection": "roof-w1", "text": "All quiet."}))["to"] == "W1"
    )
    refused = sent.post("/messages", {"connection": "demo-sms", "text": "To whom?"})
    assert (refused.status_code, body(refused)["field"]) == (422, "to")


def test_a_preference_may_name_a_chat_that_finds_people(sent: StrictApp) -> None:
    event = an_event(signers=[a_signer("Tom", preference=["flock", "telegram", "slack", "sms"])])
    assert sent.post("/events", event).status_code == 202
    refused = sent.post("/events", an_event(signers=[a_signer("Tom", preference=["teams"])]))
    assert (refused.status_code, body(refused)["field"]) == (422, "signers[0].preference[0]")
    assert "telegram" in body(refused)["detail"]


def test_a_webhook_that_posts_to_one_channel_takes_no_letters_to_people(sent: StrictApp) -> None:
    connect_hook()
    answer = body(
        sent.post(
            "/events",
            an_event(
                "request.reminder",
                id="r9",
                signer=a_signer("Eve", email="eve@example.com", preference=["slack", "sms"]),
            ),
        )
    )
    assert [one["channel"] for one in answer["messages"] if one["signer"] == "eve"] == ["sms"]
    refused = sent.post(
        "/messages", {"connection": "hook", "to": "eve@example.com", "text": "Hello"}
    )
    assert (refused.status_code, body(refused)["code"]) == (422, "no_direct_messages")


@transaction
def connect_hook() -> None:
    made = lock_connection(connections.create("slack", "Hook", test=True))
    made.settings = {}
    made.settings_version = 1
    made.sender = "T1234567/B1234567"
    made.destination = "T1234567/B1234567"
    set_state(made, ConnectionState.ENABLED)
