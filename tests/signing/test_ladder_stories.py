"""Stories of fallbacks over HTTP: the API, the simulated provider and its webhooks."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from hub.core.vocabulary import Status
from tests.endpoints.event_steps import bodies, listen
from tests.hub_fixtures import json_of, message, post_callback, status_form
from tests.messaging.whatsapp_steps import STATUS
from tests.signing.ladder_steps import (
    SMS_EMAIL,
    WHATSAPP_SMS_EMAIL,
    connection_of,
    end_time,
    eric,
    legs,
    set_route,
)
from tests.signing.story_steps import Story

WINDOW_CLOSED = "+15005550021"
SENT_ONLY_ON_WHATSAPP = "+15005550028"
UNREACHABLE_BY_SMS = "+15005550011"


@pytest.fixture(autouse=True)
def route(story: Story) -> None:
    set_route(*WHATSAPP_SMS_EMAIL)


def invite(story: Story, number: str) -> list[str]:
    """Ask Eric to sign, and return the channels of the messages to people."""
    answer = story.post("sent", signers=[eric(mobile_number=number)])
    return [item["channel"] for item in answer["messages"] if item["signer"]]


def results() -> list[tuple[str, str]]:
    return [(leg.channel, leg.status) for leg in legs()]


def test_closed_window_leads_to_sms_and_then_to_email(story: Story) -> None:
    story.write_on_whatsapp(WINDOW_CLOSED)  # and the provider closes the window
    assert invite(story, WINDOW_CLOSED) == ["whatsapp"]
    story.deliver()
    story.wait_for(legs()[0], Status.UNDELIVERED)
    story.do_chores()
    assert results() == [("whatsapp", "undelivered"), ("sms", "queued")]
    story.deliver()
    story.wait_for(legs()[1], Status.DELIVERED)
    end_time(legs()[1])  # a day later, the document is not opened
    story.do_chores()
    story.deliver()
    assert results()[1:] == [("sms", "delivered"), ("email", "sent")]
    assert story.emails("eric@example.com") == ['Acme HR sent you "Lease" to sign']


def test_signature_ends_the_steps(story: Story) -> None:
    story.write_on_whatsapp(WINDOW_CLOSED)
    invite(story, WINDOW_CLOSED)
    story.deliver()
    story.wait_for(legs()[0], Status.UNDELIVERED)
    story.do_chores()
    story.post("signed", signer="eric")
    assert results()[:2] == [("whatsapp", "undelivered"), ("sms", "canceled")]
    before = len(legs())
    story.do_chores()
    assert len(legs()) == before


def test_closed_window_that_the_hub_knows_leads_to_sms_at_once(story: Story) -> None:
    assert invite(story, "+13175550177") == ["sms"]


def test_undelivered_sms_leads_to_email_at_once(story: Story) -> None:
    set_route(*SMS_EMAIL)
    invite(story, UNREACHABLE_BY_SMS)
    story.deliver()
    story.wait_for(legs()[0], Status.UNDELIVERED)
    story.do_chores()
    assert results() == [("sms", "undelivered"), ("email", "queued")]


def test_late_delivery_is_kept_beside_the_message_that_followed(
    hub_demo: Flask, story: Story
) -> None:
    story.write_on_whatsapp(SENT_ONLY_ON_WHATSAPP)
    invite(story, SENT_ONLY_ON_WHATSAPP)
    story.deliver()
    story.wait_for(legs()[0], Status.SENT)
    end_time(legs()[0])
    story.do_chores()
    story.deliver()
    story.wait_for(legs()[1], Status.DELIVERED)
    report_delivery(hub_demo, legs()[0].id)
    story.wait_for(legs()[0], Status.DELIVERED)
    assert results() == [("whatsapp", "delivered"), ("sms", "delivered")]
    answer = json_of(story.app.get(f"/messages/{legs()[1].id}"))
    assert "reached_twice" in [entry["what"] for entry in answer["timeline"]]


def report_delivery(app: Flask, message_id: str) -> None:
    """Report late that a WhatsApp message was delivered."""
    late = message(message_id)
    form: dict[str, Any] = status_form(app, late.provider_id or "", "delivered")
    sender = connection_of("whatsapp").sender
    form |= {"From": sender, "To": f"whatsapp:{SENT_ONLY_ON_WHATSAPP}"}
    answer = post_callback(app, form, target=f"{STATUS}?message={late.id}&attempt=1")
    assert answer.status_code == 200


def test_person_who_opted_out_everywhere_is_reported_to_the_app(story: Story) -> None:
    endpoint = listen()
    for address in ("+13175551234", "eric@example.com"):
        assert story.app.post("/suppressions", {"address": address}).status_code == 201
    invite(story, "+13175551234")
    for _ in range(2):
        story.do_chores()
    note = legs()[-1]
    assert (note.step_id, note.status) == (None, "queued"), "the sender is notified"
    assert {leg.status for leg in legs()[:-1]} == {"suppressed"}
    reported = [body for body in bodies(endpoint) if body["type"] == "signer_not_reached"]
    assert [body["signer"] for body in reported] == ["eric"]
