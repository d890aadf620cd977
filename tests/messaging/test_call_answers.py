"""Every key proves that a person heard a text. Keys of no call, and callers without a number."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.core.data_dir import simulator_credentials
from hub.db.engine import db
from hub.models import Suppression
from tests.hub_fixtures import queue_text, status
from tests.messaging.voice_steps import calls, post_form, press, settle, start_call

SID = "CA" + "1" * 32


@pytest.mark.parametrize("key", list("0123456789*#"))
def test_every_key_proves_that_a_person_heard_the_text(hub_demo: Flask, key: str) -> None:
    message_id = start_call(calls(hub_demo))
    press(hub_demo, key, message=message_id, sid=SID)
    settle()
    assert status(message_id) == "delivered"


def test_no_key_proves_nothing(hub_demo: Flask) -> None:
    message_id = start_call(calls(hub_demo))
    answer = press(hub_demo, "", message=message_id, sid=SID)
    settle()
    assert "Goodbye." in answer.text
    assert "Gather" not in answer.text
    assert status(message_id) == "sent"


def test_key_for_a_message_of_another_channel_is_accepted_in_silence(hub_demo: Flask) -> None:
    answer = press(hub_demo, "1", message=queue_text(), sid="CA" + "1" * 32)
    assert answer.status_code < 300
    assert b"<Say" not in answer.data


@pytest.mark.parametrize("number", ["anonymous", "+266696687", "Restricted", "", "sip:a@b.example"])
def test_caller_without_a_number_is_promised_no_opt_out(hub_demo: Flask, number: str) -> None:
    """The number is unknown, so a key cannot stop the calls to it."""
    account: Any = simulator_credentials(hub_demo.extensions["hub.config"].data_dir)
    form = {
        "CallSid": "CA" + "6" * 32,
        "CallStatus": "ringing",
        "Direction": "inbound",
        "From": number,
        "To": account.phone_number,
    }
    answer = post_form(hub_demo, form).text
    assert "You have reached Acme Contracts" in answer
    assert "press 9" not in answer
    assert "call again with your number shown" in answer
    answer = post_form(hub_demo, {**form, "CallStatus": "in-progress", "Digits": "9"}).text
    assert "You will receive no more calls" not in answer
    settle()
    assert db.session.scalars(select(Suppression)).all() == []
