"""Unknown buttons and address probes of providers are answered at once, without an error."""

from __future__ import annotations

import hmac
import json
import time
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from hub.connections import demo
from hub.integrations.slack.integration import Slack
from hub.integrations.telegram.integration import PURPOSE, Telegram
from hub.shared.action_tokens import NONCE_BYTES, is_genuine, make_token
from hub.signing.cards import REMIND
from tests.conftest import Browser
from tests.hub_fixtures import callbacks, credentials, json_of, process_pending_callbacks

SLACK = "/api/rpc/webhooks/slack/interactions"
TELEGRAM = "/api/rpc/webhooks/telegram/demo-telegram"
FORM = "application/x-www-form-urlencoded"
FOREIGN = ["yes", "menu:1", "x" * 43, "x" * 64, "approve request", "é"]


@pytest.fixture(autouse=True)
def demo_chats(hub_demo: Flask) -> None:
    demo.connect_chats_and_mail()


def post_to_slack(app: Flask, raw: bytes, kind: str = FORM) -> TestResponse:
    settings = Slack.demo_settings(credentials(app)) or {}
    at = str(int(time.time()))
    signature = hmac.new(
        settings["signing_secret"].encode(), f"v0:{at}:".encode() + raw, "sha256"
    ).hexdigest()
    headers = {"X-Slack-Request-Timestamp": at, "X-Slack-Signature": f"v0={signature}"}
    return app.test_client().post(SLACK, data=raw, content_type=kind, headers=headers)


def post_button_action(app: Flask, value: Any, **fields: Any) -> TestResponse:
    app_id = (Slack.demo_settings(credentials(app)) or {})["app_id"]
    payload = {
        "type": "block_actions",
        "api_app_id": app_id,
        "actions": [{"action_id": "other", "value": value}],
        **fields,
    }
    return post_to_slack(app, urlencode({"payload": json.dumps(payload)}).encode())


def post_to_telegram(app: Flask, update: dict[str, Any]) -> TestResponse:
    token = (Telegram.demo_settings(credentials(app)) or {})["token"]
    secret = hmac.new(token.encode(), PURPOSE, "sha256").hexdigest()
    return app.test_client().post(
        TELEGRAM, json=update, headers={"X-Telegram-Bot-Api-Secret-Token": secret}
    )


def assert_no_error(capfd: pytest.CaptureFixture[str]) -> None:
    """Check that callbacks are processed without a logged traceback."""
    process_pending_callbacks()
    assert all(row.due_at is None and "fault" not in row.error for row in callbacks())
    output = capfd.readouterr()
    assert "Traceback" not in output.out + output.err


@pytest.mark.parametrize("value", FOREIGN)
def test_unknown_slack_button_is_answered_and_not_retried(
    hub_demo: Flask, value: str, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = post_button_action(hub_demo, value)
    assert answer.status_code == 200
    assert json_of(answer) == {
        "response_type": "ephemeral",
        "replace_original": False,
        "text": "This button does not belong to Signpost. Nothing was changed.",
    }
    assert_no_error(capfd)


@pytest.mark.parametrize("value", [None, "", 5])
def test_slack_link_button_is_acknowledged(
    hub_demo: Flask, value: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = post_button_action(hub_demo, value)
    assert (answer.status_code, answer.data) == (200, b"")
    assert_no_error(capfd)


@pytest.mark.parametrize("data", FOREIGN)
def test_unknown_telegram_button_is_answered_and_not_retried(
    hub_demo: Flask, data: str, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = post_to_telegram(
        hub_demo, {"update_id": 1, "callback_query": {"id": "7", "from": {"id": 1}, "data": data}}
    )
    response = json_of(answer)
    assert (answer.status_code, response["method"], response["callback_query_id"]) == (
        200,
        "answerCallbackQuery",
        "7",
    )
    assert "does not belong to Signpost" in response["text"]
    assert_no_error(capfd)


def test_button_is_recognized_by_its_token(hub_demo: Flask) -> None:
    token = make_token(REMIND, "", timedelta(days=1))
    assert is_genuine(token)
    assert not is_genuine("x" * len(token))
    assert len(token) > NONCE_BYTES
    assert post_button_action(hub_demo, token).data == b""
    update = {"update_id": 2, "callback_query": {"id": "8", "from": {"id": 1}, "data": token}}
    assert "Received" in json_of(post_to_telegram(hub_demo, update))["text"]


def test_button_of_a_missing_request_is_set_aside_with_a_reason(
    hub_demo: Flask, admin: Browser, capfd: pytest.CaptureFixture[str]
) -> None:
    post_button_action(hub_demo, "x" * 43)
    assert_no_error(capfd)
    [row] = callbacks()
    assert "button" in row.error
    assert "button" in admin.get("/receipts").text


# ── Slack's other requests ────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_slack_certificate_probe_is_answered_without_a_signature(
    hub_demo: Flask, method: str
) -> None:
    fields = {"ssl_check": "1", "token": "x"}
    client = hub_demo.test_client()
    if method == "POST":
        answer = client.post(SLACK, data=fields)
    else:
        answer = client.get(
            SLACK + "?" + urlencode(fields),
            environ_overrides={"RAW_URI": SLACK + "?" + urlencode(fields)},
        )
    assert (answer.status_code, callbacks()) == (200, [])


@pytest.mark.parametrize(
    "fields",
    [
        {"ssl_check": "0"},
        {"ssl_check": "1", "payload": "{}"},
        {"ssl_check": ""},
        {},
        {"payload": '{"ssl_check": 1}'},
    ],
)
def test_other_unsigned_requests_are_refused(hub_demo: Flask, fields: dict[str, str]) -> None:
    assert hub_demo.test_client().post(SLACK, data=fields).status_code == 403
    assert (
        hub_demo.test_client()
        .post("/api/rpc/webhooks/twilio/sms", data={"ssl_check": "1"})
        .status_code
        == 403
    )
    assert callbacks() == []


@pytest.mark.parametrize("kind", ["message", "app_mention", "team_join", "a_kind_of_tomorrow"])
def test_slack_event_is_accepted_and_shown_by_its_type(
    hub_demo: Flask, admin: Browser, kind: str
) -> None:
    app_id = (Slack.demo_settings(credentials(hub_demo)) or {})["app_id"]
    event = {
        "type": "event_callback",
        "api_app_id": app_id,
        "event": {"type": kind, "user": "U1", "text": "Hi"},
    }
    assert (
        post_to_slack(hub_demo, json.dumps(event).encode(), "application/json").status_code == 200
    )
    process_pending_callbacks()
    [row] = callbacks()
    assert row.due_at is None
    assert f"“{kind}”" in row.error
    assert kind in admin.get("/receipts").text


@pytest.mark.parametrize(
    "kind", ["view_submission", "shortcut", "message_action", "a_kind_of_tomorrow"]
)
def test_other_interaction_is_shown_by_its_type(hub_demo: Flask, admin: Browser, kind: str) -> None:
    assert post_button_action(hub_demo, None, type=kind).status_code == 200
    process_pending_callbacks()
    [row] = callbacks()
    assert (row.due_at, f"“{kind}”" in row.error) == (None, True)
    assert kind in admin.get("/receipts").text


def test_slash_command_is_accepted_and_shown_by_its_type(hub_demo: Flask) -> None:
    app_id = (Slack.demo_settings(credentials(hub_demo)) or {})["app_id"]
    fields = {"command": "/sign", "text": "now", "user_id": "U1", "api_app_id": app_id}
    assert post_to_slack(hub_demo, urlencode(fields).encode()).status_code == 200
    process_pending_callbacks()
    [row] = callbacks()
    assert (row.due_at, "“/sign”" in row.error) == (None, True)
