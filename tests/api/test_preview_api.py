"""A preview shows what an event would do, and stores nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from hub.connections import demo
from hub.db.engine import Base, db
from hub.db.store import transaction
from hub.db.types import now
from hub.messaging.policy.rules import OTHERS, Rules
from hub.models import Connection, Message, MessageBody
from tests.api.conftest import StrictApp
from tests.hub_fixtures import ANNA, ERIC, event_body, json_of, signer_body
from tests.messaging.track.test_recorded_prices import Sent, store
from tests.short_link_steps import SHORT_LINK


@pytest.fixture
def with_emails(hub_demo: Flask) -> None:
    """Add the demo's connections for chats and emails."""
    demo.connect_chats_and_mail()
    hub_demo.extensions.pop("hub.cached", None)


def body(kind: str = "request.sent", **fields: Any) -> dict[str, Any]:
    if kind == "request.sent":
        fields = {"signers": [signer_body("Eric", email="eric@example.com")]} | fields
    return event_body(kind, **fields)


def preview(signing_app: StrictApp, posted: dict[str, Any]) -> list[dict[str, Any]]:
    response = signing_app.post("/preview", posted)
    assert response.status_code == 200
    people: list[dict[str, Any]] = json_of(response)["people"]
    return people


def acting(person: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(step["channel"], step["minutes"]) for step in person["steps"] if not step["reason"]]


def reasons(person: dict[str, Any]) -> dict[str, str]:
    return {step["channel"]: step["reason"] for step in person["steps"] if step["reason"]}


@transaction
def set_rules(rules: Rules) -> None:
    """Store the rules of the demo's connection for SMS."""
    row = db.session.scalars(select(Connection).where(Connection.slug == "demo-sms")).one()
    row.rules = rules.to_json()


def count_rows() -> dict[str, int]:
    db.session.rollback()
    return {
        name: db.session.scalar(select(func.count()).select_from(table)) or 0
        for name, table in Base.metadata.tables.items()
    }


def test_preview_shows_each_step_with_its_time_text_and_reason(
    with_emails: None, signing_app: StrictApp
) -> None:
    [eric] = preview(signing_app, body())
    assert (eric["signer"], eric["event"], eric["audience"]) == ("eric", "request.sent", "signer")
    assert reasons(eric) == {"whatsapp": "no_consent"}
    assert acting(eric) == [("sms", None), ("email", None)]
    _, sms, email = eric["steps"]
    assert abs(datetime.fromisoformat(sms["at"]) - now()) < timedelta(minutes=1)
    assert (sms["to"], sms["segments"], sms["goal"]) == (ERIC, 1, None)
    assert sms["text"].startswith('You\'ve been sent "Employment Agreement"')
    price = "USD 0.0079 (price list of the connection)"
    assert sms["summary"] == f"SMS to {ERIC}, 1 segment, {price}"
    assert (email["at"], email["goal"], email["to"]) == (None, "delivered", "eric@example.com")
    assert email["summary"] == "Email to eric@example.com, if the message fails"


@pytest.mark.parametrize(
    ("answer", "reason", "channels"),
    [(True, "window_closed", ["sms", "email"]), (False, "consent_no", ["email"])],
)
def test_recorded_answer_decides_on_a_step_that_needs_a_consent(
    with_emails: None, signing_app: StrictApp, answer: bool, reason: str, channels: list[str]
) -> None:
    entry = {"address": ERIC, "given": answer, "channel": "whatsapp"}
    assert signing_app.post("/consents", entry).status_code == 201
    [eric] = preview(signing_app, body())
    assert reasons(eric)["whatsapp"] == reason
    # an objection is no missing consent: only emails follow it
    assert [channel for channel, _ in acting(eric)] == channels


def test_preview_stores_nothing(with_emails: None, signing_app: StrictApp) -> None:
    signing_app.post("/events", body(id="e1"))
    before = count_rows()
    for kind in ("request.sent", "request.signed", "request.completed", "request.canceled"):
        signing_app.post("/preview", body(kind, signer="eric", id="e2"))
        signing_app.post("/preview", body(kind, signer="eric", request={"id": "new"}))
    assert count_rows() == before
    signers = json_of(signing_app.get("/requests/agr-1001"))["signers"]
    assert [signer["state"] for signer in signers] == ["pending"]


def test_preview_does_what_the_event_then_does(with_emails: None, signing_app: StrictApp) -> None:
    people = [
        signer_body("Eric", email="eric@example.com"),
        signer_body("Anna", ANNA, send_to={"mobile_number": True, "email": True}),
        signer_body("Ravi", None, email="ravi@example.com", order=2),
        signer_body("Dina", None),
    ]
    for kind, fields in (
        ("request.sent", {"signers": people}),
        ("request.signed", {"signer": "eric"}),
    ):
        posted = body(kind, **fields)
        shown = [
            (person["signer"], acting_step["channel"], acting_step["to"])
            for person in preview(signing_app, posted)
            for acting_step in [step for step in person["steps"] if not step["reason"]][:1]
        ]
        answer = json_of(signing_app.post("/events", posted))
        assert shown == [
            (message["signer"], message["channel"], message["to"])
            for message in answer["messages"]
            if message["signer"]
        ]


CONSENTS: dict[str, dict[str, Any] | None] = {
    "none": None,
    "every channel": {},
    "WhatsApp": {"channel": "whatsapp"},
    "SMS": {"channel": "sms"},
    "email": {"channel": "email"},
    "older": {"at": "2026-01-01T00:00:00Z"},
}


@pytest.mark.parametrize("consent", CONSENTS)
@pytest.mark.parametrize("recorded", [None, True, False])
@pytest.mark.parametrize("is_required", [False, True])
def test_preview_counts_the_consent_that_the_event_reports(
    with_emails: None,
    signing_app: StrictApp,
    consent: str,
    recorded: bool | None,
    is_required: bool,
) -> None:
    set_rules(Rules(consent=is_required))
    if recorded is not None:
        signing_app.post("/consents", {"address": ERIC, "given": recorded, "channel": "sms"})
    eric = signer_body("Eric", email="Eric@example.com", consent=CONSENTS[consent])
    posted = body(signers=[eric])
    before = count_rows()
    [shown] = preview(signing_app, posted)
    assert count_rows() == before
    message = json_of(signing_app.post("/events", posted))["messages"][0]
    first = next(step for step in shown["steps"] if step["reason"] in (None, message["code"]))
    assert (first["channel"], first["to"]) == (message["channel"], message["to"])
    assert first["reason"] == message["code"]


@pytest.mark.parametrize(
    ("consent", "code"),
    [
        ({"channel": "email"}, "no_address"),
        ({"channel": "chat"}, "no_address"),
        ({"at": "2099-01-01T00:00:00Z"}, "in_the_future"),
    ],
)
def test_preview_refuses_the_consents_that_the_event_refuses(
    signing_app: StrictApp, consent: dict[str, Any], code: str
) -> None:
    posted = body(signers=[signer_body("Eric", consent=consent)])
    answers = [json_of(signing_app.post(path, posted)) for path in ("/preview", "/events")]
    assert [answer["code"] for answer in answers] == [code, code]
    assert answers[0]["field"] == answers[1]["field"]


def test_repeated_event_shows_that_it_was_sent(signing_app: StrictApp) -> None:
    signing_app.post("/events", body())
    [eric] = preview(signing_app, body())
    assert reasons(eric)["sms"] == "repeated"
    assert acting(eric) == []


def test_preview_while_messages_wait_changes_none_of_them(
    with_emails: None, signing_app: StrictApp
) -> None:
    event = body(signers=[signer_body("Eric", email="eric@example.com")])
    signing_app.post("/events", event)
    before = read_messages()
    assert before
    [eric] = preview(signing_app, event)
    assert acting(eric) == [], "everything was notified before"
    assert "repeated" in reasons(eric).values()
    assert read_messages() == before


def read_messages() -> list[tuple[object, ...]]:
    """Return all columns of all messages."""
    db.session.rollback()
    rows = db.session.execute(select(Message.__table__).order_by(Message.id))
    return [tuple(row) for row in rows]


def test_opt_out_is_shown_with_the_step_that_follows(
    with_emails: None, signing_app: StrictApp
) -> None:
    signing_app.post("/suppressions", {"address": ERIC})
    signing_app.post("/events", body("request.viewed", signers=[signer_body("Eric")]))
    [eric] = preview(signing_app, body())
    assert acting(eric) == [("email", None)]


def test_steps_that_may_follow_are_in_the_answer_of_an_event(
    with_emails: None, signing_app: StrictApp
) -> None:
    signer = signer_body("Eric", email="eric@example.com", preference=["email"])
    answer = json_of(signing_app.post("/events", body(signers=[signer])))
    [message] = [message for message in answer["messages"] if message["signer"]]
    assert message["channel"] == "email"
    [sms] = answer["then"]
    assert (sms["message"], sms["signer"], sms["channel"]) == (message["id"], "eric", "sms")
    # mail servers rarely report a delivery, so an accepted email has reached its goal
    assert (sms["goal"], sms["minutes"]) == ("sent", 30)
    assert sms["text"] == (f"SMS to {ERIC} if the message is not sent within 30 minutes, or fails.")


def test_price_of_recent_messages_comes_before_the_price_list(
    signing_app: StrictApp, connection: Connection
) -> None:
    set_rules(Rules(prices={"US": Decimal("0.0083")}))
    store(connection, [Sent(ERIC, Decimal("0.0079"), "EUR")])
    [eric] = preview(signing_app, body())
    [sms] = [step for step in eric["steps"] if not step["reason"]]
    assert sms["price"] == {"amount": "0.00790", "currency": "EUR", "basis": "recorded"}
    assert sms["summary"].endswith("1 segment, EUR 0.0079 (median of recent messages)")


def test_price_is_that_of_the_connection(signing_app: StrictApp) -> None:
    set_rules(Rules(prices={"US": Decimal("0.0083"), OTHERS: Decimal("0.05")}))
    [eric] = preview(signing_app, body())
    [sms] = [step for step in eric["steps"] if not step["reason"]]
    assert sms["price"] == {"amount": "0.0083", "currency": "USD", "basis": "rules"}
    assert sms["summary"].endswith("1 segment, USD 0.0083 (price list of the connection)")


def test_steps_after_the_first_are_those_of_the_answer(
    with_emails: None, signing_app: StrictApp
) -> None:
    people = [
        signer_body("Eric", email="eric@example.com", preference=["email"]),
        signer_body("Anna", ANNA, email="anna@example.com"),
    ]
    posted = body(signers=people)
    shown = [
        (person["signer"], step["channel"], step["to"], step["goal"], step["minutes"])
        for person in preview(signing_app, posted)
        for step in [step for step in person["steps"] if not step["reason"]][1:]
    ]
    answer = json_of(signing_app.post("/events", posted))
    assert shown == [
        (step["signer"], step["channel"], step["to"], step["goal"], step["minutes"])
        for step in answer["then"]
    ]
    assert len(shown) == 2


def test_rules_apply_to_people_who_are_new(with_emails: None, signing_app: StrictApp) -> None:
    set_rules(Rules(countries=frozenset({"FR"})))
    [eric] = preview(signing_app, body())
    assert reasons(eric)["sms"] == "country_not_allowed"
    assert acting(eric) == [("email", None)]


def test_opt_out_of_an_address_without_a_contact_is_shown(
    with_emails: None, signing_app: StrictApp
) -> None:
    signing_app.post("/suppressions", {"address": ERIC})
    [eric] = preview(signing_app, body())
    assert acting(eric) == [("email", None)]
    assert "sms" in reasons(eric)


def test_spending_limit_is_shown(signing_app: StrictApp) -> None:
    prices = {OTHERS: Decimal("0.05")}
    set_rules(Rules(prices=prices, spend_day=Decimal("0.04")))
    [eric] = preview(signing_app, body())
    assert reasons(eric)["sms"] == "spend_day"
    sms = next(step for step in eric["steps"] if step["channel"] == "sms")
    assert sms["summary"] == "The connection has reached its daily spending limit."


def test_text_of_a_first_sms_has_the_opt_out_line(signing_app: StrictApp) -> None:
    posted = body()
    [eric] = preview(signing_app, posted)
    [sms] = [step for step in eric["steps"] if not step["reason"]]
    assert sms["text"].endswith("Reply STOP to opt out.")
    answer = json_of(signing_app.post("/events", posted))
    row_id = answer["messages"][0]["id"].partition("_")[2]
    stored = db.session.get_one(MessageBody, row_id).content["text"]
    assert SHORT_LINK.sub("LINK", stored) == SHORT_LINK.sub("LINK", sms["text"])
    assert len(stored) == len(sms["text"])


@pytest.mark.parametrize(
    ("posted", "field"), [({"type": "request.sent"}, "request"), ({"request": {"id": "a"}}, "type")]
)
def test_invalid_event_is_refused_as_when_it_is_posted(
    signing_app: StrictApp, posted: dict[str, Any], field: str
) -> None:
    response = signing_app.post("/preview", posted)
    assert response.status_code == 422
    assert field in response.text
