"""Slack posts, edits and replies to button actions."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

import pytest

from hub.core.errors import (
    PermanentError,
)
from hub.core.vocabulary import Status
from hub.integrations.base import Accepted, Outbound
from tests.integrations.slack_server import (
    BY_BOT,
    BY_HOOK,
    CHANNEL,
    PLACE,
    SECRET,
    SlackServer,
    outbound,
)
from tests.integrations.slack_server import port as port
from tests.integrations.slack_server import running_slack_server as running_slack_server
from tests.integrations.slack_server import slack_for as slack_for
from tests.integrations.slack_server import slack_server as slack_server

POSTED = {"ok": True, "channel": CHANNEL, "ts": "1700000000.000100"}


def test_webhook_receives_the_post_at_its_own_path(
    slack_server: SlackServer, slack_for: Any
) -> None:
    slack_server.respond("ok")
    assert slack_for(BY_HOOK).send(outbound(PLACE)) == Accepted("", Status.DELIVERED)
    [(path, body, headers)] = slack_server.requests
    assert path == f"/services/{PLACE}/{SECRET}"
    assert headers == {"CONTENT_TYPE": "application/json; charset=utf-8", "HTTP_AUTHORIZATION": ""}
    assert (json.loads(body)["text"], json.loads(body)["unfurl_links"]) == ("Hello", False)


def test_first_post_of_a_bot_starts_the_thread_and_later_ones_continue_it(
    slack_server: SlackServer, slack_for: Any
) -> None:
    slack_server.respond(POSTED)
    ts = POSTED["ts"]
    name = f"{CHANNEL}/{POSTED['ts']}"
    assert slack_for(BY_BOT).send(outbound()) == Accepted(name, Status.DELIVERED, thread=str(ts))
    assert slack_for(BY_BOT).send(outbound(thread="1.2")) == Accepted(name, Status.DELIVERED)
    (path, first, headers), (_, second, _) = slack_server.requests
    assert (path, headers["HTTP_AUTHORIZATION"]) == (
        "/api/chat.postMessage",
        f"Bearer {BY_BOT['bot_token']}",
    )
    assert ("thread_ts" in json.loads(first), json.loads(second)["thread_ts"]) == (False, "1.2")


def test_edit_updates_the_existing_message(slack_server: SlackServer, slack_for: Any) -> None:
    slack_server.respond(POSTED)
    assert slack_for(BY_BOT).send(outbound(edits=f"{CHANNEL}/1.2")) == Accepted(
        f"{CHANNEL}/1.2", Status.DELIVERED
    )
    [(path, body, _)] = slack_server.requests
    payload = json.loads(body)
    assert (path, payload["channel"], payload["ts"]) == ("/api/chat.update", CHANNEL, "1.2")


def test_bot_replies_to_a_button_action_with_an_edit(
    slack_server: SlackServer, slack_for: Any
) -> None:
    slack_server.respond(POSTED)
    slack_for(BY_BOT).send(
        outbound(edits=f"{CHANNEL}/1.2", reply_to="https://hooks.slack.com/actions/T/1/x")
    )
    assert [path for path, _, _ in slack_server.requests] == ["/api/chat.update"]


def test_email_address_is_looked_up_first(slack_server: SlackServer, slack_for: Any) -> None:
    slack_server.respond({"ok": True, "user": {"id": "U0123456789"}}, at="users.lookupByEmail")
    slack_server.respond({**POSTED, "channel": "D0123456789"})
    assert (
        slack_for(BY_BOT).send(outbound("eric@example.com")).provider_id
        == "D0123456789/1700000000.000100"
    )
    (path, body, headers), (_, posted, _) = slack_server.requests
    assert (path, parse_qs(body)) == ("/api/users.lookupByEmail", {"email": ["eric@example.com"]})
    assert headers["CONTENT_TYPE"] == "application/x-www-form-urlencoded", "it reads no JSON"
    assert json.loads(posted)["channel"] == "U0123456789"


@pytest.mark.parametrize("base", ["https://hooks.slack.com", "here"])
def test_reply_to_a_button_action_uses_its_response_url(
    slack_server: SlackServer, slack_for: Any, port: int, base: str
) -> None:
    slack_server.respond("ok")
    url = f"{base.replace('here', f'http://127.0.0.1:{port}')}/actions/T0123ABCD/12/{SECRET}"
    assert slack_for(BY_HOOK).send(outbound(PLACE, reply_to=url)) == Accepted("", Status.DELIVERED)
    [(path, body, _)] = slack_server.requests
    assert (path, json.loads(body)["replace_original"]) == (f"/actions/T0123ABCD/12/{SECRET}", True)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/actions/T/1/x",
        "https://hooks.slack.com.evil.example/actions/x",
        "https://hooks.slack.com/services/T/B/x",
        "https://hooks.slack.com/actions/../services/T",
        "http://hooks.slack.com/actions/T/1/x",
        "https://x@hooks.slack.com/actions/T/1",
        "https://hooks.slack.com/actions/x?y=1",
        "//evil.example/actions/x",
        "/actions/x",
    ],
)
def test_response_url_outside_slack_is_refused(
    slack_server: SlackServer, slack_for: Any, url: str
) -> None:
    with pytest.raises(PermanentError) as refused:
        slack_for(BY_BOT).send(outbound(reply_to=url))
    assert (refused.value.code, slack_server.requests) == ("bad_reply_address", [])


@pytest.mark.parametrize(
    "code", ["expired_url", "used_url", "channel_not_found", "invalid_url", "no_service", ""]
)
def test_late_reply_to_a_button_action_fails_only_itself(
    slack_server: SlackServer, slack_for: Any, code: str
) -> None:
    slack_server.respond({"ok": False, "error": code} if code else "<html>", 404)
    with pytest.raises(PermanentError):
        slack_for(BY_HOOK).send(outbound(PLACE, reply_to="https://hooks.slack.com/actions/T/1/x"))


@pytest.mark.parametrize(
    ("settings", "message", "code"),
    [
        (BY_HOOK, outbound("eric@example.com"), "no_direct_messages"),
        (BY_HOOK, outbound("U0123456789"), "no_direct_messages"),
        (BY_HOOK, outbound("C0123456789"), "one_channel"),
        (BY_HOOK, outbound("T0123ABCD/B9999ABCD"), "one_channel"),
        (BY_HOOK, outbound(PLACE, edits="C0123456789/1.2"), "no_edits"),
        (BY_BOT, outbound(PLACE), "not_a_channel"),
    ],
)
def test_unsupported_action_is_refused_without_a_call(
    slack_server: SlackServer,
    slack_for: Any,
    settings: dict[str, str],
    message: Outbound,
    code: str,
) -> None:
    with pytest.raises(PermanentError) as refused:
        slack_for(settings).send(message)
    assert (refused.value.code, slack_server.requests) == (code, [])
