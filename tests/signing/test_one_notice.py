"""A person is notified once of an event, and once of the end of a request."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from hub.db.types import now
from tests.hub_fixtures import ANNA, ERIC, signer_body
from tests.signing.people_steps import (
    LEGAL,
    REQUEST,
    SENDER,
    WITH_SENDER,
    add_route,
    at,
    messages_to,
    people_of,
    post,
    statuses,
)

BOTH = [signer_body("Eric", ERIC), signer_body("Anna", ANNA)]


@pytest.fixture(autouse=True)
def demo(hub_demo: Flask, connection: object) -> None:
    """Use the demo's SMS connection, and notify every audience of signatures and completions."""
    add_route("signed", "others")
    for audience in ("sender", "observers"):
        add_route("signed", audience)
        add_route("completed", audience)


def observer(number: str = LEGAL, **fields: Any) -> dict[str, Any]:
    return {"id": "legal", "name": "Legal", "mobile_number": number, **fields}


def reasons(answer: dict[str, Any], person: str) -> list[str]:
    return [item["reason"] for item in answer["skipped"] if item["signer"] == person]


def test_observers_and_the_sender_are_notified_in_their_language() -> None:
    post(signers=BOTH, observers=[observer(locale="de")], **WITH_SENDER)
    answer = post("signed", signer="eric")
    assert {(item["signer"], item["role"], item["to"]) for item in answer["messages"]} >= {
        ("sender", "sender", SENDER),
        ("legal", "observer", LEGAL),
        ("anna", "signer", ANNA),
    }


def test_observer_with_the_id_of_a_signer_is_a_person_of_their_own() -> None:
    post(signers=BOTH, observers=[observer(id="eric")])
    answer = post("signed", signer="anna")
    assert {
        (item["role"], item["to"]) for item in answer["messages"] if item["signer"] == "eric"
    } == {
        ("signer", ERIC),
        ("observer", LEGAL),
    }


def test_observer_who_opens_the_document_is_not_asked_to_sign() -> None:
    post(signers=BOTH, observers=[observer()])
    post("viewed", signer="legal")
    post("sent", id="again")
    assert messages_to("legal", "sent") == []


def test_sender_without_an_address_is_not_notified() -> None:
    post(signers=BOTH, request={**REQUEST, "sender": {"name": "Acme HR"}})
    assert "sender" not in people_of(post("signed", signer="eric"))


def test_sender_whose_address_follows_later_is_notified() -> None:
    post(signers=BOTH, request={**REQUEST, "sender": {"name": "Acme HR"}})
    post("viewed", signer="eric", **WITH_SENDER)
    assert "sender" in people_of(post("signed", signer="eric"))


def test_signer_who_is_also_observer_is_notified_as_signer() -> None:
    post(signers=BOTH, observers=[observer(ANNA)])
    answer = post("signed", signer="eric")
    assert [item["role"] for item in answer["messages"] if item["to"] == ANNA] == ["signer"]


def test_sender_is_not_notified_of_their_own_signature() -> None:
    request = {**REQUEST, "sender": {"name": "Eric", "mobile_number": ERIC}}
    post(signers=BOTH, request=request)
    answer = post("signed", signer="eric")
    assert [item["role"] for item in answer["messages"] if item["to"] == ERIC] == ["signer"]
    assert reasons(answer, "sender") == ["own_action"]
    answer = post("signed", signer="anna")
    assert [item["role"] for item in answer["messages"] if item["to"] == ERIC] == ["signer"]


def test_two_signers_who_share_a_phone_get_a_message_each() -> None:
    answer = post(signers=[signer_body("Eric", ERIC), signer_body("Anna", ERIC)])
    assert [item["to"] for item in answer["messages"]] == [ERIC, ERIC]
    links = {message.id for person in ("eric", "anna") for message in messages_to(person)}
    assert len(links) == 2


def test_last_signature_and_completion_make_one_notice() -> None:
    post(signers=BOTH, observers=[observer()], **WITH_SENDER)
    post("signed", signer="eric")
    post("signed", signer="anna")
    for person, address in (("eric", ERIC), ("legal", LEGAL), ("sender", SENDER)):
        last = messages_to(person, "signed")[-1]
        assert last.status == "queued"
        assert last.due_at is not None
        assert timedelta(seconds=50) < last.due_at - now() < timedelta(seconds=61)
        assert last.contact.address == address
    own = messages_to("anna", "signed")[-1]
    assert own.due_at is not None
    assert own.due_at <= now(), "the signer's own notice does not wait"
    post("completed")
    for person in ("eric", "legal", "sender"):
        assert messages_to(person, "signed")[-1].status == "canceled"
        assert [message.status for message in messages_to(person, "completed")] == ["queued"]
    assert messages_to("anna", "signed")[-1].status == "queued"


def test_notice_of_a_signature_is_left_out_after_the_completion() -> None:
    post(signers=BOTH, observers=[observer()], occurred_at=at(-9))
    post("signed", signer="eric", occurred_at=at(-8))
    post("completed", occurred_at=at(-7))
    answer = post("signed", signer="anna", occurred_at=at(-8))
    assert people_of(answer) == ["anna"]
    assert reasons(answer, "legal") == ["request_completed"]


def test_person_whom_the_completion_does_not_notify_keeps_the_notice() -> None:
    add_route("completed", "observers", "webhook")  # which reaches no person
    post(signers=BOTH, observers=[observer()])
    post("signed", signer="eric")
    post("signed", signer="anna")
    post("completed")
    assert statuses("legal", "signed")[-1] == ("queued", LEGAL)


def test_notices_of_other_signatures_do_not_wait() -> None:
    post(signers=BOTH, observers=[observer()])
    post("signed", signer="eric")
    [notice] = messages_to("legal", "signed")
    assert notice.due_at is not None
    assert notice.due_at <= now()
