"""People press buttons in the simulated Slack: signed requests to the app, and its responses."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from slack_sdk.signature import Clock, SignatureVerifier

from tests.simulator.conftest import Receiver, Response, Simulator
from tests.simulator.test_slack_api import (
    button,
    channel_id,
    channel_messages,
    section,
    slack_client,
    webhook_client,
)

ACTIONS = {
    "type": "actions",
    "block_id": "acts",
    "elements": [
        button("Remind signer", action_id="remind", value="token-1", style="primary"),
        button("Snooze for a day", action_id="snooze", value="token-2"),
        button("Open document", action_id="open", url="https://sign.example/d/1"),
    ],
}


@pytest.fixture
def message_with_buttons(simulator: Simulator, receiver: Receiver):
    """Post a message with buttons whose actions go to the receiver."""
    simulator.post_json("/simulator/slack/app", request_url=receiver.url + "/slack")
    yield slack_client(simulator).chat_postMessage(
        channel="signing", text="NDA waits", blocks=[section("NDA waits"), ACTIONS]
    )
    simulator.post_json("/simulator/slack/app", request_url="")


def press_button(simulator: Simulator, ts: str, **fields: str) -> dict[str, Any]:
    answer = simulator.post_json(
        "/simulator/slack/press", ts=ts, **{"button": "Remind signer", **fields}
    )
    assert answer.status == 200, answer.text
    result: dict[str, Any] = answer.json
    return result


def respond(simulator: Simulator, action: dict[str, Any], **fields: Any) -> Response:
    parts = urlsplit(action["response_url"])
    assert action["response_url"].startswith(f"{simulator.url}/actions/T")
    return simulator.post_json(parts.path, **fields)


def test_button_action_is_signed_as_the_sdk_expects(simulator, receiver, message_with_buttons):
    press_button(simulator, message_with_buttons["ts"])
    sent = receiver.wait_for(1)[0]
    verifier = SignatureVerifier(simulator.credentials.derive("slack signing secret", 32))
    assert verifier.is_valid_request(sent.raw, sent.headers)
    assert not verifier.is_valid_request(sent.raw + b"x", sent.headers)
    assert not SignatureVerifier("another", Clock()).is_valid_request(sent.raw, sent.headers)


def test_button_action_has_user_button_and_chat(simulator, receiver, message_with_buttons):
    press_button(simulator, message_with_buttons["ts"], who="Priya Nair")
    sent = receiver.wait_for(1)[0]
    assert sent.url.endswith("/slack")
    assert list(parse_qs(sent.raw.decode())) == ["payload"]
    payload = json.loads(sent.fields["payload"])
    assert (payload["type"], payload["user"]["username"]) == ("block_actions", "priya.nair")
    assert payload["container"] | {"is_ephemeral": False} == payload["container"]
    assert (payload["container"]["message_ts"], payload["channel"]["id"]) == (
        message_with_buttons["ts"],
        channel_id(simulator),
    )
    assert (payload["message"]["ts"], payload["message"]["blocks"][1]["block_id"]) == (
        message_with_buttons["ts"],
        "acts",
    )
    assert {"token", "api_app_id", "team", "trigger_id", "state", "response_url"} <= set(payload)
    [action] = payload["actions"]
    assert (action["type"], action["action_id"], action["block_id"], action["value"]) == (
        "button",
        "remind",
        "acts",
        "token-1",
    )
    assert action["action_ts"]


def test_response_of_the_app_is_shown(simulator, receiver, message_with_buttons):
    receiver.answers["received"] = [403]
    assert press_button(simulator, message_with_buttons["ts"])["status"] == 403
    assert press_button(simulator, message_with_buttons["ts"], button="token-2")["status"] == 204
    simulator.post_json("/simulator/slack/app", request_url="http://127.0.0.1:9/")
    assert (
        press_button(simulator, message_with_buttons["ts"], button="snooze")["failure"]
        == "no connection"
    )
    page = simulator.call("GET", "/simulator/slack").text
    assert "Dana Whitfield chose Remind signer: response 403" in page
    assert "Dana Whitfield chose Snooze for a day: no connection" in page


def test_button_actions_go_to_the_hub_by_default(simulator):
    request_url = simulator.call("GET", "/simulator/slack.json").json["request_url"]
    assert request_url == "http://127.0.0.1:8000/api/rpc/webhooks/slack/interactions"


def test_addresses_outside_loopback_are_not_called(simulator, message_with_buttons):
    simulator.post_json("/simulator/slack/app", request_url="https://hub.example.com/slack")
    assert "not on this machine" in press_button(simulator, message_with_buttons["ts"])["failure"]


def test_response_replaces_deletes_or_adds_messages_for_all_or_one(
    simulator, receiver, message_with_buttons
):
    action = press_button(simulator, message_with_buttons["ts"], who="Tom Okafor")
    assert respond(simulator, action, text="Only for Tom").text == "ok"
    respond(simulator, action, text="For all", response_type="in_channel")
    respond(
        simulator,
        action,
        replace_original=True,
        text="Tom reminded",
        blocks=[section("Tom reminded")],
    )
    now = {message["ts"]: message for message in channel_messages(simulator, channel_id(simulator))}
    alone, everyone = list(now.values())[-2:]
    assert (alone["text"], alone["ephemeral"], everyone["text"], everyone["ephemeral"]) == (
        "Only for Tom",
        "Tom Okafor",
        "For all",
        None,
    )
    assert (
        now[message_with_buttons["ts"]]["text"],
        now[message_with_buttons["ts"]]["buttons"],
        now[message_with_buttons["ts"]]["edits"],
    ) == ("Tom reminded", [], 1)
    respond(simulator, action, delete_original=True)
    assert next(
        message
        for message in channel_messages(simulator, channel_id(simulator))
        if message["ts"] == message_with_buttons["ts"]
    )["deleted"]


def test_webhook_message_can_be_replaced(simulator, receiver, message_with_buttons):
    webhook_client(simulator).send(text="By webhook", blocks=[ACTIONS])
    ts = channel_messages(simulator, channel_id(simulator))[-1]["ts"]
    action = press_button(simulator, ts)
    assert (
        json.loads(receiver.wait_for(1)[0].fields["payload"])["message"]["subtype"] == "bot_message"
    )
    respond(simulator, action, replace_original=True, text="Done")
    assert channel_messages(simulator, channel_id(simulator))[-1]["text"] == "Done"


def test_response_url_accepts_five_posts(simulator, message_with_buttons, receiver):
    action = press_button(simulator, message_with_buttons["ts"])
    # what is refused counts for nothing
    assert respond(simulator, action, blocks=[{"type": "parade"}]).text == "invalid_blocks"
    assert [respond(simulator, action, text="Again").status for _ in range(6)] == [200] * 5 + [404]
    assert respond(simulator, action, text="Again").text == "used_url"


def test_response_url_expires_after_half_an_hour(simulator, message_with_buttons, receiver):
    action = press_button(simulator, message_with_buttons["ts"])
    simulator.post_json("/simulator/slack/responses", minutes=29)
    assert respond(simulator, action, text="In time").text == "ok"
    simulator.post_json("/simulator/slack/responses", minutes=2)
    assert respond(simulator, action, text="Late").text == "expired_url"


def test_button_of_an_edited_message_can_still_be_pressed_in_an_old_view(
    simulator, receiver, message_with_buttons
):
    respond(
        simulator,
        press_button(simulator, message_with_buttons["ts"]),
        replace_original=True,
        text="Reminded",
    )
    assert press_button(simulator, message_with_buttons["ts"], who="Tom Okafor")["status"] == 204
    answer = simulator.post_json(
        "/simulator/slack/press", ts=message_with_buttons["ts"], button="Never there"
    )
    assert answer.status == 400


def test_many_people_can_press_at_once(simulator, receiver, message_with_buttons):
    with ThreadPoolExecutor(20) as pool:
        list(
            pool.map(
                lambda n: press_button(simulator, message_with_buttons["ts"], who=f"Person {n}"),
                range(20),
            )
        )
    users = {
        json.loads(callback.fields["payload"])["user"]["id"] for callback in receiver.wait_for(20)
    }
    assert len(users) == 20
    presses = next(
        message
        for message in channel_messages(simulator, channel_id(simulator))
        if message["ts"] == message_with_buttons["ts"]
    )
    assert len(presses["presses"]) == 20


def test_following_a_link_button_notifies_the_app_and_redirects(
    simulator, receiver, message_with_buttons
):
    answer = simulator.call(
        "GET", f"/simulator/slack/open?ts={message_with_buttons['ts']}&action_id=open"
    )
    assert (answer.status, answer.headers["Location"]) == (303, "https://sign.example/d/1")
    assert (
        json.loads(receiver.wait_for(1)[0].fields["payload"])["actions"][0]["url"]
        == "https://sign.example/d/1"
    )
