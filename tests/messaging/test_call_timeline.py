"""The timeline of a call that is made again, and the hours that pages show."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select

from hub.admin.connections.rules_summary import summarize_rules
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.messaging.compose import direct
from hub.messaging.track.timeline import explain_failure, timeline
from hub.models import StatusEvent, Suppression
from tests.conftest import Browser
from tests.hub_fixtures import message
from tests.messaging.voice_steps import (
    LONDON,
    calls,
    post_form,
    press,
    queue_call,
    report,
    settle,
    start_call,
    successor,
)

SID = "CA" + "1" * 32


def blocked_call() -> str:
    """Plan a call to the person, which an opt-out suppresses."""
    return direct.send_message(to=LONDON, text="A document waits.", test=True, channel="voice")


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


@pytest.mark.parametrize("is_key_first", [True, False])
def test_end_of_a_call_does_not_deny_the_key(hub_demo: Flask, is_key_first: bool) -> None:
    message_id = start_call(calls(hub_demo), SID)
    acts = [
        lambda: press(hub_demo, "2", message=message_id, sid=SID),
        lambda: report(hub_demo, "completed", message=message_id, sid=SID),
    ]
    for act in acts if is_key_first else reversed(acts):
        act()
        settle()
    entries = {entry.title: entry for entry in timeline(message(message_id))}
    assert "Key 2 was pressed" in entries
    assert entries["Call ended"].code == ""
    assert "no key" not in entries["Call ended"].text
    [reason] = db.session.scalars(
        select(StatusEvent.reason).where(StatusEvent.provider_status == "completed")
    )
    assert reason == "", "evidence has it, too"


@pytest.mark.parametrize("key", list("0123456789*#"))
def test_first_key_of_a_call_is_followed_by_its_delivery(hub_demo: Flask, key: str) -> None:
    message_id = start_call(calls(hub_demo), SID)
    for reading in (1, 2):
        press(hub_demo, key, message=message_id, sid=SID, reading=reading)
        settle()
    report(hub_demo, "completed", message=message_id, sid=SID)
    settle()
    entries = timeline(message(message_id))
    titles = [entry.title for entry in entries]
    assert titles.count("Delivered") == 1
    at = titles.index("Delivered")
    assert titles[at - 1] == f"Key {key} was pressed"
    assert entries[at].status == "delivered"
    assert entries[at].event == "call_delivered"
    assert [entry.title for entry in entries if entry.decisive and entry.status == "delivered"] == [
        "Delivered"
    ]


@pytest.mark.parametrize("calls_back", [True, False])
def test_opt_out_by_a_key_is_explained_as_such(
    hub_demo: Flask, admin: Browser, calls_back: bool
) -> None:
    voice = calls(hub_demo)
    if calls_back:
        form = {
            "CallSid": "CA" + "5" * 32,
            "CallStatus": "in-progress",
            "Direction": "inbound",
            "From": LONDON,
            "To": voice.sender,
            "Digits": "9",
        }
        post_form(hub_demo, form)
    else:
        press(hub_demo, "9", message=start_call(voice, SID), sid=SID)
    settle()
    later = message(blocked_call())
    problem = explain_failure(later)
    assert problem is not None
    assert problem.text == "The recipient pressed 9 to receive no more calls."
    assert problem.remedy.startswith("Call again only after a new consent is recorded.")
    page = admin.get(f"/contacts/{later.contact_id}").text
    assert "pressed 9" in page
    assert "STOP" not in page


def test_stop_for_every_channel_is_not_explained_as_a_key(hub_demo: Flask) -> None:
    person = message(queue_call()).contact
    row = {"address_key": person.address_key, "channel": "", "sender": "", "test": True}
    with_reason = Suppression(**row, reason="keyword", since=now())
    transaction(db.session.add)(with_reason)
    problem = explain_failure(message(blocked_call()))
    assert problem is not None
    assert "replied STOP" in problem.text


def test_call_without_a_key_has_a_code_and_an_explanation(hub_demo: Flask) -> None:
    message_id = start_call(calls(hub_demo), SID)
    report(hub_demo, "completed", message=message_id, sid=SID)
    settle()
    assert timeline(message(message_id))[-1].code == "no_key"
    problem = explain_failure(message(message_id))
    assert problem is not None
    assert "no key was pressed" in problem.text


def test_page_of_a_connection_shows_when_it_never_calls(hub_demo: Flask) -> None:
    assert dict(summarize_rules(calls(hub_demo)))["Quiet hours"] == "Always 20:00 to 08:00"


def test_test_call_asks_for_a_phone_number(hub_demo: Flask, admin: Browser) -> None:
    page = admin.get("/connections/demo-calls").text
    assert "Your phone number" in page
    assert "Your mobile number" not in page
