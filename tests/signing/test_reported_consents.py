"""Consents that events report are recorded with their evidence, once, with the event."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.connections.connections import get_by_slug
from hub.core.vocabulary import Channel
from hub.db.engine import db
from hub.models import Consent, Event
from hub.signing.events import PersonConsentIn
from tests.hub_fixtures import ERIC, SigningApp, count, event_body, json_of, signer_body
from tests.messaging.policy.policy_steps import save_rules
from tests.signing.people_steps import LEGAL, SENDER, add_route, at, post

CONSENT = {
    "channel": "whatsapp",
    "at": "2026-11-20T09:30:00Z",
    "ip": "203.0.113.7",
    "agent": "Firefox",
    "proof": "Notify me by WhatsApp",
}


@pytest.fixture(autouse=True)
def demo(hub_demo: Flask, connection: object) -> None:
    """Use the demo's SMS connection."""


def consents() -> list[Consent]:
    db.session.rollback()
    return list(db.session.scalars(select(Consent).order_by(Consent.id)))


def signer(**consent: Any) -> dict[str, Any]:
    return signer_body("Eric", ERIC, consent={**CONSENT, **consent})


def test_consent_is_recorded_with_its_evidence() -> None:
    post(signers=[signer()])
    [row] = consents()
    assert (row.given, row.channel, row.evidence) == (True, "whatsapp", "api")
    assert (row.ip, row.user_agent, row.proof) == ("203.0.113.7", "Firefox", CONSENT["proof"])
    assert row.at.isoformat() == "2026-11-20T09:30:00+00:00"


def test_repeated_consent_is_recorded_once() -> None:
    for _ in range(3):
        post(signers=[signer()])
    assert len(consents()) == 1
    post(signers=[signer(at="2026-11-20T10:30:00Z")])
    assert len(consents()) == 2


def test_time_of_a_consent_is_that_of_the_event_by_default() -> None:
    consent = {name: CONSENT[name] for name in ("channel", "proof")}
    body = signer_body("Eric", ERIC, consent=consent)
    for _ in range(2):
        post(signers=[body], occurred_at="2026-11-21T09:30:00Z")
    assert [row.at.isoformat() for row in consents()] == ["2026-11-21T09:30:00+00:00"]


def test_consent_for_every_channel_is_recorded_for_each_address() -> None:
    body = signer_body("Eric", ERIC, email="eric@example.com", consent={"proof": "Notify me"})
    post(signers=[body])
    assert [row.channel for row in consents()] == ["", ""]
    assert len({row.contact_id for row in consents()}) == 2


def test_observers_and_senders_consent_too() -> None:
    sender = {"mobile_number": SENDER, "consent": {"proof": "Yes"}}
    post(
        observers=[{"id": "legal", "mobile_number": LEGAL, "consent": {"proof": "Yes"}}],
        request={"id": "agr-1001", "sender": sender},
    )
    assert len({row.contact_id for row in consents()}) == 2


def test_consent_uses_an_address_of_an_earlier_event() -> None:
    post(signers=[signer_body("Eric", ERIC)])
    post("viewed", signer={"id": "eric", "consent": CONSENT})
    assert len(consents()) == 1


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"mobile_number": None}, "signers[0].consent"),
        ({"consent": {**CONSENT, "channel": "chat"}}, "signers[0].consent.channel"),
        ({"consent": {**CONSENT, "at": at(60)}}, "signers[0].consent.at"),
        ({"consent": {**CONSENT, "evidence": "x"}}, "signers[0].consent.evidence"),
    ],
)
def test_consent_that_cannot_be_recorded_is_refused_with_its_field(
    signing_app: SigningApp, fields: dict[str, Any], field: str
) -> None:
    body = event_body(signers=[{**signer_body("Eric", ERIC), "consent": CONSENT, **fields}])
    answer = signing_app.post("/events", body)
    assert (answer.status_code, json_of(answer)["field"]) == (422, field)
    assert (count(Consent), count(Event)) == (0, 0)


@pytest.mark.parametrize("channel", Channel)
def test_document_lists_exactly_the_channels_of_consents(
    signing_app: SigningApp, channel: Channel
) -> None:
    listed = PersonConsentIn.model_json_schema()["properties"]["channel"]["anyOf"][0]["enum"]
    eric = signer_body("Eric", ERIC, email="eric@acme.example")
    eric["consent"] = {**CONSENT, "channel": channel.value}
    answer = signing_app.post("/events", event_body(signers=[eric]))
    assert answer.status_code == (202 if channel.value in listed else 422)


def test_consent_is_in_force_for_the_messages_of_its_event() -> None:
    save_rules(get_by_slug("demo-whatsapp"), consent=True)
    add_route("sent", "signer", "whatsapp")
    [refused] = post(signers=[signer_body("Eric", ERIC)])["messages"]
    [allowed] = post(signers=[signer()], request={"id": "agr-1002"})["messages"]
    assert refused["code"] == "consent_missing"
    assert allowed["code"] != "consent_missing"
