"""Declarations of an integration that replace methods: names, rules, requests, webhooks."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.datastructures import MultiDict

from hub.core.vocabulary import Channel
from hub.integrations.api import (
    Accepted,
    BadWebhook,
    ConfigForm,
    ConnectionBroken,
    DestinationUnavailable,
    ErrorCode,
    ErrorTable,
    Inbound,
    Outbound,
    OutcomeUnknown,
    PermanentError,
    ProviderHttpClient,
    ProviderResponse,
    SecretField,
    ServerField,
    Status,
    TeamPosts,
    TextField,
    Unreachable,
    WebhookReceiver,
    WebhookRequest,
    bearer,
    json_objects,
    verify_secret,
    without_blanks,
)
from tests.integrations.http_recorder import HttpRecorder


class Pushfox(TeamPosts):
    """Post to a channel of a server."""

    contract = 2
    name = "push_fox2"
    title = "Push Fox"
    docs_url = "https://docs.pushfox.example"
    address_pattern = "[a-z]{1,9}"
    address_rule = "A channel has 1 to 9 letters."
    destination_setting = "channel"
    sender_setting = account_setting = ("username", "server")
    api = {"pushfox": "https://pushfox.example"}
    errors = ErrorTable(
        codes={"archived": ErrorCode(DestinationUnavailable, "It is archived.", "Restore it.")},
        credential="token",
        destination="channel",
    )

    class Form(ConfigForm):
        server = ServerField(default="https://pushfox.example")
        token = SecretField("Access token", required=True)
        username = TextField("User name", description="Only with a password.")
        password = SecretField("Password", required_with="username")
        channel = TextField("Channel", required=True, description="The channel.")

    def auth_headers(self) -> dict[str, str]:
        return bearer(self.setting("token"))

    def render(self, message: Outbound) -> dict[str, Any]:
        return {"text": message.text, **self.filled_settings("username", "channel")}

    def send(self, message: Outbound) -> Accepted:
        sent = self.request("POST", "/v1/posts", content=self.render(message)).json
        return Accepted(self.require_id(sent), Status.SENT)


class Receiver(WebhookReceiver):
    """Receive webhooks with a secret."""

    channel = Channel.SMS
    reports = True
    callback_fields = ("id", "status", "code")

    def verify(self, request: WebhookRequest) -> None:
        verify_secret(self.setting("secret"), request.headers.get("x-secret", ""))


SETTINGS = {"server": "https://pushfox.example", "token": "tok_0123456789", "channel": "team"}


@pytest.fixture
def connection(http_recorder: HttpRecorder) -> Pushfox:
    http = ProviderHttpClient(allow=[f"127.0.0.1:{http_recorder.port}"])
    return Pushfox(SETTINGS, http, {"pushfox": http_recorder.url})


# ── Names and accounts ────────────────────────────────────────────────────────────────────────────
def test_company_and_events_are_named_after_the_product() -> None:
    assert (Pushfox.provider, Pushfox.event_prefix) == ("Push Fox", "pushfox")


def test_error_table_takes_company_and_page_from_the_class() -> None:
    problem = Pushfox.explain("archived")
    assert problem is not None
    assert problem.url == "https://docs.pushfox.example"
    refused = Pushfox.explain("http_401")
    assert refused is not None
    assert refused.text == "Push Fox rejected the credentials."


@pytest.mark.parametrize(
    ("settings", "account"),
    [
        ({"server": "https://pushfox.example:8443"}, "pushfox.example:8443"),
        ({"server": "https://pushfox.example", "username": "dana"}, "dana@pushfox.example"),
        ({}, ""),
    ],
)
def test_several_settings_name_an_account(settings: dict[str, str], account: str) -> None:
    assert Pushfox.account_of(settings) == Pushfox.senders_of(settings).default == account


# ── Settings ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"token": ""}, "Enter the access token."),
        ({"token": "short"}, "The access token has 8 to 200 characters, without spaces."),
        ({"channel": ""}, "Enter the channel."),
        ({"channel": "Team 1"}, "A channel has 1 to 9 letters."),
    ],
)
def test_invalid_setting_is_refused_with_the_rule(wrong: dict[str, str], sentence: str) -> None:
    form = Pushfox.Form(MultiDict(SETTINGS | wrong))
    assert not form.validate()
    assert form.errors == {next(iter(wrong)): [sentence]}


def test_secret_is_required_with_another_field() -> None:
    assert Pushfox.Form(MultiDict(SETTINGS)).validate()
    form = Pushfox.Form(MultiDict(SETTINGS | {"username": "dana"}))
    assert not form.validate()
    assert form.errors == {"password": ["Enter the password."]}


# ── Requests ──────────────────────────────────────────────────────────────────────────────────────
def test_request_is_signed_in_at_the_server(
    connection: Pushfox, http_recorder: HttpRecorder
) -> None:
    http_recorder.answer(200, {"id": 7})
    assert connection.send(Outbound(id="msg_1", attempt=1, to="team", text="Hi")).provider_id == "7"
    assert http_recorder.paths == ["/v1/posts"]
    assert http_recorder.headers[0]["authorization"] == "Bearer tok_0123456789"
    assert http_recorder.bodies == [{"text": "Hi", "channel": "team"}]


def test_default_check_posts_to_the_destination(
    connection: Pushfox, http_recorder: HttpRecorder
) -> None:
    http_recorder.answer(200, {"id": 7})
    result = connection.run_check()
    assert (result.ok, result.title) == (True, "Push Fox accepted a test message.")
    assert http_recorder.bodies[0]["channel"] == "team"
    http_recorder.answer(403, {"error": "archived"})
    assert connection.run_check().title == "It is archived."


def test_blank_fields_and_other_values_are_left_out() -> None:
    assert without_blanks({"a": "", "b": None, "c": [], "d": 0, "e": False}) == {"d": 0, "e": False}
    assert json_objects([{"a": 1}, 2, None]) == [{"a": 1}]
    assert json_objects({"a": 1}) == []


# ── Providers without codes, or with a code in each refusal ───────────────────────────────────────
WORDS = ErrorTable(
    "Pushfox",
    {
        "full": ErrorCode(PermanentError, "It is full.", "Wait.", status=400, words=("is full",)),
        "gone": ErrorCode(ConnectionBroken, "It is gone.", "Look.", status=401),
        "ours": ErrorCode(PermanentError, "No.", "Stop.", from_signpost=True),
    },
    docs_url="https://docs.pushfox.example/{code}",
    explains_statuses=False,
)


@pytest.mark.parametrize(
    ("status", "text", "code"),
    [
        (400, "The chat IS FULL.", "full"),
        (400, "Something else", ""),
        (401, "Anything", "gone"),
        (500, "is full", ""),
    ],
)
def test_code_is_found_by_status_and_words(status: int, text: str, code: str) -> None:
    assert WORDS.find_code(status, text) == code


def test_status_without_a_code_is_of_a_proxy_if_each_refusal_has_one() -> None:
    assert WORDS.explain("http_401") is None
    for status in (429, 502):
        problem = WORDS.explain(WORDS.error_for(ProviderResponse(status, {}, b"")).code)
        assert problem is not None, f"HTTP {status} means the same of a proxy"
    assert type(WORDS.error_for(ProviderResponse(401, {}, b""))) is Unreachable
    unknown = WORDS.error_for(ProviderResponse(401, {}, b""), "unknown")
    assert (type(unknown), unknown.code) == (PermanentError, "unknown")


def test_page_of_a_code_may_contain_it_and_none_explains_codes_of_signpost() -> None:
    pages = [problem.url for code in ("full", "ours") if (problem := WORDS.explain(code))]
    assert pages == ["https://docs.pushfox.example/full", ""]


class Hook(Pushfox):
    """Post to a provider that confirms with a text."""

    accepted_body = "ok"
    code_field = "id"


def test_form_is_sent_and_the_declared_response_judged(http_recorder: HttpRecorder) -> None:
    http = ProviderHttpClient(allow=[f"127.0.0.1:{http_recorder.port}"])
    hook = Hook({}, http, {"pushfox": http_recorder.url})
    for content in ("ok\n", "okay", {"id": "archived", "code": 7}):
        http_recorder.answer(200, content)
    hook.request("POST", "/v1/posts", form={"text": "Ä & b", "to": ""})
    assert http_recorder.forms == [{"text": "Ä & b", "to": ""}]
    assert http_recorder.headers[0]["content-type"] == "application/x-www-form-urlencoded"
    with pytest.raises(OutcomeUnknown):
        hook.request("POST", "/v1/posts", form={})
    with pytest.raises(DestinationUnavailable):
        hook.request("POST", "/v1/posts", form={})


# ── Webhooks ──────────────────────────────────────────────────────────────────────────────────────
def request(body: bytes, **headers: str) -> WebhookRequest:
    return WebhookRequest("POST", "https://hub.example/x", "x", headers, body)


def test_repeats_are_recognized_by_the_declared_fields() -> None:
    first = request(b'{"id": 7, "status": "sent", "time": 1}')
    repeat = request(b'{"time": 2, "id": "7", "status": "sent"}')
    assert Receiver.callback_key(first) == Receiver.callback_key(repeat) == ("7", "sent")
    other = request(b'{"id": "7", "status": "failed", "code": 5}')
    assert Receiver.callback_key(other) == ("7", "failed 5")
    nameless = [Receiver.callback_key(request(body)) for body in (b"{}", b'{"status": "sent"}')]
    assert len(set(nameless)) == 2, "without an ID, the body decides"


def test_blank_secret_proves_nothing() -> None:
    blank = Receiver({}, ProviderHttpClient())
    with pytest.raises(BadWebhook):
        blank.verify(request(b"", **{"x-secret": ""}))


@pytest.mark.parametrize(
    ("sender", "address", "name"),
    [
        ("13175551234", "+13175551234", ""),
        ("+13175551234", "+13175551234", ""),
        ("Bank", "", "Bank"),
        ("12345", "", "12345"),
        (None, "", ""),
    ],
)
def test_sender_of_a_text_message_may_be_a_name(sender: Any, address: str, name: str) -> None:
    message = Inbound.between_numbers(sender, "13175550100", text="Hi")
    assert (message.address, message.name) == (address, name)
    assert message.senders == ("+13175550100", "13175550100")
