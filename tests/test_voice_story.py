"""Calls from end to end: a running hub, the simulator, and people who answer and press keys."""

from __future__ import annotations

import json
import secrets
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hub import create_app
from hub.core import config
from tests.conftest import close, wait_until
from tests.live_hub import Hub, live_hub
from tests.signing.ladder_steps import OtherwiseStep, set_route

LANDLINES = {"+15005550009": "21614", "+15005550018": "30006"}
# numbers in zones of which at least one is within the calling hours at any time
PLACES = (
    ("+44207183{:04d}", "Europe/London"),
    ("+8133224{:04d}", "Asia/Tokyo"),
    ("+1808555{:04d}", "Pacific/Honolulu"),
    ("+1213555{:04d}", "America/Los_Angeles"),
)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with live_hub(tmp_path_factory.mktemp("voice")) as hub:
        yield hub


def awake_place() -> tuple[str, str]:
    """Return the form of numbers and the time zone of a place where calls are allowed now."""
    return next(
        (form, zone) for form, zone in PLACES if 9 <= datetime.now(ZoneInfo(zone)).hour < 19
    )


def new_number() -> str:
    return awake_place()[0].format(secrets.randbelow(10_000))


def simulated_calls(hub: Hub, number: str) -> list[dict[str, Any]]:
    """Return the calls to a phone, oldest first."""
    url = f"{hub.simulator_url}/simulator/calls.json?to=%2B{number[1:]}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return list(json.load(answer))


def ringing_call(hub: Hub, number: str) -> dict[str, Any]:
    """Wait until a phone rings, and return the call."""

    def newest() -> dict[str, Any] | None:
        calls = [call for call in simulated_calls(hub, number) if call["status"] == "ringing"]
        return calls[-1] if calls else None

    found: dict[str, Any] = wait_until(newest, 60)
    return found


def act(hub: Hub, call: dict[str, Any], **body: str) -> dict[str, Any]:
    """Let a person answer, press a key or end the call."""
    request = urllib.request.Request(
        f"{hub.simulator_url}/simulator/calls/{call['sid']}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return dict(json.load(answer))


def calls_page(hub: Hub) -> str:
    with urllib.request.urlopen(f"{hub.simulator_url}/calls", timeout=10) as answer:
        return str(answer.read().decode())


def test_page_of_calls_shows_a_ringing_phone(hub: Hub) -> None:
    number = new_number()
    hub.message(number, channel="voice")
    call = ringing_call(hub, number)
    page = calls_page(hub)
    assert number in page
    assert "Let voicemail answer" in page
    act(hub, call, do="ignore")


def test_person_hears_who_calls_and_confirms_with_a_key(hub: Hub) -> None:
    number = new_number()
    message_id = hub.message(number, "A document waits for you.", channel="voice")
    call = act(hub, ringing_call(hub, number), do="answer")
    assert [line["text"] for line in call["lines"]][:2] == [
        "Hello. This is an automated call from Acme Contracts.",
        "A document waits for you.",
    ]
    page = calls_page(hub)
    assert "A document waits for you." in page
    assert 'aria-label="Press 9"' in page
    again = act(hub, call, key="1")
    said = [line["text"] for line in again["lines"]]
    assert said.count("A document waits for you.") == 2
    ended = act(hub, again, key="2")
    assert ended["status"] == "completed"
    hub.wait_for_status(message_id)  # the first key delivers it
    expected = {"initiated", "ringing", "in-progress", "key_1", "key_2", "completed"}
    wait_until(lambda: expected <= reported_words(hub, message_id), 10)


def reported_words(hub: Hub, message_id: str) -> set[str]:
    """Return what callbacks have reported about a message."""
    message = hub.call("GET", f"/messages/{message_id}")
    return {entry["what"] for entry in message["timeline"] if entry["source"] == "callback"}


def test_voicemail_and_hang_up_are_not_delivered(hub: Hub) -> None:
    for action in ("voicemail", "hang_up"):
        number = new_number()
        message_id = hub.message(number, channel="voice")
        call = ringing_call(hub, number)
        if action == "hang_up":
            call = act(hub, call, do="answer")
        act(hub, call, do=action)
        message = hub.wait_for_status(message_id, "undelivered")
        assert message["code"] == "no_key"


def test_nine_opts_out_and_the_next_call_is_suppressed(hub: Hub) -> None:
    number = new_number()
    message_id = hub.message(number, channel="voice")
    call = act(hub, ringing_call(hub, number), do="answer")
    ended = act(hub, call, key="9")
    assert "no more calls" in ended["lines"][-1]["text"]
    hub.wait_for_status(message_id)
    assert hub.wait_for_status(hub.message(number, channel="voice"), "suppressed")


def test_busy_line_is_called_again_later(hub: Hub) -> None:
    number = new_number()
    message_id = hub.message(number, channel="voice")
    act(hub, ringing_call(hub, number), do="busy")
    message = hub.wait_for_status(message_id, "undelivered")
    assert message["code"] == "busy"
    [later] = [
        entry
        for entry in hub.call("GET", "/messages?status=queued")["messages"]
        if entry["to"] == number
    ]
    assert later["channel"] == "voice"


def test_person_who_calls_back_hears_who_called(hub: Hub) -> None:
    number = new_number()
    call = hub.use_phone(number, "call")
    assert "You have reached Acme Contracts" in call["lines"][0]["text"]
    assert "no more calls" in act(hub, call, key="9")["lines"][-1]["text"]
    wait_until(lambda: is_refused(hub, number), 60)


def is_refused(hub: Hub, number: str) -> bool:
    """Return whether a call to a number is suppressed."""
    message = hub.call("GET", f"/messages/{hub.message(number, channel='voice')}")
    return bool(message["status"] == "suppressed")


# ── Steps of a route ──────────────────────────────────────────────────────────────────────────────
def use_route(hub: Hub, *steps: OtherwiseStep) -> None:
    """Let invitations follow a route, as an admin can set it on a page."""
    app = create_app(config.load(hub.environ))
    with app.app_context():
        try:
            set_route(*steps)
        finally:
            close(app)


@pytest.mark.parametrize("number", LANDLINES)
def test_landline_that_gets_no_sms_is_called(hub: Hub, number: str) -> None:
    use_route(hub, ("sms", None, None), ("voice", "delivered", 30))
    signer = {"id": "anna", "name": "Anna", "mobile_number": number, "time_zone": awake_place()[1]}
    _, answer = hub.request(signer)
    [sms] = answer["messages"]
    failed = hub.wait_for_status(sms["id"], "failed", "undelivered")
    assert failed["code"] == LANDLINES[number]
    call = act(hub, ringing_call(hub, number), do="answer")
    assert "sent you a document to sign" in " ".join(line["text"] for line in call["lines"])
    act(hub, call, key="2")
    [message] = messages_to(hub, number, "voice")
    assert hub.wait_for_status(message["id"])["channel"] == "voice"


def messages_to(hub: Hub, number: str, channel: str) -> list[dict[str, Any]]:
    """Return the messages over a channel to a number."""
    listed = hub.call("GET", f"/messages?channel={channel}&limit=100")["messages"]
    return [message for message in listed if message["to"] == number]


def test_phone_stops_ringing_when_the_signer_signs(hub: Hub) -> None:
    use_route(hub, ("voice", None, None))
    number = new_number()
    request_id, answer = hub.request({"id": "anna", "name": "Anna", "mobile_number": number})
    [message] = answer["messages"]
    ringing_call(hub, number)
    hub.event("request.signed", {"id": request_id}, signer={"id": "anna"})
    wait_until(lambda: simulated_calls(hub, number)[-1]["status"] == "canceled", 10)
    ended = hub.wait_for_status(message["id"], "undelivered")
    assert ended["code"] == "call_canceled"
    expected = {"withdrawn", "canceled"}
    wait_until(lambda: expected <= {entry["what"] for entry in timeline(hub, message["id"])}, 10)
    assert len(simulated_calls(hub, number)) == 1


def timeline(hub: Hub, message_id: str) -> list[dict[str, Any]]:
    return list(hub.call("GET", f"/messages/{message_id}")["timeline"])


def test_answered_call_goes_on_after_the_signature(hub: Hub) -> None:
    use_route(hub, ("voice", None, None))
    number = new_number()
    request_id, answer = hub.request({"id": "anna", "name": "Anna", "mobile_number": number})
    [message] = answer["messages"]
    call = act(hub, ringing_call(hub, number), do="answer")
    hub.event("request.signed", {"id": request_id}, signer={"id": "anna"})
    assert act(hub, call, key="2")["status"] == "completed"
    hub.wait_for_status(message["id"])
