"""Button actions in Slack: verified by signature, parsed defensively, then performed."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.signature import SignatureVerifier
from sqlalchemy import select

from hub.connections import connections
from hub.core.errors import BadWebhook
from hub.core.vocabulary import ConnectionState
from hub.db.engine import db
from hub.integrations.base import ButtonPress, Unrecognized, WebhookRequest
from hub.integrations.slack.integration import Slack
from hub.lib.provider_http import ProviderHttpClient
from hub.models import Connection, Message
from hub.signing import accept
from hub.signing.events import EventIn
from tests.effort import examples
from tests.hub_fixtures import (
    callbacks,
    credentials,
    deliver,
    event_body,
    eventually,
    process_pending_callbacks,
    set_connection_state,
    signer_body,
    source_id,
)
from tests.hub_fixtures import served as served

PATH = "slack/interactions"
TARGET = f"/api/rpc/webhooks/{PATH}"
SECRET = "0123456789abcdef" * 2
APP = "A0123456789"
REPLY = "https://hooks.slack.com/actions/T0123ABCD/12/abcDEF"
ONE = Slack(
    {
        "bot_token": "xoxb-1234-5678",
        "channel": "C0123456789",
        "app_id": APP,
        "signing_secret": SECRET,
    },
    ProviderHttpClient(),
)


def make_button_action(*values: str | None, **fields: Any) -> dict[str, Any]:
    actions = [
        {"type": "button", "action_id": f"b-{n}"} | ({} if value is None else {"value": value})
        for n, value in enumerate(values)
    ]
    user = {"id": "U1", "name": "tom"}
    return {
        "type": "block_actions",
        "api_app_id": APP,
        "user": user,
        "response_url": REPLY,
        "actions": actions,
        **fields,
    }


def make_request(payload: Any, **headers: str) -> WebhookRequest:
    body = urlencode(
        {"payload": payload if isinstance(payload, str) else json.dumps(payload)}
    ).encode()
    return sign(body, **headers)


def sign(
    body: bytes, *, timestamp: str = "", secret: str = SECRET, signature: str | None = None
) -> WebhookRequest:
    timestamp = timestamp or str(int(time.time()))
    slack_signature = (
        SignatureVerifier(secret).generate_signature(timestamp=timestamp, body=body)
        if signature is None
        else signature
    )
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "x-slack-request-timestamp": timestamp,
        "x-slack-signature": slack_signature or "",
    }
    return WebhookRequest("POST", f"https://hub.example{TARGET}", PATH, headers, body)


# ── The signature ─────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("late", [-290, 0, 290])
def test_slack_signature_within_five_minutes_is_genuine(late: int) -> None:
    ONE.verify(make_request(make_button_action("tok"), timestamp=str(int(time.time()) + late)))


@pytest.mark.parametrize(
    "request_",
    [
        sign(b"payload=x", secret="f" * 32),
        sign(b"payload=x", timestamp=str(int(time.time()) - 400)),
        sign(b"payload=x", timestamp=str(int(time.time()) + 86_400)),
        sign(b"payload=x", timestamp="soon", signature="v0=" + "0" * 64),
        sign(b"payload=x", timestamp="١٧٠٠٠٠٠٠٠٠", signature="v0=" + "0" * 64),
        sign(b"payload=x", timestamp="9" * 13, signature="v0=" + "0" * 64),
        sign(b"payload=x", signature=""),
        sign(b"payload=x", signature="v0=" + "é" * 64),
        sign(b"payload=x", signature="v1=" + "0" * 64),
        sign(b"\xff\xfe", signature="v0=" + "0" * 64),
    ],
)
def test_other_signatures_are_refused(request_: WebhookRequest) -> None:
    with pytest.raises(BadWebhook):
        ONE.verify(request_)


def test_changed_body_is_refused() -> None:
    genuine = make_request(make_button_action("tok"))
    for body in (
        genuine.body + b"&",
        genuine.body.replace(b"tok", b"tik"),
        genuine.body.replace(b"+", b"%20"),
    ):
        with pytest.raises(BadWebhook):
            ONE.verify(WebhookRequest("POST", genuine.url, PATH, genuine.headers, body))


def test_connection_without_a_signing_secret_verifies_nothing() -> None:
    with pytest.raises(BadWebhook):
        Slack(
            {"bot_token": "xoxb-1234-5678", "channel": "C0123456789"}, ProviderHttpClient()
        ).verify(make_request(make_button_action("tok")))


# ── What is read ──────────────────────────────────────────────────────────────────────────────────
def test_button_action_has_token_user_and_response_url() -> None:
    request = make_request(make_button_action("tok-1", "tok_2"))
    assert ONE.claimed_account(request) == APP
    assert ONE.parse_events(request) == [
        ButtonPress(token=token, name="tom", reply_to=REPLY) for token in ("tok-1", "tok_2")
    ]
    assert ONE.webhook_response(request, True) == ("text/plain", "")


@pytest.mark.parametrize("values", [(None,), ("",), ("no token!",), ("t" * 65,), ()])
def test_links_and_foreign_buttons_yield_no_event(values: tuple[str | None, ...]) -> None:
    assert ONE.parse_events(make_request(make_button_action(*values))) == []


@pytest.mark.parametrize("kind", ["view_submission", "shortcut", "", None, 5])
def test_other_interactions_are_named_and_set_aside(kind: Any) -> None:
    (fact,) = ONE.parse_events(make_request(make_button_action("tok", type=kind)))
    assert isinstance(fact, Unrecognized)
    assert f"“{kind}”" in fact.description or "no kind" in fact.description


@pytest.mark.parametrize(
    "url", ["https://evil.example/actions/x", "https://hooks.slack.com/services/x", "", None, 5]
)
def test_response_url_outside_slack_is_ignored(url: Any) -> None:
    assert ONE.parse_events(make_request(make_button_action("tok", response_url=url))) == [
        ButtonPress(token="tok", name="tom")
    ]


@pytest.mark.parametrize(
    ("user", "name"),
    [
        ({"id": "U1", "username": "tom.w"}, "tom.w"),
        ({"id": "U1"}, "U1"),
        (None, ""),
        ([], ""),
        ({"name": 5, "id": "U1"}, "U1"),
        ({"name": "to\0m"}, "tom"),
        ({"name": "x" * 999}, "x" * 100),
    ],
)
def test_button_user_has_the_slack_display_name(user: Any, name: str) -> None:
    assert [
        fact.name
        for fact in ONE.parse_events(make_request(make_button_action("tok", user=user)))
        if isinstance(fact, ButtonPress)
    ] == [name]


NAMES = ["type", "actions", "api_app_id", "user", "name", "value", "response_url", "x"]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5)
    ),
    max_leaves=12,
)
bodies = st.one_of(
    st.binary(max_size=60),
    anything.map(lambda found: urlencode({"payload": json.dumps(found)}).encode()),
    anything.map(
        lambda found: urlencode(
            {"payload": json.dumps(make_button_action("tok", user=found, actions=found))}
        ).encode()
    ),
)


@settings(max_examples=examples(200), deadline=None)
@given(bodies)
def test_any_body_is_parsed_without_errors(body: bytes) -> None:
    request = sign(body, signature="v0=" + "0" * 64)
    assert isinstance(Slack.claimed_account(request), str)
    assert isinstance(ONE.parse_events(request), list)
    with pytest.raises(BadWebhook):
        ONE.verify(request)


def test_deeply_nested_payload_is_unrecognized() -> None:
    request = make_request("[" * 100_000)
    assert Slack.claimed_account(request) == ""
    assert [type(fact) for fact in ONE.parse_events(request)] == [Unrecognized]


# ── Through the webhook route, clicked in the simulator ───────────────────────────────────────────
def connect_team(app: Flask, *, by_webhook: bool) -> None:
    """Let only one connection post to the simulator's team."""
    for connection in db.session.scalars(
        select(Connection).where(Connection.integration == "slack")
    ).all():
        set_connection_state(connection.id, ConnectionState.DISABLED)
    made_up = credentials(app).derive
    given_settings = Slack.demo_settings(credentials(app)) or {}
    if by_webhook:
        webhook_path = (
            f"T{made_up('slack team', 10).upper()}/B{made_up('slack webhook', 10).upper()}"
        )
        url = (
            f"https://hooks.slack.com/services/{webhook_path}/{made_up('slack webhook secret', 24)}"
        )
        given_settings |= {"bot_token": "", "channel": "", "webhook_url": url}
    connection_id = connections.add("slack", "Team", True, given_settings)
    connections.enable(connection_id)


def posted_messages(simulator: Any) -> list[dict[str, Any]]:
    posts: list[dict[str, Any]] = (
        simulator.test_client().get("/simulator/slack.json").json["messages"]
    )
    return posts


@pytest.mark.parametrize("by_webhook", [False, True])
def test_button_in_slack_reminds_the_signer_and_the_post_names_the_user(
    hub_demo: Flask, served: Flask, simulator: Any, by_webhook: bool
) -> None:
    connect_team(hub_demo, by_webhook=by_webhook)
    accept.accept_event(
        EventIn.model_validate(event_body(signers=[signer_body("Eric")])), source_id(), test=True
    )
    deliver()
    [post] = posted_messages(simulator)
    button = next(
        candidate for candidate in post["buttons"] if candidate["text"].startswith("Remind")
    )
    action = (
        simulator.test_client()
        .post("/simulator/slack/press", json={"ts": post["ts"], "button": button["value"]})
        .json
    )
    assert (action["status"], action["answer"]) == (200, "")
    process_pending_callbacks()
    deliver()

    def is_edited() -> bool:
        deliver()
        return "dana" in json.dumps(posted_messages(simulator)[0]["blocks"]).lower()

    assert eventually(is_edited)
    assert db.session.scalars(select(Message).where(Message.channel == "sms")).all()[1:], (
        "the reminder"
    )


def test_unsigned_button_action_is_refused(hub_demo: Flask) -> None:
    answer = hub_demo.test_client().post(
        TARGET, data={"payload": json.dumps(make_button_action("tok"))}
    )
    assert (answer.status_code, callbacks()) == (403, [])
