"""Shared parts of integrations: sign-in, error tables, parts of messages, texts with buttons."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from werkzeug.datastructures import MultiDict

from hub.integrations.api import (
    Accepted,
    BadWebhook,
    Button,
    Card,
    ChannelField,
    ConfigForm,
    ConnectionBroken,
    DestinationUnavailable,
    IncomingWebhook,
    OutcomeUnknown,
    PartResults,
    PermanentError,
    Price,
    ProviderHttpClient,
    SecretField,
    ServerField,
    Status,
    TeamPosts,
    TextField,
    TokenField,
    WebhookRequest,
    WebhookUrlField,
    button_label,
    join_fields,
)
from hub.integrations.declared_defaults import complete_errors
from hub.lib.provider_http import ProviderResponse
from tests.integrations.http_recorder import HttpRecorder, connect, outbound


class Topic(TeamPosts):
    """Post to a topic of a server that admins may run."""

    name = "topic"
    title = "Topic"
    docs_url = "https://docs.topic.example"
    address_pattern = "[a-z]+"
    address_rule = "Use letters."
    auth_setting = "token"
    destination_setting = "topic"
    post_path = "/v1/posts"
    max_length = 60
    heading = "## {}"
    api = {"topic": "https://topic.example"}

    class Form(ConfigForm):
        server = ServerField(default="https://topic.example")
        token = TokenField()
        topic = TextField("Topic", required=True)

    def render(self, message: Any) -> dict[str, Any]:
        return {"topic": message.to, "text": self.text_of(message)}


class Hook(IncomingWebhook):
    """Post to a webhook, also in another channel."""

    name = "hook"
    title = "Hook"
    channel_setting = "channel"
    payload_settings = ("channel",)

    class Form(ConfigForm):
        webhook_url = WebhookUrlField(example="https://x.example/hooks/…", path="/hooks/[a-z]+")
        channel = ChannelField()


class Parts(TeamPosts):
    """Send text messages whose segments have their own results."""

    name = "parts"
    title = "Parts"
    auth_setting = ("user", "password")
    part_results = PartResults("messages", price="cost", currency="EUR")
    api = {"parts": "https://parts.example"}

    class Form(ConfigForm):
        user = TextField("User", required=True)
        password = SecretField("Password", required=True)


SETTINGS = {"server": "https://topic.example", "token": "tk_0123456789", "topic": "deals"}


# ── Sign-in and errors ────────────────────────────────────────────────────────────────────────────
def test_declared_settings_sign_every_request_in(http_recorder: HttpRecorder) -> None:
    http_recorder.answer(201, {"id": 7})
    assert connect(Topic, http_recorder.url, SETTINGS).send(outbound("deals")) == Accepted(
        "7", Status.SENT
    )
    assert http_recorder.paths == ["/v1/posts"]
    assert http_recorder.bodies == [{"topic": "deals", "text": "Anna has signed."}]
    assert http_recorder.headers[0]["authorization"] == "Bearer tk_0123456789"
    assert connect(Topic, http_recorder.url, SETTINGS | {"token": ""}).auth_headers() == {}
    pair = connect(Parts, http_recorder.url, {"user": "dana", "password": "pw"}).auth_headers()
    assert pair == {"Authorization": "Basic ZGFuYTpwdw=="}


@pytest.mark.parametrize(
    ("cls", "status", "error", "field"),
    [
        (Topic, 401, ConnectionBroken, "token"),
        (Topic, 404, DestinationUnavailable, "topic"),
        (Hook, 401, ConnectionBroken, "webhook_url"),
        (Hook, 404, DestinationUnavailable, "webhook_url"),
        (Parts, 404, PermanentError, ""),
    ],
)
def test_class_without_a_table_names_the_settings_of_its_form(
    cls: type[TeamPosts], status: int, error: type[Exception], field: str
) -> None:
    problem = cls.errors.error_for(ProviderResponse(status, {}, b"{}"))
    assert type(problem) is error
    assert cls.errors.failed_check(problem, []).field == field
    assert str(problem).startswith(cls.title)


def test_codes_are_read_from_the_file_beside_the_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "pushfox_beside"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "fox.py").write_text(
        "from hub.integrations.api import ErrorTable, TeamPosts\n"
        "class Fox(TeamPosts):\n    name = 'fox'\n    title = 'Fox'\n"
        "class Den(TeamPosts):\n    name = 'den'\n    title = 'Den'\n"
        "    errors = ErrorTable(docs_url='https://den.example/{code}')\n"
    )
    line = 'full = { error = "PermanentError", text = "It is full.", remedy = "Wait." }\n'
    (package / "fox.toml").write_text(line)
    monkeypatch.syspath_prepend(tmp_path)
    __import__("pushfox_beside.fox")
    module = sys.modules["pushfox_beside.fox"]
    for cls, page in ((module.Fox, ""), (module.Den, "https://den.example/full")):
        problem = cls.explain("full")
        assert (problem.text, problem.url) == ("It is full.", page)
    complete_errors(Topic, is_declared=True)
    assert Topic.explain("full") is None, "a class without such a file reads none"


def test_expected_refusal_passes_a_harmless_test(http_recorder: HttpRecorder) -> None:
    topic = connect(Topic, http_recorder.url, SETTINGS)
    http_recorder.answer(400, {"code": 40004})
    assert topic.request("POST", "/v1/posts", content={}, expected="40004").status == 400
    result = topic.passed_check("It works.", "It is public.")
    assert (result.ok, result.title, result.warnings) == (
        True,
        "Topic is ready.",
        ("It is public.",),
    )
    http_recorder.answer(400, {"code": 40005})
    with pytest.raises(PermanentError):
        topic.request("POST", "/v1/posts", content={}, expected="40004")


# ── Fields ────────────────────────────────────────────────────────────────────────────────────────
def test_channel_and_token_may_be_missing() -> None:
    for value, is_valid in (("", True), ("town-square", True), ("two words", False)):
        url = "https://chat.example/hooks/abc"
        form = Hook.Form(MultiDict({"webhook_url": url, "channel": value}))
        assert form.validate() is is_valid
    for value, is_valid in (("", True), ("tk_1", True), ("two words", False)):
        form = Topic.Form(MultiDict(SETTINGS | {"token": value}))
        assert form.validate() is is_valid
    assert Topic.Form().token.bound_to == ("server",)  # type: ignore[attr-defined]


def test_payload_names_the_settings_that_are_filled(http_recorder: HttpRecorder) -> None:
    url = "https://chat.example/hooks/abc"
    for channel, payload in (("", {}), ("deals", {"channel": "deals"})):
        hook = connect(Hook, http_recorder.url, {"webhook_url": url, "channel": channel})
        assert hook.render(outbound(hook)) == {"text": "Anna has signed.", **payload}


# ── Texts ─────────────────────────────────────────────────────────────────────────────────────────
BUTTONS = tuple(Button(f"Open {n}", f"https://a.example/{n}") for n in range(3))


def test_title_of_a_card_is_a_heading_within_the_limit() -> None:
    topic = Topic(SETTINGS, ProviderHttpClient())
    assert topic.text_of(outbound("deals", card=Card("Deal"))) == "## Deal\nAnna has signed."
    assert topic.text_of(outbound("deals", card=Card(""))) == "Anna has signed."
    long = topic.text_of(outbound("deals", card=Card("Deal " * 40)))
    assert len(long) <= 60
    assert long.startswith("## Deal")
    assert topic.text_of(outbound("deals", "x" * 60, card=Card("Deal"))) == "x" * 60


def test_title_fills_a_field_of_its_own() -> None:
    topic = Topic(SETTINGS, ProviderHttpClient())
    assert topic.title_of(outbound("deals", card=Card(" Deal ")), 20) == "Deal"
    assert topic.title_of(outbound("deals", card=Card("Deal " * 40)), 12) == "Deal Deal D…"
    assert topic.title_of(outbound("deals"), 20) == ""


def test_buttons_that_the_payload_does_not_hold_are_links() -> None:
    topic = Topic(SETTINGS, ProviderHttpClient())
    message = outbound("deals", "Hello", buttons=BUTTONS)
    assert topic.text_of(message, buttons=BUTTONS[2:]) == "Hello\nOpen 2: https://a.example/2"
    assert topic.text_of(message, buttons=()) == "Hello"
    assert button_label(Button(" Open ", "https://a.example")) == "Open"
    assert button_label(Button("\u200b", "https://a.example")) == "…"
    assert len(button_label(Button("Open" * 40, "https://a.example"))) == 64


# ── Messages in parts ─────────────────────────────────────────────────────────────────────────────
def part(status: str, **fields: str) -> dict[str, str]:
    return {"status": status, **fields}


def send_parts(http_recorder: HttpRecorder, *parts: dict[str, str]) -> Accepted:
    http_recorder.answer(200, {"messages": list(parts)})
    connection = connect(Parts, http_recorder.url, {"user": "dana", "password": "pw"})
    return connection.accepted_parts(connection.request("POST", "/sms", form={}))


def test_parts_of_a_message_are_one_result(http_recorder: HttpRecorder) -> None:
    accepted = send_parts(http_recorder, part("0", id="a", cost="0.03"), part("0", cost="0.04"))
    assert accepted == Accepted("a", segments=2, price=Price(Decimal("0.07"), "EUR"))


def test_message_with_a_refused_part_failed(http_recorder: HttpRecorder) -> None:
    accepted = send_parts(http_recorder, part("0", id="a"), part("5"))
    assert (accepted.provider_id, accepted.status) == ("a", Status.FAILED)
    assert (accepted.code, accepted.segments) == ("5", 1)
    assert type(accepted.error) is PermanentError


@pytest.mark.parametrize(
    ("parts", "error", "code"),
    [
        ([part("5")], PermanentError, "5"),
        ([part("")], OutcomeUnknown, "http_200"),
        ([{}], OutcomeUnknown, "http_200"),
        ([], OutcomeUnknown, "bad_answer"),
        ([part("0")], OutcomeUnknown, "bad_answer"),
    ],
)
def test_message_without_an_accepted_part_raises_the_error_of_its_code(
    http_recorder: HttpRecorder, parts: list[dict[str, str]], error: type[Exception], code: str
) -> None:
    with pytest.raises(error) as problem:
        send_parts(http_recorder, *parts)
    assert getattr(problem.value, "code", "") == code


# ── Listed messages and webhooks ──────────────────────────────────────────────────────────────────
def test_listed_message_with_the_same_content_is_found() -> None:
    since = datetime(2026, 11, 29, 12, tzinfo=UTC)
    seconds = since.timestamp()
    topic = Topic(SETTINGS, ProviderHttpClient())
    listed = [
        {"id": "a", "text": "Anna has signed.", "at": seconds - 30},
        {"id": "b", "text": "Anna has signed.", "at": seconds - 90},
        {"id": "c", "text": "Eric has signed.", "at": seconds},
        {"id": "d", "text": " Anna has signed.\n", "at": "2026-11-29T12:00:01Z"},
        {"id": "e", "text": "Anna has signed."},
    ]
    lines = "\n".join([*map(json.dumps, listed), "", "x"])
    found = topic.matches(
        ProviderResponse(200, {}, lines.encode()).json_lines,
        outbound("deals"),
        since,
        fields=("text", "title"),
        time_field="at",
    )
    assert found == [Accepted("a", Status.SENT), Accepted("d", Status.SENT)]


def webhook(kind: str, body: bytes) -> WebhookRequest:
    return WebhookRequest("POST", "https://hub.example/x", "x", {"content-type": kind}, body)


def test_fields_of_webhooks_are_read_as_text() -> None:
    request = webhook("application/json", b'{"id": 7, "name": "Dana", "is": true, "list": [1]}')
    names = ("id", "name", "is", "list", "other")
    assert [request.text(name) for name in names] == ["7", "Dana", "", "", ""]
    form = webhook("application/x-www-form-urlencoded", b"id=7&name=%00")
    assert (form.text("id"), form.text("name"), form.text("x")) == ("7", "", "")


def test_sorted_fields_are_joined_for_a_signature() -> None:
    fields = {"b": "1&2=3", "a": 7, "sig": "x"}
    assert join_fields(fields, without="sig") == "&a=7&b=1&2=3"
    assert join_fields(fields, without="sig", replaced="&=") == "&a=7&b=1_2_3"
    for name in ("a&b", "a="):
        with pytest.raises(BadWebhook):
            join_fields({name: "1"})
