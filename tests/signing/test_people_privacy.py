"""Observers and senders are exported, erased and shown like signers."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from hub.core.vocabulary import Address
from hub.db.store import transaction
from hub.endpoints.platform_events import NewEvent, store_events
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.signing import contact_erasure, personal_data
from tests.endpoints.event_steps import bodies, listen
from tests.hub_fixtures import ANNA, ERIC, SigningApp, json_of, signer_body, source_id
from tests.signing.people_steps import (
    LEGAL,
    SENDER,
    add_route,
    load,
    load_request,
    messages_to,
    post,
)
from tests.signing.test_erasure import database_as_text

PEOPLE: dict[str, Any] = {
    "signers": [signer_body("Eric", ERIC), signer_body("Anna", ANNA)],
    "observers": [{"id": "legal", "name": "Lena Legal", "mobile_number": LEGAL}],
    "request": {
        "id": "agr-1001",
        "title": "Employment Agreement",
        "sender": {"name": "Sven Sender", "mobile_number": SENDER},
    },
}


@pytest.fixture(autouse=True)
def demo(hub_demo: Flask, connection: object) -> None:
    """Use the demo's SMS connection."""


def contact_of(number: str) -> str:
    return get_or_create_contact(Address.PHONE, number, test=True).id


@pytest.mark.parametrize("notified", [False, True])
@pytest.mark.parametrize(
    ("number", "name", "field"),
    [(LEGAL, "Lena", "observer_of"), (SENDER, "Sven", "sender_of")],
)
def test_observer_and_sender_are_exported_and_erased(
    number: str, name: str, field: str, notified: bool
) -> None:
    if notified:
        add_route("signed", "observers")
        add_route("signed", "sender")
    post(**PEOPLE)
    post("signed", signer="eric")
    contact_id = contact_of(number)
    [entry] = personal_data.collect_personal_data(contact_id)[field]
    assert (entry["request"], entry["title"]) == ("agr-1001", "Employment Agreement")
    assert name in entry["details"]["name"]
    assert contact_erasure.erase_contact(contact_id, reason="Asked.").people == 1
    text = database_as_text()
    if field == "sender_of":  # the texts that were sent to others name the sender
        assert load_request().sender is None
    else:
        assert name not in text
    assert number[1:] not in text
    assert "Eric" in text, "the data of other people stays"


def test_erased_observer_with_the_id_of_a_signer_leaves_the_signer() -> None:
    observers = [{"id": "eric", "name": "Lena Legal", "mobile_number": LEGAL}]
    post(**{**PEOPLE, "observers": observers})
    contact_erasure.erase_contact(contact_of(LEGAL), reason="Asked.")
    assert [signer.details["name"] for signer in load_request().signers] == ["Eric", "Anna"]


def test_erased_signer_is_not_asked_when_the_turn_comes() -> None:
    post(signers=[signer_body("Eric", ERIC, order=1), signer_body("Anna", ANNA, order=2)])
    contact_erasure.erase_contact(contact_of(ANNA), reason="Asked.")
    post("signed", signer="eric")
    assert messages_to("anna") == []


def test_request_lists_observers_and_the_sender_with_their_messages(
    signing_app: SigningApp,
) -> None:
    add_route("signed", "observers")
    add_route("signed", "sender")
    post(**PEOPLE)
    post("viewed", signer="legal")
    post("signed", signer="eric", signers_removed=["anna"])
    request = json_of(signing_app.get("/requests/agr-1001"))
    [observer] = request["observers"]
    assert (observer["id"], observer["name"]) == ("legal", "Lena Legal")
    assert observer["opened_at"] is not None
    assert (request["sender"]["name"], request["sender"]["email"]) == ("Sven Sender", None)
    listed = [*observer["messages"], *request["sender"]["messages"]]
    assert [(item["to"], item["signer"], item["role"]) for item in listed] == [
        (LEGAL, "legal", "observer"),
        (SENDER, "sender", "sender"),
    ]
    eric, anna = request["signers"]
    assert (eric["id"], eric["removed_at"]) == ("eric", None)
    assert eric["invited_at"] is not None
    assert (anna["id"], anna["removed_at"] is None) == ("anna", False)
    assert load("anna").state == "pending"


@transaction
def report_delivered(message_id: str) -> None:
    """Store the platform event of a delivered message."""
    event = NewEvent(
        cause=f"{message_id}:delivered",
        type="sms_delivered",
        source_id=source_id(),
        test=True,
        message_id=message_id,
    )
    store_events([event])


def test_webhook_names_the_role_of_the_person() -> None:
    endpoint_id = listen("default", "sms_delivered")
    add_route("signed", "observers")
    post(**PEOPLE)
    post("signed", signer="eric")
    for person in ("eric", "legal"):
        report_delivered(messages_to(person)[-1].id)
    roles = [(body["signer"], body["role"]) for body in bodies(endpoint_id)]
    assert roles == [("eric", "signer"), ("legal", "observer")]
