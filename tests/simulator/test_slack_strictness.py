"""Calls of other apps to Slack with the official SDK: tokens, lookups and responses."""

from __future__ import annotations

import pytest
from slack_sdk import WebClient
from slack_sdk.webhook import WebhookClient

from tests.simulator.test_slack_api import channel_id, refusal_code, slack_client
from tests.simulator.test_slack_button_actions import message_with_buttons, press_button

__all__ = ["message_with_buttons"]


def token(simulator):
    return "xoxb-" + simulator.credentials.derive("slack bot token", 40)


def test_api_test_echoes_its_arguments_without_a_token(simulator):
    client = WebClient(base_url=f"{simulator.url}/api/", retry_handlers=[])
    assert client.api_test().data == {"ok": True}
    assert client.api_test(foo="bar")["args"] == {"foo": "bar"}
    assert refusal_code(lambda: client.api_test(error="my_error")) == "my_error"


def test_token_may_be_a_form_field_only(simulator):
    form = {"token": token(simulator), "channel": channel_id(simulator), "text": "From a form"}
    assert (
        simulator.call("POST", "/api/chat.postMessage", form).json["message"]["text"]
        == "From a form"
    )
    assert (
        simulator.call("POST", "/api/auth.test", {"token": "xoxb-wrong"}).json["error"]
        == "invalid_auth"
    )
    assert (
        simulator.post_json("/api/auth.test", token=token(simulator)).json["error"] == "not_authed"
    )
    assert (
        simulator.call("GET", f"/api/auth.test?token={token(simulator)}").json["error"]
        == "not_authed"
    )


def test_channel_is_described_by_its_id(simulator):
    client = slack_client(simulator)
    channel = client.conversations_info(channel=channel_id(simulator))["channel"]
    assert (channel["name"], channel["is_member"], channel["is_archived"]) == (
        "signing",
        True,
        False,
    )
    assert refusal_code(lambda: client.conversations_info(channel="signing")) == "channel_not_found"
    assert (
        refusal_code(lambda: client.conversations_info(channel="C0000000000"))
        == "channel_not_found"
    )
    person = client.users_lookupByEmail(email="ada.byron@acme.example")["user"]["id"]
    direct = client.conversations_open(users=person)["channel"]["id"]
    assert client.conversations_info(channel=direct)["channel"]["user"] == person


def test_person_is_described_by_id(simulator):
    client = slack_client(simulator)
    person = client.users_lookupByEmail(email="ada.byron@acme.example")["user"]
    found_person = client.users_info(user=person["id"])["user"]
    assert (found_person["real_name"], found_person["profile"]["email"]) == (
        "Ada Byron",
        "ada.byron@acme.example",
    )
    assert refusal_code(lambda: client.users_info(user="U0000000000")) == "user_not_found"


@pytest.mark.parametrize("method", ["conversations_info", "users_info"])
def test_lookups_require_their_scope(simulator, method):
    client = slack_client(simulator, "xoxb-0-missing-scope")
    call = getattr(client, method)
    assert (
        refusal_code(
            lambda: call(channel="C1") if method == "conversations_info" else call(user="U1")
        )
        == "missing_scope"
    )


def test_response_url_reaches_the_simulator_five_times(simulator, receiver, message_with_buttons):
    url = press_button(simulator, message_with_buttons["ts"])["response_url"]
    answers = WebhookClient(url, retry_handlers=[])
    assert answers.send(text="Done", replace_original=True).body == "ok"
    sent = [answers.send(text=f"Answer {number}") for number in range(5)]
    assert [message.status_code for message in sent] == [200] * 4 + [404]
    assert sent[-1].body == "used_url"
