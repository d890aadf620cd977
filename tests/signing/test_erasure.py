"""A person's rights: a complete export and erasure, while counts and hashes stay."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.core.errors import Refused
from hub.core.vocabulary import Address, ConnectionState
from hub.db.engine import db
from hub.messaging.compose import direct
from hub.messaging.contacts import consents, suppressions
from hub.messaging.contacts.consents import ConsentEntry
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.models import (
    AuditEntry,
    Connection,
    Consent,
    Contact,
    Event,
    InboundMessage,
    Message,
    MessageBody,
    PlatformEvent,
    ProviderCallback,
    Signer,
    Suppression,
)
from hub.signing import contact_erasure, personal_data
from tests.hub_fixtures import (
    ANNA,
    ERIC,
    SigningApp,
    count,
    deliver,
    event_body,
    eventually,
    process_pending_callbacks,
    set_connection_state,
    signer_body,
    source_id,
    status,
)
from tests.messaging.whatsapp_steps import receive_whatsapp

MAIL = "eric@example.com"


def create_history(app: Flask, signing_app: SigningApp) -> str:
    """Create messages, a reply and a consent of Eric, and return his contact ID."""
    signers = [
        signer_body("Eric", ERIC, email=MAIL, time_zone="America/New_York"),
        signer_body("Anna", ANNA),
    ]
    signing_app.post("/events", event_body(signers=signers, signer=signers[0]))
    deliver()
    receive_whatsapp(app, "Call me at the office, please.")
    process_pending_callbacks()
    consents.record_consent(
        ConsentEntry(ERIC, True, "sms", ip="203.0.113.7", agent="Firefox", proof="I agree"),
        source="api",
        test=True,
    )
    return get_or_create_contact(Address.PHONE, ERIC, test=True).id


def database_as_text() -> str:
    """Return all decrypted values of the database as one text."""
    db.session.rollback()
    values: list[Any] = []
    for model, names in (
        (Contact, ("address", "name", "time_zone")),
        (Signer, ("details", "signing_url")),
        (Event, ("payload",)),
        (PlatformEvent, ("payload",)),
        (ProviderCallback, ("request",)),
        (AuditEntry, ("title", "detail")),
    ):
        values += [
            [getattr(row, name) for name in names] for row in db.session.scalars(select(model))
        ]
    values += [row.content for row in db.session.scalars(select(MessageBody))]
    return json.dumps(values, default=str)


def test_erasure_removes_every_value_that_names_the_person(
    hub_demo: Flask, signing_app: SigningApp, simulator: Any
) -> None:
    contact_id = create_history(hub_demo, signing_app)
    for text in (ERIC, MAIL, "sign.example/r/eric", "Call me at the office", "America/New_York"):
        assert text in database_as_text(), "else this test would prove nothing"
    messages = count(Message)
    result = contact_erasure.erase_contact(contact_id, reason="By letter, 3 November.")
    assert (result.texts >= 2, result.people, result.webhooks >= 1) == (True, 1, True)
    stored_text = database_as_text()
    for text in (ERIC, ERIC[1:], MAIL, "sign.example/r/eric", "Call me at the office", "I agree"):
        assert text not in stored_text
    assert ANNA in stored_text, "others are not concerned"
    assert count(Message) == messages, "that messages went stays"
    assert count(InboundMessage) == 1
    consent = db.session.scalars(select(Consent)).one()
    assert (consent.given, consent.ip, consent.user_agent, consent.proof) == (True, "", "", None)


def test_message_queued_to_an_erased_person_is_not_sent(hub_demo: Flask, simulator: Any) -> None:
    waits = direct.send_message(to=ERIC, text="Sign.", channel="sms", test=True)
    contact_erasure.erase_contact(
        get_or_create_contact(Address.PHONE, ERIC, test=True).id, reason="Asked."
    )
    assert status(waits) == "canceled"
    assert deliver() == 0


def test_opt_out_outlives_an_erased_person(hub_demo: Flask) -> None:
    suppressions.add_opt_out(ERIC, explanation="Asked on the phone.", test=True)
    contact_erasure.erase_contact(
        get_or_create_contact(Address.PHONE, ERIC, test=True).id, reason="Asked."
    )
    second_message = direct.send_message(
        to=ERIC, text="Sign.", channel="sms", test=True, source_id=source_id()
    )
    assert status(second_message) == "suppressed"


def test_erased_person_can_be_messaged_when_an_app_names_them_again(
    hub_demo: Flask, simulator: Any
) -> None:
    contact_id = get_or_create_contact(Address.PHONE, ERIC, test=True).id
    contact_erasure.erase_contact(contact_id, reason="Asked.")
    new_message = direct.send_message(to=ERIC, text="A new contract.", channel="sms", test=True)
    assert deliver() == 1
    assert status(new_message) in ("accepted", "sent", "delivered")
    db.session.rollback()
    assert db.session.get_one(Contact, contact_id).address == ERIC


def test_callbacks_after_an_erasure_are_erased_too(
    hub_demo: Flask, served: Flask, simulator: Any
) -> None:
    direct.send_message(to=ERIC, text="Sign.", channel="sms", test=True)
    deliver()
    contact_erasure.erase_contact(
        get_or_create_contact(Address.PHONE, ERIC, test=True).id, reason="Asked."
    )
    eventually(lambda: process_pending_callbacks() and ERIC[1:] in database_as_text(), 10)
    assert contact_erasure.clean_erased() >= 1
    assert ERIC[1:] not in database_as_text()


def test_signer_without_messages_is_erased_with_the_address(
    hub_demo: Flask, signing_app: SigningApp
) -> None:
    for slug in ("demo-sms", "demo-whatsapp"):
        connection_id = db.session.scalars(
            select(Connection.id).where(Connection.slug == slug)
        ).one()
        set_connection_state(connection_id, ConnectionState.DISABLED)
    signing_app.post("/events", event_body(signers=[signer_body("Eric", ERIC, email=MAIL)]))
    contact_id = get_or_create_contact(Address.PHONE, ERIC, test=True).id
    assert (
        personal_data.collect_personal_data(contact_id)["signer_of"][0]["details"]["email"] == MAIL
    )
    assert contact_erasure.erase_contact(contact_id, reason="Asked.").people == 1
    assert MAIL not in database_as_text()


def test_reasons_that_may_name_the_person_are_erased(hub_demo: Flask) -> None:
    row_id = suppressions.add_opt_out(ERIC, explanation="Eric Smith rang", test=True).id
    suppressions.lift_opt_out(row_id, reason="Eric Smith wrote again")
    contact_erasure.erase_contact(
        get_or_create_contact(Address.PHONE, ERIC, test=True).id, reason="Asked."
    )
    db.session.rollback()
    row = db.session.get_one(Suppression, row_id)
    assert (row.explanation, row.lift_reason) == ("", "")
    assert "Eric Smith" not in database_as_text()


def test_live_contact_of_the_same_number_is_listed(hub_demo: Flask) -> None:
    live_contact, erased_contact = (
        get_or_create_contact(Address.PHONE, ERIC, test=test).id for test in (True, False)
    )
    assert [
        contact.id
        for contact in contact_erasure.other_contacts(contact_erasure.find_contact(live_contact))
    ] == [erased_contact]


@pytest.mark.parametrize("reason", ["", " ", "x" * 501])
def test_erasure_requires_a_reason(hub_demo: Flask, reason: str) -> None:
    contact_id = get_or_create_contact(Address.PHONE, ERIC, test=True).id
    with pytest.raises(Refused) as refused:
        contact_erasure.erase_contact(contact_id, reason=reason)
    assert refused.value.field == "why"
    contact_erasure.erase_contact(contact_id, reason="Asked.")
    with pytest.raises(Refused, match="already erased"):
        contact_erasure.erase_contact(contact_id, reason="Asked.")


def test_export_contains_everything_stored(
    hub_demo: Flask, signing_app: SigningApp, connection: Connection, simulator: Any
) -> None:
    contact_id = create_history(hub_demo, signing_app)
    suppressions.add_opt_out(ERIC, explanation="Asked on the phone.", test=True)
    data = json.loads(json.dumps(personal_data.collect_personal_data(contact_id)))
    assert data["contact"]["address"] == ERIC
    assert [consent["proof"] for consent in data["consents"]] == ["I agree"]
    assert [opt_out["why"] for opt_out in data["opt_outs"]] == ["Asked on the phone."]
    assert "Employment Agreement" in data["messages"][0]["says"]["text"]
    assert data["messages"][0]["history"]
    assert [callback["says"]["text"] for callback in data["received"]] == [
        "Call me at the office, please."
    ]
    assert data["signer_of"][0]["details"]["email"] == MAIL
    contact_erasure.erase_contact(contact_id, reason="Asked.")
    assert personal_data.collect_personal_data(contact_id)["signer_of"][0]["details"] is None


def test_other_addresses_of_the_same_signer_are_listed(
    hub_demo: Flask, signing_app: SigningApp
) -> None:
    signing_app.post("/events", event_body(signers=[signer_body("Eric", ERIC)]))
    signing_app.post(
        "/events",
        event_body(
            "request.reminder", id="evt-2", signers=[signer_body("Eric", ANNA)], signer="eric"
        ),
    )
    db.session.rollback()
    contact = db.session.get_one(Contact, get_or_create_contact(Address.PHONE, ERIC, test=True).id)
    assert [other.address for other in contact_erasure.other_contacts(contact)] == [ANNA]


def test_erasure_removes_only_the_person_from_an_event() -> None:
    event = {
        "type": "request.sent",
        "signers": [{"id": "eric", "email": MAIL}, {"id": "anna", "email": "a@example.com"}],
        "signer": {"id": "eric", "name": "Eric"},
        "request": {"id": "1"},
    }
    assert contact_erasure.without_personal_data(event, {("signer", "eric")}) == {
        "type": "request.sent",
        "signers": [{"id": "eric"}, {"id": "anna", "email": "a@example.com"}],
        "signer": {"id": "eric"},
        "request": {"id": "1"},
    }
    assert contact_erasure.without_personal_data({"signer": "eric"}, {("signer", "eric")}) == {
        "signer": "eric"
    }
    assert contact_erasure.without_personal_data(None, {("signer", "eric")}) is None
