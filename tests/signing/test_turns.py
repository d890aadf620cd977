"""Signers are asked in the order of their turns, each once."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from hub.signing import people
from tests.hub_fixtures import ANNA, ERIC, signer_body
from tests.signing.people_steps import (
    add_route,
    at,
    load,
    load_request,
    messages_to,
    people_of,
    post,
    statuses,
)

RAVI = "+919876543210"


@pytest.fixture(autouse=True)
def demo(hub_demo: Flask, connection: object) -> None:
    """Use the demo's SMS connection."""


def signers(**orders: int) -> list[dict[str, Any]]:
    numbers = {"Eric": ERIC, "Anna": ANNA, "Ravi": RAVI}
    return [signer_body(name, numbers[name], order=order) for name, order in orders.items()]


def invited() -> list[str]:
    return [name for name in ("eric", "anna", "ravi") if messages_to(name, "sent")]


def test_signer_is_asked_when_the_signer_before_has_signed() -> None:
    answer = post(signers=signers(Eric=1, Anna=2))
    assert people_of(answer) == ["eric"]
    assert [(item["signer"], item["reason"]) for item in answer["skipped"]] == [
        ("anna", "not_their_turn")
    ]
    assert load("anna").invited_at is None
    answer = post("signed", signer="eric")
    [invitation] = [item for item in answer["messages"] if item["to"] == ANNA]
    assert invitation["status"] == "queued"
    assert len(messages_to("anna", "sent")) == 1
    assert load("anna").invited_at is not None


def test_signers_of_earlier_turns_are_notified_of_signatures_and_later_ones_are_not() -> None:
    add_route("signed", "others")
    post(signers=signers(Eric=1, Anna=2, Ravi=3))
    for _ in range(2):
        post("signed", signer="eric", id="first")
        assert messages_to("anna", "signed") == []
    post("signed", signer="anna")
    assert len(messages_to("eric", "signed")) == 2
    assert messages_to("ravi", "signed") == []


def test_signers_of_one_turn_are_asked_together_after_all_before_have_signed() -> None:
    post(signers=signers(Eric=1, Anna=1, Ravi=2))
    assert invited() == ["eric", "anna"]
    post("signed", signer="eric")
    assert invited() == ["eric", "anna"]
    post("signed", signer="anna")
    assert invited() == ["eric", "anna", "ravi"]


def test_signature_out_of_turn_skips_nobody_and_asks_nobody_twice() -> None:
    post(signers=signers(Eric=1, Anna=2, Ravi=3))
    post("signed", signer="anna")
    assert invited() == ["eric"]
    post("signed", signer="eric")
    assert invited() == ["eric", "ravi"]
    assert len(messages_to("ravi", "sent")) == 1


def test_app_that_posts_each_invitation_itself_asks_nobody_twice() -> None:
    post(signers=signers(Eric=1, Anna=2))
    post("signed", signer="eric")
    answer = post("sent", id="for-anna", signer=signers(Anna=2)[0])
    assert ("anna", "repeated") in [(item["signer"], item["reason"]) for item in answer["skipped"]]
    assert len(messages_to("anna", "sent")) == 1


def test_signer_whom_the_app_asks_itself_is_not_asked_by_signpost() -> None:
    post(signers=signers(Eric=1))
    post("signed", signer="eric")
    post("sent", id="for-anna", signers=signers(Anna=2), signer="anna")
    post("viewed", signer="anna")
    assert len(messages_to("anna", "sent")) == 1


def test_turn_of_a_signer_without_an_address_is_reported_and_begins_with_the_address() -> None:
    post(signers=[*signers(Eric=1), signer_body("Anna", None, order=2)])
    answer = post("signed", signer="eric")
    assert [(item["signer"], item["reason"]) for item in answer["skipped"]][-1:] == [
        ("anna", "no_address")
    ]
    post("viewed", signer="eric", signers=signers(Anna=2))
    assert statuses("anna", "sent") == [("queued", ANNA)]


def test_invitation_of_a_turn_is_canceled_by_the_signature() -> None:
    post(signers=signers(Eric=1, Anna=2, Ravi=3))
    post("signed", signer="eric")
    post("signed", signer="anna")
    assert statuses("anna", "sent") == [("canceled", ANNA)]


def test_no_turn_begins_before_the_request_is_sent_or_after_it_ended() -> None:
    post("viewed", signer="eric", signers=signers(Eric=1, Anna=2))
    assert invited() == []
    post("sent")
    assert invited() == ["eric"]
    post("canceled")
    post("signed", signer="eric")
    assert invited() == ["eric"]
    assert load_request().state == "canceled"


def test_no_turn_begins_after_the_time_to_sign() -> None:
    expired = {"id": "agr-1001", "expires_at": at(-1)}
    post(signers=signers(Eric=1, Anna=2), request=expired)
    post("signed", signer="eric")
    assert invited() == []


def test_turn_waits_while_signers_before_it_are_added() -> None:
    post(signers=signers(Eric=2))
    assert invited() == ["eric"]
    post("sent", signers=signers(Anna=1, Ravi=3))
    assert invited() == ["eric", "anna"]
    post("signed", signer="anna")
    assert invited() == ["eric", "anna"]
    post("signed", signer="eric")
    assert invited() == ["eric", "anna", "ravi"]


def test_removed_signer_is_not_asked_and_passes_the_turn_on() -> None:
    post(signers=signers(Eric=1, Anna=2))
    post("viewed", signers_removed=["eric"])
    assert statuses("eric") == [("canceled", ERIC)]
    assert invited() == ["eric", "anna"]
    assert [signer.external_id for signer in load_request().signers] == ["anna"]
    assert load("eric").removed_at is not None
    answer = post("signed", signer="anna")
    assert "eric" not in people_of(answer)


def test_signer_who_is_listed_again_returns() -> None:
    post(signers=signers(Eric=1, Anna=1), occurred_at=at(-9))
    post("viewed", signers_removed=["eric"], occurred_at=at(-8))
    post("viewed", signer="eric", occurred_at=at(-7))
    assert load("eric").removed_at is not None
    post("sent", signers=signers(Eric=1), occurred_at=at(-6))
    assert load("eric").removed_at is None


def test_removal_that_arrives_first_still_counts() -> None:
    post("viewed", signers_removed=["eric"], occurred_at=at(-5))
    assert people.list_removed_signers(load_request()) == [], "nobody is known yet"
    post(signers=signers(Eric=1, Anna=1), occurred_at=at(-6))
    assert invited() == ["anna"]
    assert [row.external_id for row in people.list_removed_signers(load_request())] == ["eric"]


def test_signer_of_an_unknown_id_without_an_address_is_stored_and_skipped() -> None:
    answer = post("signed", signer="nobody")
    assert [(item["signer"], item["reason"]) for item in answer["skipped"]] == [
        ("nobody", "no_address")
    ]
    assert load("nobody").state == "signed"


def test_opening_of_the_document_is_stored_with_its_newest_time() -> None:
    post(signers=signers(Eric=1))
    for minutes in (-3, -1, -2):
        post("viewed", signer="eric", occurred_at=at(minutes))
    opened = load("eric").opened_at
    assert opened is not None
    assert opened.isoformat()[:16] == at(-1)[:16]
