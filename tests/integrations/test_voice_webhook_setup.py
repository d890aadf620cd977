"""The action Set webhook of Twilio Voice, against the simulator over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.core.errors import PermanentError
from hub.db.engine import db
from hub.integrations.twilio.voice import TwilioVoice
from hub.models import Connection
from hub.shared import integration_instances

HUB = "https://hub.example/api/rpc/webhooks/twilio/sms"
VOICE = "https://hub.example/api/rpc/webhooks/twilio/voice"


@pytest.fixture
def account(simulator: Any) -> Any:
    """Return the simulator's account, whose number has no addresses yet."""
    account = simulator.extensions["simulator"].account
    account.set_voice_urls("", "")
    return account


def connect(hub_demo: Flask) -> TwilioVoice:
    query = select(Connection).where(Connection.slug == "demo-calls")
    instance = integration_instances.instance(db.session.scalars(query).one())
    assert isinstance(instance, TwilioVoice)
    return instance


def address(url: str) -> str:
    """Return a URL without the overrides of Twilio's timeouts."""
    return url.partition("#")[0]


def test_webhook_is_set_for_calls_and_their_statuses(hub_demo: Flask, account: Any) -> None:
    sms_url = account.sms_url
    sentence = connect(hub_demo).subscribe(HUB)
    assert account.credentials.phone_number in sentence
    assert (address(account.voice_url), address(account.voice_callback)) == (VOICE, VOICE)
    assert account.sms_url == sms_url


def test_repeated_setup_moves_the_webhook_to_the_new_address(hub_demo: Flask, account: Any) -> None:
    voice = connect(hub_demo)
    voice.subscribe(HUB)
    voice.subscribe(HUB.replace("hub.example", "new.example"))
    expected = VOICE.replace("hub.example", "new.example")
    assert (address(account.voice_url), address(account.voice_callback)) == (expected, expected)


def test_status_callback_of_another_program_stays(hub_demo: Flask, account: Any) -> None:
    account.set_voice_urls("https://other.example/voice", "https://other.example/status")
    connect(hub_demo).subscribe(HUB)
    assert address(account.voice_url) == VOICE
    assert account.voice_callback == "https://other.example/status"


def test_number_of_another_account_is_named(hub_demo: Flask, account: Any) -> None:
    voice = connect(hub_demo)
    voice.settings["sender"] = "+13175550142"
    assert "is not a number of this account" in voice.subscribe(HUB)
    assert account.voice_url == ""


def test_call_that_rings_is_canceled_and_an_answered_one_is_not(
    hub_demo: Flask, account: Any, simulator: Any
) -> None:
    voice = connect(hub_demo)
    state = simulator.extensions["simulator"]
    for number, is_answered in (("+442071830001", False), ("+442071830002", True)):
        created = voice._sending.calls.create(
            to=number,
            from_=account.credentials.phone_number,
            twiml="<Response><Gather action='https://hub.example/key'/></Response>",
        )
        if is_answered:
            state.line.answer(created.sid)
            with pytest.raises(PermanentError, match="answered or has ended"):
                voice.withdraw(created.sid)
            assert state.calls.get(created.sid).status == "in-progress"
        else:
            update = voice.withdraw(created.sid)
            assert (update.provider_status, update.code) == ("canceled", "call_canceled")
            assert state.calls.get(created.sid).status == "canceled"


def test_call_that_twilio_does_not_know_is_not_asked_for_again(
    hub_demo: Flask, account: Any
) -> None:
    with pytest.raises(PermanentError):
        connect(hub_demo).withdraw("CA" + "0" * 32)
