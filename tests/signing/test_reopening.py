"""A newer request.sent reopens a request that ended, but not a completed one."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from flask import Flask

from hub.signing import reminders
from tests.hub_fixtures import ANNA, ERIC, signer_body
from tests.signing.people_steps import at, load, load_request, messages_to, people_of, post

BOTH = [signer_body("Eric", ERIC), signer_body("Anna", ANNA)]
ENDINGS = {
    "declined": {"signer": "anna"},
    "expired": {},
    "canceled": {},
}


@pytest.fixture(autouse=True)
def demo(hub_demo: Flask, connection: object) -> None:
    """Use the demo's SMS connection."""


@pytest.mark.parametrize("ending", ENDINGS)
def test_newer_sending_reopens_an_ended_request_and_asks_again(ending: str) -> None:
    post(signers=BOTH, occurred_at=at(-9))
    post("signed", signer="eric", occurred_at=at(-8))
    post(ending, occurred_at=at(-7), **ENDINGS[ending])
    assert load_request().state == ending
    answer = post("sent", id="again", occurred_at=at(-6))
    assert load_request().state == "open"
    assert people_of(answer) == ["anna"]
    assert [message.status for message in messages_to("anna", "sent")] == ["canceled", "queued"]
    assert len(messages_to("eric", "sent")) == 1
    assert load("anna").state == "pending"


def test_completed_request_stays_completed() -> None:
    post(signers=BOTH, occurred_at=at(-9))
    post("completed", occurred_at=at(-8))
    answer = post("sent", id="again", occurred_at=at(-7))
    assert load_request().state == "completed"
    assert {item["reason"] for item in answer["skipped"]} == {"request_closed"}


def test_older_sending_does_not_reopen() -> None:
    post("canceled", occurred_at=at(-5))
    post(signers=BOTH, occurred_at=at(-6))
    assert load_request().state == "canceled"
    assert messages_to("eric") == []


def test_second_round_ends_and_notifies_once_more() -> None:
    post(signers=BOTH, occurred_at=at(-9))
    for minutes in (-8, -6):
        post("canceled", id=f"c{minutes}", occurred_at=at(minutes))
        post("sent", id=f"s{minutes}", occurred_at=at(minutes + 1))
    assert len(messages_to("anna", "sent")) == 3
    assert load_request().reopenings == 2


def test_ending_that_was_overtaken_notifies_nobody() -> None:
    post(signers=BOTH, occurred_at=at(-9))
    post("sent", id="again", occurred_at=at(-5))
    answer = post("declined", signer="anna", occurred_at=at(-6))
    assert people_of(answer) == []
    request = load_request()
    assert (request.state, load("anna").state) == ("open", "pending")


def test_reminders_and_snoozes_begin_anew() -> None:
    post(signers=BOTH, occurred_at=at(-9))
    reminders.remind(load_request().id, "anna")
    reminders.snooze(load_request().id, "anna")
    post("expired", occurred_at=at(-1))
    post("sent", id="again", occurred_at=at(0))
    anna = load("anna")
    assert (anna.reminders, anna.reminded_at, anna.snoozed_until) == (0, None, None)
    assert anna.invited_at is not None


def test_any_order_of_arrival_ends_in_the_same_state_and_asks_once_a_round() -> None:
    for number, order in enumerate(permutations(range(4))):
        anna = f"anna-{number}"
        request = {"id": f"agr-{number}"}
        signer = signer_body("Anna", ANNA, id=anna)
        events: list[tuple[str, dict[str, Any]]] = [
            ("sent", {"signers": [signer], "occurred_at": at(-60)}),
            ("declined", {"signer": anna, "occurred_at": at(-50)}),
            ("sent", {"occurred_at": at(-40)}),
            ("signed", {"signer": anna, "occurred_at": at(-30)}),
        ]
        for index in order:
            kind, fields = events[index]
            post(kind, request=request, **fields)
        assert (load_request(request["id"]).state, load(anna).state) == ("open", "signed"), order
        invitations = messages_to(anna, "sent")
        assert [item for item in invitations if item.status == "queued"] == [], order
        assert len(invitations) <= 2, order
