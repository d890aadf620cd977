"""A corrected address gets the messages that are still needed, each once."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from hub.db.engine import db
from hub.models import MessageBody
from hub.signing import reminders
from tests.hub_fixtures import ANNA, ERIC, OPT_OUT_LINE, signer_body, update_message
from tests.signing.people_steps import (
    FORMER,
    LEGAL,
    add_route,
    load,
    load_request,
    messages_to,
    people_of,
    post,
    statuses,
)


@pytest.fixture(autouse=True)
def demo(hub_demo: Flask, connection: object) -> None:
    """Use the demo's SMS connection."""


def correct(number: str | None = ERIC, **fields: Any) -> dict[str, Any]:
    """Correct the number of the first signer."""
    return post("viewed", signers=[{"id": "eric", "mobile_number": number, **fields}])


def set_status(kind: str, status: str) -> str:
    [message] = messages_to("eric", kind)
    update_message(message.id, status=status, due_at=None)
    return message.id


def test_waiting_messages_follow_to_the_new_address() -> None:
    post(signers=[signer_body("Eric", FORMER)])
    answer = correct()
    assert statuses("eric", "sent") == [("canceled", FORMER), ("queued", ERIC)]
    assert [item["to"] for item in answer["messages"]] == [ERIC]
    former, follower = messages_to("eric", "sent")
    assert follower.after_id == former.id
    assert (follower.event_id, follower.step_id) == (former.event_id, former.step_id)


@pytest.mark.parametrize(("number", "line"), [(ERIC, OPT_OUT_LINE), (ANNA, "")])
def test_following_message_ends_with_the_opt_out_line_of_its_number(number: str, line: str) -> None:
    post(signers=[signer_body("Eric", FORMER)])
    correct(number)
    former, follower = (
        db.session.get_one(MessageBody, message.id).content["text"]
        for message in messages_to("eric", "sent")
    )
    assert former.endswith(OPT_OUT_LINE)
    assert follower == former.removesuffix(OPT_OUT_LINE) + line


def test_repeated_correction_sends_nothing_more() -> None:
    post(signers=[signer_body("Eric", FORMER)])
    for _ in range(3):
        correct()
        post("sent", id="again", signers=[signer_body("Eric", ERIC)])
    assert statuses("eric", "sent") == [("canceled", FORMER), ("queued", ERIC)]


@pytest.mark.parametrize("status", ["sending", "unknown", "accepted", "sent", "delivered"])
def test_sent_messages_are_not_repeated(status: str) -> None:
    post(signers=[signer_body("Eric", FORMER)])
    set_status("sent", status)
    assert people_of(correct()) == []
    assert statuses("eric", "sent") == [(status, FORMER)]


@pytest.mark.parametrize("status", ["failed", "undelivered", "suppressed", "expired"])
def test_failed_invitation_is_sent_to_the_new_address(status: str) -> None:
    post(signers=[signer_body("Eric", FORMER)])
    set_status("sent", status)
    correct()
    assert statuses("eric", "sent") == [(status, FORMER), ("queued", ERIC)]


def test_failed_invitation_is_not_sent_to_someone_who_has_signed() -> None:
    post(signers=[signer_body("Eric", FORMER), signer_body("Anna", ANNA)])
    set_status("sent", "failed")
    post("signed", signer="eric")
    correct()
    assert len(messages_to("eric", "sent")) == 1


def test_failed_reminder_is_not_repeated_if_the_invitation_arrived() -> None:
    post(signers=[signer_body("Eric", FORMER)])
    set_status("sent", "delivered")
    reminders.remind(load_request().id)
    set_status("reminder", "failed")
    assert people_of(correct()) == []


def test_failed_completion_is_sent_to_the_new_address() -> None:
    post(signers=[signer_body("Eric", FORMER)])
    post("signed", signer="eric")
    post("completed")
    set_status("completed", "undelivered")
    correct()
    assert statuses("eric", "completed") == [("undelivered", FORMER), ("queued", ERIC)]


def test_reminders_use_the_new_address() -> None:
    post(signers=[signer_body("Eric", FORMER)])
    correct()
    reminders.remind(load_request().id)
    assert [message.contact.address for message in messages_to("eric", "reminder")] == [ERIC]


def test_removed_address_cancels_the_invitation_until_another_follows() -> None:
    post(signers=[signer_body("Eric", FORMER)])
    correct(None)
    assert statuses("eric", "sent") == [("canceled", FORMER)]
    correct()
    assert statuses("eric", "sent") == [("canceled", FORMER), ("queued", ERIC)]


def test_unchanged_and_differently_written_addresses_change_nothing() -> None:
    post(signers=[signer_body("Eric", ERIC)])
    correct(ERIC, name="Eric Smith")
    assert statuses("eric", "sent") == [("queued", ERIC)]


def test_message_to_another_person_of_the_former_address_stays() -> None:
    post(signers=[signer_body("Eric", FORMER), signer_body("Anna", FORMER)])
    correct()
    assert statuses("anna", "sent") == [("queued", FORMER)]


def test_observer_and_sender_are_corrected_too() -> None:
    for audience in ("sender", "observers"):
        add_route("signed", audience)
    former = {"id": "legal", "mobile_number": FORMER}
    request = {"id": "agr-1001", "sender": {"name": "Acme HR", "mobile_number": FORMER[:-1] + "9"}}
    post(
        signers=[signer_body("Eric"), signer_body("Anna", ANNA)],
        observers=[former],
        request=request,
    )
    post("signed", signer="eric")
    new_sender = {"id": "agr-1001", "sender": {"mobile_number": ERIC[:-1] + "8"}}
    post("viewed", observers=[{"id": "legal", "mobile_number": LEGAL}], request=new_sender)
    assert statuses("legal") == [("canceled", FORMER), ("queued", LEGAL)]
    assert statuses("sender") == [("canceled", FORMER[:-1] + "9"), ("queued", ERIC[:-1] + "8")]
    assert load("sender").details["name"] == "Acme HR"
