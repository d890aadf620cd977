"""Signing requests in the API: reading and reminding."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine

from hub.db.types import now
from hub.models import Message
from tests.api.conftest import StrictApp
from tests.api.message_steps import UNKNOWN_ID
from tests.hub_fixtures import ANNA, count, event_body, json_of, signer_body


def test_request_lists_the_messages_of_each_signer(signing_app: StrictApp) -> None:
    signing_app.post(
        "/events",
        event_body(signers=[signer_body("Eric", order=2), signer_body("Anna", ANNA, order=1)]),
    )
    signing_app.post("/events", event_body("request.signed", signer="eric"))
    request = json_of(signing_app.get("/requests/agr-1001"))
    assert (request["external_id"], request["title"], request["state"]) == (
        "agr-1001",
        "Employment Agreement",
        "open",
    )
    signers = [
        (signer["id"], signer["state"], len(signer["messages"])) for signer in request["signers"]
    ]
    assert signers == [("anna", "pending", 2), ("eric", "signed", 1)]
    assert json_of(signing_app.get(f"/requests/{request['id']}")) == request


@pytest.mark.parametrize(
    "name", ["nothing", "req_019aa5c2-71f8-7b3e-9c40-2d6f8a1be41c", UNKNOWN_ID]
)
def test_unknown_request_is_not_found(signing_app: StrictApp, name: str) -> None:
    assert signing_app.get(f"/requests/{name}").status_code == 404
    assert signing_app.post(f"/requests/{name}/remind").status_code == 404


def test_reminder_reaches_unsigned_or_named_signers(
    signing_app: StrictApp,
) -> None:
    signing_app.post(
        "/events",
        event_body(
            signers=[
                signer_body("Eric"),
                signer_body("Anna", ANNA),
                signer_body("Ravi", "+919876543210"),
            ]
        ),
    )
    signing_app.post("/events", event_body("request.signed", signer="eric"))
    everybody = signing_app.post("/requests/agr-1001/remind")
    assert (everybody.status_code, len(json_of(everybody)["messages"])) == (202, 2)
    with time_machine.travel(now() + timedelta(hours=1), tick=True):
        response = signing_app.post("/requests/agr-1001/remind", {"signer": "anna"})
        assert [message["to"] for message in json_of(response)["messages"]] == [ANNA]
    anna = next(
        signer
        for signer in json_of(signing_app.get("/requests/agr-1001"))["signers"]
        if signer["id"] == "anna"
    )
    assert anna["reminded_at"] is not None


@pytest.mark.parametrize(
    ("signer", "status", "code"),
    [("eric", 409, "already_signed"), ("nobody", 404, "no_such_signer")],
)
def test_signer_without_open_action_is_not_reminded(
    signing_app: StrictApp, signer: str, status: int, code: str
) -> None:
    signing_app.post(
        "/events", event_body(signers=[signer_body("Eric"), signer_body("Anna", ANNA)])
    )
    signing_app.post("/events", event_body("request.signed", signer="eric"))
    message_count = count(Message)
    answer = signing_app.post("/requests/agr-1001/remind", {"signer": signer})
    assert (answer.status_code, json_of(answer)["code"]) == (status, code)
    assert count(Message) == message_count


def test_closed_request_sends_no_reminder(signing_app: StrictApp) -> None:
    signing_app.post("/events", event_body(signers=[signer_body("Eric")]))
    signing_app.post("/events", event_body("request.canceled"))
    answer = signing_app.post("/requests/agr-1001/remind")
    assert (answer.status_code, json_of(answer)["code"]) == (409, "request_closed")
