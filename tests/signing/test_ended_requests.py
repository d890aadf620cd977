"""Requests that end, expire or are prolonged: who is still notified."""

from __future__ import annotations

import pytest
import time_machine
from flask import Flask

from hub.signing import reminders
from tests.hub_fixtures import ANNA, ERIC, deliver, signer_body, texts_at_provider
from tests.signing.people_steps import (
    LEGAL,
    add_route,
    at,
    load_request,
    messages_to,
    people_of,
    post,
    statuses,
)

RAVI = "+919876543210"
THREE = [signer_body("Eric", ERIC), signer_body("Anna", ANNA), signer_body("Ravi", RAVI)]


@pytest.fixture(autouse=True)
def demo(hub_demo: Flask, connection: object) -> None:
    """Use the demo's SMS connection."""


def test_refusal_in_a_turn_of_three_ends_all_reminders_and_reaches_who_signed() -> None:
    add_route("declined", "others")
    post(signers=THREE)
    post("signed", signer="eric")
    reminders.remind(load_request().id)
    answer = post("declined", signer="anna")
    assert load_request().state == "declined"
    assert people_of(answer) == ["eric"]
    for person in ("anna", "ravi"):
        assert {message.status for message in messages_to(person, "reminder")} == {"canceled"}
        assert {message.status for message in messages_to(person, "sent")} == {"canceled"}


@pytest.mark.parametrize("kind", ["expired", "canceled", "completed"])
def test_end_withdraws_waiting_reminders_and_invitations(kind: str) -> None:
    post(signers=THREE)
    reminders.remind(load_request().id)
    post(kind)
    waiting = [
        message
        for person in ("eric", "anna", "ravi")
        for event in ("sent", "reminder")
        for message in messages_to(person, event)
    ]
    assert {message.status for message in waiting} == {"canceled"}
    assert len(waiting) == 6


def test_nothing_is_sent_after_the_expiry_that_no_event_reports(simulator: Flask) -> None:
    post(signers=THREE, request={"id": "agr-1001", "expires_at": at(5)})
    with time_machine.travel(at(6)):
        deliver()
        assert load_request().state == "open", "the app reports the end"
    assert texts_at_provider(simulator) == []
    assert {status for status, _ in statuses("eric")} == {"expired"}


def test_turn_begins_when_the_expiry_is_prolonged() -> None:
    signers = [signer_body("Eric", ERIC, order=1), signer_body("Anna", ANNA, order=2)]
    post(signers=signers, request={"id": "agr-1001", "expires_at": at(5)})
    with time_machine.travel(at(6)):
        post("signed", signer="eric")
        assert messages_to("anna", "sent") == []
        post("viewed", signer="eric", request={"id": "agr-1001", "expires_at": at(9999)})
        assert [message.status for message in messages_to("anna", "sent")] == ["queued"]


def test_completion_before_the_signature_asks_nobody_and_leaves_the_notice_out() -> None:
    add_route("completed", "observers")
    add_route("signed", "observers")
    observers = [{"id": "legal", "mobile_number": LEGAL}]
    post(signers=THREE[:2], observers=observers, occurred_at=at(-9))
    post("completed", occurred_at=at(-5))
    post("signed", signer="eric", occurred_at=at(-6))
    post("signed", signer="anna", occurred_at=at(-6))
    assert [message.event_id for message in messages_to("legal", "signed")] == []
    for person in ("eric", "anna"):
        assert {message.status for message in messages_to(person, "sent")} == {"canceled"}
        assert len(messages_to(person, "completed")) == 1
    assert load_request().state == "completed"
