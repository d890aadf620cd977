"""The timeline of a call that is made again, and the hours that pages show."""

from __future__ import annotations

from flask import Flask

from hub.admin.connections.rules_summary import summarize_rules
from hub.messaging.track.timeline import timeline
from tests.conftest import Browser
from tests.hub_fixtures import message
from tests.messaging.voice_steps import calls, report, settle, start_call, successor

SID = "CA" + "1" * 32


def test_call_that_is_made_again_waits_for_the_next_try(hub_demo: Flask) -> None:
    message_id = start_call(calls(hub_demo), SID)
    report(hub_demo, "busy", message=message_id, sid=SID)
    settle()
    following = successor(message_id)
    assert following is not None
    titles = [entry.title for entry in timeline(message(following.id))]
    assert titles == ["Created", "Waiting for the next try"]


def test_canceled_call_is_named_as_such(hub_demo: Flask) -> None:
    message_id = start_call(calls(hub_demo), SID)
    report(hub_demo, "canceled", message=message_id, sid=SID)
    settle()
    assert timeline(message(message_id))[-1].title == "Canceled at Twilio"


def test_page_of_a_connection_shows_when_it_never_calls(hub_demo: Flask) -> None:
    assert dict(summarize_rules(calls(hub_demo)))["Quiet hours"] == "Always 20:00 to 08:00"


def test_test_call_asks_for_a_phone_number(hub_demo: Flask, admin: Browser) -> None:
    page = admin.get("/connections/demo-calls").text
    assert "Your phone number" in page
    assert "Your mobile number" not in page
