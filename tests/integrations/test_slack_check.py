"""The connection test of Slack, and the demo connections over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask

from hub.connections.connection_tests import try_settings
from hub.core.errors import (
    PermanentError,
    RecipientRefused,
    SendError,
)
from hub.core.vocabulary import Status
from hub.integrations.base import Accepted, Button, Card
from hub.integrations.slack.integration import Slack
from hub.shared import integration_instances
from tests.hub_fixtures import credentials
from tests.integrations.slack_server import (
    BUTTONS,
    BY_BOT,
    BY_HOOK,
    CHANNEL,
    PLACE,
    SlackServer,
    outbound,
    send_error,
)
from tests.integrations.slack_server import port as port
from tests.integrations.slack_server import running_slack_server as running_slack_server
from tests.integrations.slack_server import slack_for as slack_for
from tests.integrations.slack_server import slack_server as slack_server

# ── Testing ───────────────────────────────────────────────────────────────────────────────────────
SIGNED_IN = {"ok": True, "user": "signpost", "team": "Acme"}


def test_webhook_test_succeeds_without_posting(slack_server: SlackServer, slack_for: Any) -> None:
    slack_server.respond("no_text", 400)
    result = slack_for({**BY_HOOK, **BUTTONS}).check()
    assert (result.ok, result.title, result.warnings) == (True, "Slack is ready.", ())
    assert (
        result.text == f"The webhook {PLACE} accepts posts for its channel. Buttons act in Slack."
    )
    assert [json.loads(body) for _, body, _ in slack_server.requests] == [{"text": ""}], (
        "nothing is posted"
    )


def test_missing_webhook_explains_how_to_create_one(
    slack_server: SlackServer, slack_for: Any
) -> None:
    slack_server.respond("no_service", 404, X_Slack_Req_Id="r-1")
    result = slack_for(BY_HOOK).check()
    assert (result.ok, result.field, result.code) == (False, "webhook_url", "no_service")
    assert "Add New Webhook" in result.steps[0]
    assert "HTTP 404 · x-slack-req-id r-1\ncode no_service" in result.response


def test_of_a_bot_names_its_team(slack_server: SlackServer, slack_for: Any) -> None:
    slack_server.respond(SIGNED_IN, X_Oauth_Scopes="chat:write,users:read.email")
    result = slack_for({**BY_BOT, **BUTTONS}).check()
    assert (result.ok, result.warnings) == (True, ())
    assert (
        result.text == f"Signed in as signpost in Acme. Posts to {CHANNEL}. Buttons act in Slack."
    )


def test_missing_scopes_and_app_id_are_warnings(slack_server: SlackServer, slack_for: Any) -> None:
    slack_server.respond(SIGNED_IN, X_Oauth_Scopes="chat:write")
    result = slack_for(BY_BOT).check()
    assert (result.ok, result.title, len(result.warnings)) == (
        True,
        "Slack is ready, with 2 limitations.",
        2,
    )
    assert "users:read.email" in result.warnings[0]
    assert "App ID" in result.warnings[1]
    slack_server.respond(SIGNED_IN, X_Oauth_Scopes="users:read.email")
    result = slack_for(BY_BOT).check()
    assert (result.ok, result.field, result.code) == (False, "bot_token", "missing_scope")
    assert "chat:write" in result.title


@pytest.mark.parametrize(
    ("response", "ok", "tells"),
    [
        (
            {"ok": True, "channel": {"name": "signing", "is_member": True}},
            True,
            "Posts to #signing.",
        ),
        ({"ok": True, "channel": {"name": "signing", "is_member": False}}, False, "not a member"),
        ({"ok": True, "channel": {"name": "signing", "is_archived": True}}, False, "archived"),
        ({"ok": False, "error": "channel_not_found"}, False, "did not find the channel"),
        ({"ok": False, "error": "missing_scope"}, True, f"Posts to {CHANNEL}."),
        ({"ok": True}, True, f"Posts to {CHANNEL}."),
    ],
)
def test_channel_is_checked_if_the_token_permits_it(
    slack_server: SlackServer, slack_for: Any, response: Any, ok: bool, tells: str
) -> None:
    slack_server.respond(SIGNED_IN, X_Oauth_Scopes="chat:write,users:read.email,channels:read")
    slack_server.respond(response, at="conversations.info")
    result = slack_for({**BY_BOT, **BUTTONS}).check()
    assert (result.ok, tells in result.title + result.text) == (ok, True)
    assert result.ok or result.field == "channel"


def test_app_that_may_post_to_public_channels_need_not_be_a_member(
    slack_server: SlackServer, slack_for: Any
) -> None:
    slack_server.respond(
        SIGNED_IN, X_Oauth_Scopes="chat:write,chat:write.public,users:read.email,channels:read"
    )
    slack_server.respond(
        {"ok": True, "channel": {"name": "signing", "is_member": False}}, at="conversations.info"
    )
    assert slack_for(BY_BOT).check().ok


@pytest.mark.parametrize("response", [("", 500), ("<html>", 200), ("{}", 200), ("", 404)])
@pytest.mark.parametrize("settings", [BY_BOT, BY_HOOK])
def test_every_test_result_is_explained(
    slack_server: SlackServer, slack_for: Any, response: tuple[str, int], settings: dict[str, str]
) -> None:
    slack_server.respond(*response)
    result = slack_for(settings).check()
    assert not result.ok
    assert result.title.endswith(".")
    assert result.steps


# ── Over HTTP, with the simulator ─────────────────────────────────────────────────────────────────
def demo_settings(app: Flask, **settings: Any) -> dict[str, Any]:
    return {**(Slack.demo_settings(credentials(app)) or {}), **settings}


def demo_webhook_settings(app: Flask) -> dict[str, Any]:
    made_up = credentials(app).derive
    team = made_up("slack team", 10).upper()
    name = made_up("slack webhook", 10).upper()
    secret = made_up("slack webhook secret", 24)
    return {
        **demo_settings(app, bot_token="", channel=""),
        "webhook_url": f"https://hooks.slack.com/services/T{team}/B{name}/{secret}",
    }


def make_slack(settings: dict[str, Any]) -> Any:
    return integration_instances.instances().create("slack", settings, test=True)


def list_posts(simulator: Any) -> list[dict[str, Any]]:
    posts: list[dict[str, Any]] = (
        simulator.test_client().get("/simulator/slack.json").json["messages"]
    )
    return posts


def test_demo_connections_pass_their_tests_and_post_nothing(in_app: Flask, simulator: Any) -> None:
    for settings in (demo_settings(in_app), demo_webhook_settings(in_app)):
        tested = try_settings(
            "slack", True, {name: value for name, value in settings.items() if value}
        )
        assert tested.check.ok, tested.check
        assert tested.check.warnings == ()
    assert list_posts(simulator) == []


def test_refused_token_is_reported_at_its_field(in_app: Flask, simulator: Any) -> None:
    result = make_slack(demo_settings(in_app, bot_token="xoxb-0-token-revoked")).check()
    assert (result.ok, result.field, result.code) == (False, "bot_token", "token_revoked")
    result = make_slack(demo_settings(in_app, bot_token="xoxb-0-missing-scope")).check()
    assert (result.ok, result.code) == (False, "missing_scope")


def test_request_is_posted_in_a_thread_and_edits_its_first_post(
    in_app: Flask, simulator: Any
) -> None:
    slack = make_slack(demo_settings(in_app))
    channel = slack.settings["channel"]
    card = Card("Employment & Co", (("Signers", "0 of 1"),), ("Sent by Acme HR",))
    first = slack.send(
        outbound(
            channel,
            "Sent <!channel>",
            card=card,
            buttons=(Button("Open", "https://sign.example/1"),),
        )
    )
    assert first.status is Status.DELIVERED
    reply = slack.send(outbound(channel, "Eric signed", thread=first.thread))
    changed = slack.send(outbound(channel, "All signed", card=card, edits=first.provider_id))
    assert (reply.thread, changed.provider_id) == ("", first.provider_id)
    posts = list_posts(simulator)
    assert sorted(post["ts"] for post in posts) == sorted(
        [first.thread, reply.provider_id.partition("/")[2]]
    )
    text = json.dumps(posts)
    assert "All signed" in text
    assert "Eric signed" in text


def test_webhook_posts_a_card(in_app: Flask, simulator: Any) -> None:
    slack = make_slack(demo_webhook_settings(in_app))
    destination = slack.destination_of(slack.settings)
    assert slack.send(outbound(destination, card=Card("T", (("a", "b"),)))) == Accepted(
        "", Status.DELIVERED
    )
    assert len(list_posts(simulator)) == 1


@pytest.mark.parametrize(
    ("to", "error"),
    [
        ("eric@example.com", None),
        ("nobody@acme.example", RecipientRefused),
        ("unscoped@acme.example", PermanentError),
    ],
)
def test_people_are_messaged_by_email_address(
    in_app: Flask, simulator: Any, to: str, error: type[SendError] | None
) -> None:
    slack = make_slack(demo_settings(in_app))
    if error is None:
        assert slack.send(outbound(to)).provider_id.startswith("D")
    else:
        assert type(send_error(slack, outbound(to))) is error
