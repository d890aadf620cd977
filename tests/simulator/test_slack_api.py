"""Slack's Web API and webhooks as documented, tested with the official SDK."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookClient

from hub.simulator.slack import scripted_faults
from tests.simulator.conftest import Simulator


def plain_text(text: str) -> dict[str, str]:
    return {"type": "plain_text", "text": text}


def button(text: str, **fields: Any) -> dict[str, Any]:
    return {"type": "button", "text": plain_text(text), **fields}


def section(text: str, **fields: Any) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}, **fields}


def slack_client(simulator: Simulator, token: str = "") -> WebClient:
    bot_token = "xoxb-" + simulator.credentials.derive("slack bot token", 40)
    return WebClient(token or bot_token, base_url=f"{simulator.url}/api/", retry_handlers=[])


def channel_id(simulator: Simulator) -> str:
    return "C" + simulator.credentials.derive("slack channel", 10).upper()


def webhook_client(simulator: Simulator, *, secret: str = "", team: str = "") -> WebhookClient:
    made_up = simulator.credentials.derive
    team = team or "T" + made_up("slack team", 10).upper()
    bot = made_up("slack webhook", 10).upper()
    path = f"/services/{team}/B{bot}/{secret or made_up('slack webhook secret', 24)}"
    return WebhookClient(simulator.url + path, retry_handlers=[])


def channel_messages(simulator: Simulator, channel: str = "") -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = simulator.call(
        "GET", f"/simulator/slack.json?channel={channel}"
    ).json["messages"]
    return messages


def refusal_code(call: Callable[[], Any]) -> str:
    with pytest.raises(SlackApiError) as caught:
        call()
    return str(caught.value.response["error"])


def test_auth_test_returns_the_bot_and_its_scopes(simulator):
    answer = slack_client(simulator).auth_test()
    made_up = simulator.credentials.derive
    assert (answer["team"], answer["team_id"]) == ("Acme", "T" + made_up("slack team", 10).upper())
    assert {"chat:write", "users:read.email"} <= set(answer.headers["x-oauth-scopes"].split(","))


def test_other_or_missing_token_is_refused(simulator):
    assert refusal_code(slack_client(simulator, "xoxb-somebody-else").auth_test) == "invalid_auth"
    assert simulator.post_json("/api/auth.test").json == {"ok": False, "error": "not_authed"}


@pytest.mark.parametrize(
    "fault",
    [scripted for scripted in scripted_faults.TOKENS if scripted.error != "missing_scope"],
    ids=lambda case: case.error,
)
def test_scripted_token_is_refused(simulator, fault):
    assert refusal_code(slack_client(simulator, fault.address).auth_test) == fault.error


def test_token_without_scopes_signs_in_but_cannot_post(simulator):
    client = slack_client(simulator, "xoxb-0-missing-scope")
    assert "chat:write" not in client.auth_test().headers["x-oauth-scopes"]
    assert (
        refusal_code(lambda: client.chat_postMessage(channel=channel_id(simulator), text="Hello"))
        == "missing_scope"
    )


def test_message_thread_reply_and_edit_are_stored(simulator):
    client = slack_client(simulator)
    channel = channel_id(simulator)
    first = client.chat_postMessage(
        channel="#signing", text="NDA waits", blocks=[section("NDA *waits*")]
    )
    client.chat_postMessage(channel=channel, text="Priya signed", thread_ts=first["ts"])
    client.chat_update(
        channel=first["channel"], ts=first["ts"], text="NDA done", blocks=[section("NDA *done*")]
    )
    root, reply = [
        message
        for message in channel_messages(simulator, channel)
        if first["ts"] in (message["ts"], message["thread"])
    ]
    assert (root["text"], root["blocks"][0]["text"]["text"], root["edits"]) == (
        "NDA done",
        "NDA *done*",
        1,
    )
    assert (reply["text"], reply["thread"], reply["edited"]) == ("Priya signed", root["ts"], False)


def test_form_and_json_bodies_are_accepted(simulator):
    token = "xoxb-" + simulator.credentials.derive("slack bot token", 40)
    form = {"channel": channel_id(simulator), "blocks": json.dumps([section("From a form")])}
    answer = simulator.call(
        "POST", "/api/chat.postMessage", form, Authorization=f"Bearer {token}"
    ).json
    assert answer["message"]["blocks"][0]["text"]["text"] == "From a form"


def test_person_is_found_by_email_and_messaged_directly(simulator):
    client = slack_client(simulator)
    person = client.users_lookupByEmail(email="ada.byron@acme.example")["user"]
    assert person["real_name"] == "Ada Byron"
    opened = client.conversations_open(users=person["id"])["channel"]["id"]
    posted = client.chat_postMessage(channel=person["id"], text="For you alone")
    assert posted["channel"] == opened
    assert channel_messages(simulator, opened)[-1]["email"] == "ada.byron@acme.example"
    assert (
        refusal_code(lambda: client.chat_update(channel=person["id"], ts=posted["ts"], text="No"))
        == "channel_not_found"
    )
    client.chat_update(channel=opened, ts=posted["ts"], text="Yes")


@pytest.mark.parametrize("fault", scripted_faults.PEOPLE, ids=lambda scripted: scripted.error)
def test_scripted_address_is_not_found(simulator, fault):
    simulator.post_json("/simulator/slack/empty")
    assert (
        refusal_code(lambda: slack_client(simulator).users_lookupByEmail(email=fault.address))
        == fault.error
    )


@pytest.mark.parametrize(
    "fault",
    [scripted for scripted in scripted_faults.CHANNELS if scripted.error],
    ids=lambda case: case.error,
)
def test_scripted_channel_refuses_and_a_flaky_one_accepts_the_second_time(simulator, fault):
    simulator.post_json("/simulator/slack/empty")

    def post_message():
        return slack_client(simulator).chat_postMessage(channel=fault.address, text="Hello")

    with pytest.raises(SlackApiError) as caught:
        post_message()
    answer = caught.value.response
    assert (answer["error"], answer.status_code) == (fault.error, fault.status)
    assert ("Retry-After" in answer.headers) == (fault.status == 429)
    if fault.fails_once:
        assert post_message()["ok"]
    else:
        assert refusal_code(post_message) == fault.error
    assert len(channel_messages(simulator, fault.address)) == fault.fails_once


def test_failing_channel_accepts_the_message_first(simulator):
    assert (
        refusal_code(
            lambda: slack_client(simulator).chat_postMessage(channel="C0BREAKSAFTER", text="Once")
        )
        == "internal_error"
    )
    assert [message["text"] for message in channel_messages(simulator, "C0BREAKSAFTER")] == ["Once"]


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({}, "no_text"),
        ({"text": "  "}, "no_text"),
        ({"text": "x" * 40_001}, "msg_too_long"),
        ({"attachments": [{"text": "x"}] * 101}, "too_many_attachments"),
        ({"blocks": {"type": "section"}}, "invalid_blocks_format"),
        ({"blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
        ({"blocks": [{"type": "parade"}]}, "invalid_blocks"),
        ({"blocks": [{"type": "section"}]}, "invalid_blocks"),
        ({"blocks": [section("")]}, "invalid_blocks"),
        ({"blocks": [section("x" * 3001)]}, "invalid_blocks"),
        ({"blocks": [section("x", fields=[plain_text("x")] * 11)]}, "invalid_blocks"),
        ({"blocks": [section("x", fields=[plain_text("x" * 2001)])]}, "invalid_blocks"),
        ({"blocks": [section("x", color="red")]}, "invalid_blocks"),
        ({"blocks": [section("x", block_id="b" * 256)]}, "invalid_blocks"),
        ({"blocks": [section("x", block_id="b"), section("y", block_id="b")]}, "invalid_blocks"),
        ({"blocks": [{"type": "header", "text": plain_text("x" * 151)}]}, "invalid_blocks"),
        (
            {"blocks": [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}]},
            "invalid_blocks",
        ),
        ({"blocks": [{"type": "context", "elements": [plain_text("x")] * 11}]}, "invalid_blocks"),
        ({"blocks": [{"type": "actions", "elements": []}]}, "invalid_blocks"),
        (
            {
                "blocks": [
                    {
                        "type": "actions",
                        "elements": [button("x", action_id=str(n)) for n in range(26)],
                    }
                ]
            },
            "invalid_blocks",
        ),
        (
            {
                "blocks": [
                    {
                        "type": "actions",
                        "elements": [button("x", action_id="a"), button("y", action_id="a")],
                    }
                ]
            },
            "invalid_blocks",
        ),
        ({"blocks": [{"type": "actions", "elements": [button("x" * 76)]}]}, "invalid_blocks"),
        (
            {"blocks": [{"type": "actions", "elements": [button("x", value="v" * 2001)]}]},
            "invalid_blocks",
        ),
        (
            {"blocks": [{"type": "actions", "elements": [button("x", url="javascript:1")]}]},
            "invalid_blocks",
        ),
        (
            {
                "blocks": [
                    {
                        "type": "actions",
                        "elements": [button("x", url="https://a.example/" + "x" * 3000)],
                    }
                ]
            },
            "invalid_blocks",
        ),
        (
            {"blocks": [{"type": "actions", "elements": [button("x", style="loud")]}]},
            "invalid_blocks",
        ),
        (
            {"blocks": [{"type": "image", "image_url": "https://a.example/a.png", "alt_text": ""}]},
            "invalid_blocks",
        ),
        ({"blocks": [{"type": "markdown", "text": "x" * 6001}] * 2}, "invalid_blocks"),
        (
            {"blocks": [{"type": "markdown", "text": "x" * 11_000}, section("y" * 2900)]},
            "msg_blocks_too_long",
        ),
        ({"attachments": [{"blocks": [section("")]}]}, "invalid_blocks"),
    ],
)
def test_message_over_the_limits_is_refused(simulator, message, error):
    answer = slack_client(
        simulator
    ).api_call  # not the method of its own: that one checks before it sends
    assert (
        refusal_code(
            lambda: answer("chat.postMessage", json={"channel": channel_id(simulator), **message})
        )
        == error
    )
    sent = simulator.post_json(urlsplit(webhook_client(simulator).url).path, **message)
    assert (sent.status, sent.text) == (400, error)


def test_refused_block_is_named(simulator):
    with pytest.raises(SlackApiError) as caught:
        slack_client(simulator).api_call(
            "chat.postMessage",
            json={"channel": channel_id(simulator), "blocks": [section("x"), section("")]},
        )
    assert caught.value.response["errors"] == [
        "[ERROR] must be more than 0 characters [json-pointer:/blocks/1/text/text]"
    ]


def test_message_at_every_limit_is_accepted(simulator):
    message = [
        {"type": "header", "text": plain_text("h" * 150), "block_id": "b" * 255},
        section(
            "x" * 3000,
            fields=[plain_text("f" * 2000)] * 10,
            accessory=button("x" * 75, action_id="a" * 255),
        ),
        {"type": "context", "elements": [plain_text("c")] * 10},
        {
            "type": "actions",
            "elements": [button("x", value="v" * 2000, action_id=str(n)) for n in range(25)],
        },
        *[{"type": "divider"}] * 46,
    ]
    assert slack_client(simulator).chat_postMessage(
        channel=channel_id(simulator), text="x" * 40_000, blocks=message
    )["ok"]


def test_webhook_answers_ok_and_shows_mentions_of_unescaped_text(simulator):
    answer = webhook_client(simulator).send(
        text="<!channel> NDA", blocks=[section("Tom &lt;b&gt; <!here>")]
    )
    assert (answer.status_code, answer.body) == (200, "ok")
    assert answer.headers["Content-Type"].startswith("text/plain")
    last = channel_messages(simulator, channel_id(simulator))[-1]
    assert (last["by"], last["mentions"]) == ("webhook", ["channel", "here"])
    ts = last["ts"]
    assert (
        refusal_code(
            lambda: slack_client(simulator).chat_update(
                channel=channel_id(simulator), ts=ts, text="x"
            )
        )
        == "cant_update_message"
    )


@pytest.mark.parametrize(
    "fault",
    [scripted for scripted in scripted_faults.WEBHOOKS if scripted.error],
    ids=lambda case: case.error,
)
def test_scripted_webhook_answers_with_its_error(simulator, fault):
    simulator.post_json("/simulator/slack/empty")
    answer = webhook_client(simulator, secret=fault.address).send(text="Hello")
    assert (answer.status_code, answer.body) == (fault.status, fault.error)
    assert webhook_client(simulator, secret=fault.address).send(text="Hello").status_code == (
        200 if fault.fails_once else fault.status
    )


def test_unknown_webhook_and_invalid_json_are_refused(simulator):
    assert webhook_client(simulator, team="T0000000000").send(text="Hello").body == "no_team"
    assert webhook_client(simulator, secret="x" * 24).send(text="Hello").body == "no_service"
    answer = simulator.call(
        "POST", urlsplit(webhook_client(simulator).url).path, {"text": "no JSON"}
    )
    assert (answer.status, answer.text) == (400, "invalid_payload")


def test_simulated_faults_apply_to_slack(simulator):
    simulator.post_json("/simulator/faults", refuse=1, fail=1)
    with pytest.raises(SlackApiError) as caught:
        slack_client(simulator).auth_test()
    assert (caught.value.response.status_code, caught.value.response.headers["Retry-After"]) == (
        429,
        "1",
    )
    answer = webhook_client(simulator).send(text="Hello")
    assert (answer.status_code, answer.body) == (500, "rollup_error")


def test_restart_keeps_messages(restartable_simulator):
    posted = slack_client(restartable_simulator).chat_postMessage(channel="signing", text="Kept")
    restartable_simulator.stop()
    restartable_simulator.start()
    slack_client(restartable_simulator).chat_update(
        channel=posted["channel"], ts=posted["ts"], text="Kept and edited"
    )
    assert [message["text"] for message in channel_messages(restartable_simulator)] == [
        "Kept and edited"
    ]
