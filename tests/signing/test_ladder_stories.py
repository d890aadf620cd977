"""Stories of fallbacks over HTTP: the API, the simulated provider and its webhooks."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask

from hub.core.vocabulary import Status
from hub.jobs import chores
from hub.lib.shutdown import ShutdownSignal
from hub.models import Message
from tests.endpoints.event_steps import bodies, listen
from tests.hub_fixtures import (
    SigningApp,
    deliver,
    event_body,
    eventually,
    json_of,
    message,
    post_callback,
    process_pending_callbacks,
    status,
    status_form,
)
from tests.hub_fixtures import signing_app as signing_app
from tests.messaging.whatsapp_steps import STATUS
from tests.signing.ladder_steps import channels, connection_of, end_time, eric, legs, set_route
from tests.signing.ladder_steps import ladder as ladder

pytestmark = pytest.mark.usefixtures("ladder", "simulator", "served")
FAILS_ON_WHATSAPP = "+15005550021"
SENT_ONLY_ON_WHATSAPP = "+15005550028"
UNREACHABLE_BY_SMS = "+15005550011"


def post_event(signing_app: SigningApp, number: str, **fields: Any) -> list[str]:
    """Post an invitation, and return the channels of the messages in the answer."""
    body = event_body(signers=[eric(mobile_number=number, **fields)])
    answer = signing_app.post("/events", body)
    assert answer.status_code == 202, answer.text
    return [item["channel"] for item in json_of(answer)["messages"] if item["signer"]]


def write_on_whatsapp(simulator: Any, number: str) -> None:
    """Let a person write, so that the hub and the provider allow free text."""
    sent = {"channel": "whatsapp", "text": "Hello"}
    path = f"/simulator/phones/{quote(number)}/reply"
    assert simulator.test_client().post(path, json=sent).json["answer"] == "200"
    process_pending_callbacks()


def wait_for(leg: Message, expected: Status) -> None:
    def has_status() -> bool:
        process_pending_callbacks()
        return status(leg.id) == expected

    eventually(has_status)


def do_chores() -> None:
    chores.run_chores(ShutdownSignal(10))


def test_refused_whatsapp_message_leads_to_sms_and_then_to_email(
    simulator: Any, signing_app: SigningApp
) -> None:
    write_on_whatsapp(simulator, FAILS_ON_WHATSAPP)
    assert post_event(signing_app, FAILS_ON_WHATSAPP) == ["whatsapp"]
    deliver()
    wait_for(legs()[0], Status.UNDELIVERED)
    do_chores()
    assert channels() == ["whatsapp", "sms"]
    deliver()
    wait_for(legs()[1], Status.DELIVERED)
    end_time(legs()[1])  # a day later, the document is not opened
    do_chores()
    assert channels() == ["whatsapp", "sms", "email"]
    signed = event_body("request.signed", signer="eric")
    assert signing_app.post("/events", signed).status_code == 202
    assert legs()[2].status == "canceled"


def test_undelivered_sms_leads_to_email_at_once(signing_app: SigningApp) -> None:
    set_route(("sms", None, None), ("email", "delivered", 30))
    post_event(signing_app, UNREACHABLE_BY_SMS)
    deliver()
    wait_for(legs()[0], Status.UNDELIVERED)
    do_chores()
    assert [(leg.channel, leg.status) for leg in legs()] == [
        ("sms", "undelivered"),
        ("email", "queued"),
    ]


def test_late_delivery_is_kept_beside_the_message_that_followed(
    hub_demo: Flask, simulator: Any, signing_app: SigningApp
) -> None:
    write_on_whatsapp(simulator, SENT_ONLY_ON_WHATSAPP)
    post_event(signing_app, SENT_ONLY_ON_WHATSAPP)
    deliver()
    wait_for(legs()[0], Status.SENT)
    end_time(legs()[0])
    do_chores()
    deliver()
    wait_for(legs()[1], Status.DELIVERED)
    late = message(legs()[0].id)
    form = status_form(hub_demo, late.provider_id or "", "delivered")
    sender = connection_of("whatsapp").sender
    form |= {"From": sender, "To": f"whatsapp:{SENT_ONLY_ON_WHATSAPP}"}
    post_callback(hub_demo, form, target=f"{STATUS}?message={late.id}&attempt=1")
    process_pending_callbacks()
    assert [leg.status for leg in legs()] == ["delivered", "delivered"]
    answer = json_of(signing_app.get(f"/messages/{legs()[1].id}"))
    assert "reached_twice" in [entry["what"] for entry in answer["timeline"]]


def test_person_who_opted_out_everywhere_is_reported_to_the_app(signing_app: SigningApp) -> None:
    endpoint = listen()
    for address in ("+13175551234", "eric@example.com"):
        assert signing_app.post("/suppressions", {"address": address}).status_code == 201
    post_event(signing_app, "+13175551234")
    do_chores()
    do_chores()
    assert {leg.status for leg in legs()} == {"suppressed"}
    reported = [body for body in bodies(endpoint) if body["type"] == "signer_not_reached"]
    assert [body["signer"] for body in reported] == ["eric"]
