"""Helpers of integrations: fields of forms, headers, signatures, prices, references and times."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from hub.db.types import new_id
from hub.integrations.api import (
    Accepted,
    Address,
    BadWebhook,
    ConfigForm,
    ErrorTable,
    IncomingWebhook,
    Integration,
    Outbound,
    OutcomeUnknown,
    PermanentError,
    Price,
    ProviderHttpClient,
    SenderField,
    ServerField,
    Status,
    TextField,
    Unreachable,
    WebhookRequest,
    WebhookUrlField,
    basic,
    bearer,
    read_reference,
    times,
    verify_hmac,
    verify_secret,
)
from tests.effort import examples
from tests.integrations.http_recorder import HttpRecorder

# any character, also half of a surrogate pair
SURROGATES = st.characters(categories=["L", "Cs", "P"])


class Fields(ConfigForm):
    server = ServerField(default="https://push.example")
    url = WebhookUrlField(example="https://chat.example/hooks/…", path=r"/hooks/[a-z0-9]{8,64}")
    hosted = WebhookUrlField(
        example="https://hooks.example/…", path=r"/[a-z0-9]{8,64}", host=r"hooks\.example"
    )
    sender = SenderField()
    topic = TextField(
        "Topic", required="Enter the topic.", pattern="[a-z]+|x", rule="Use letters.", longest=9
    )


GOOD = {
    "server": "https://push.example",
    "url": "https://chat.example:8065/hooks/abcdefgh",
    "hosted": "https://hooks.example/abcdefgh",
    "sender": "+13175551234",
    "topic": "contracts",
}


def form(**values: str) -> Fields:
    return Fields(MultiDict(GOOD | values))


# ── Fields ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("name", "entered", "stored"),
    [
        ("server", " https://Push.Example/ ", "https://push.example"),
        ("server", "http://10.0.0.7:8080", "http://10.0.0.7:8080"),
        ("server", "https://[::1]:8443", "https://[::1]:8443"),
        ("url", "http://localhost:8065/hooks/abcdefgh", "http://localhost:8065/hooks/abcdefgh"),
        ("sender", "+1 (317) 555-1234", "+13175551234"),
        ("sender", "12345", "12345"),
        ("sender", "Acme", "Acme"),
        ("topic", " deals ", "deals"),
    ],
)
def test_fields_accept_addresses_and_senders(name: str, entered: str, stored: str) -> None:
    filled = form(**{name: entered})
    assert filled.validate(), filled.errors
    assert filled[name].data == stored


@pytest.mark.parametrize(
    ("name", "entered"),
    [
        ("server", "https://push.example/path"),
        ("server", "push.example"),
        ("server", "ftp://push.example"),
        ("server", "https://user@push.example"),
        ("server", "https://push.example:99999"),
        ("server", "https://push.example?a=1"),
        ("url", "https://chat.example/hooks/"),
        ("url", "https://chat.example/hooks/abcdefgh?x=1"),
        ("url", "https://user:x@chat.example/hooks/abcdefgh"),
        ("url", "https://chat.example/hooks/abcdefgh ijkl"),
        ("hosted", "https://other.example/abcdefgh"),
        ("hosted", "http://hooks.example/abcdefgh"),
        ("sender", "a name that is too long"),
        ("sender", "+0"),
        ("topic", ""),
        ("topic", "x1"),
        ("topic", "contractsx"),
    ],
)
def test_fields_refuse_other_texts_in_a_sentence(name: str, entered: str) -> None:
    filled = form(**{name: entered})
    assert not filled.validate()
    assert list(filled.errors) == [name]
    assert str(filled[name].errors[0]).endswith(".")


def test_headers_sign_in_only_with_credentials() -> None:
    assert bearer("tk_1") == {"Authorization": "Bearer tk_1"}
    pair = b64encode("dana:pässword".encode()).decode()
    assert basic("dana", "pässword") == {"Authorization": f"Basic {pair}"}
    assert bearer("") == basic("", "") == {}


# ── Webhooks ──────────────────────────────────────────────────────────────────────────────────────
def test_signature_is_verified_in_each_form() -> None:
    digest = hmac.new(b"secret", b"body", hashlib.sha256).digest()
    for signature in (digest.hex(), digest.hex().upper(), b64encode(digest).decode()):
        verify_hmac("secret", "body", signature)
    for secret, body, signature in (
        ("secret", "other", digest.hex()),
        ("other", "body", digest.hex()),
        ("secret", "body", ""),
        ("secret", "body", "ß"),
    ):
        with pytest.raises(BadWebhook):
            verify_hmac(secret, body, signature)
    with pytest.raises(BadWebhook):
        verify_hmac("", "body", hmac.new(b"", b"body", hashlib.sha256).hexdigest())


def test_secret_is_verified_and_a_blank_one_proves_nothing() -> None:
    verify_secret("secret", "secret")
    for secret, signature in (("secret", "x"), ("secret", ""), ("", ""), ("secret", "ß")):
        with pytest.raises(BadWebhook):
            verify_secret(secret, signature)


@given(
    st.one_of(st.text(SURROGATES), st.binary()),
    st.one_of(st.text(SURROGATES), st.none(), st.integers(), st.lists(st.text())),
)
@settings(max_examples=examples(50))
def test_anything_else_is_no_signature_and_no_secret(message: str | bytes, value: Any) -> None:
    with pytest.raises(BadWebhook):
        verify_hmac("secret", message, value)
    with pytest.raises(BadWebhook):
        verify_secret("a secret", value)


def test_text_that_is_not_unicode_can_be_signed() -> None:
    message = "Anna \ud83e"
    signature = hmac.new(b"secret", message.encode("utf-8", "surrogatepass"), hashlib.sha256)
    verify_hmac("secret", message, signature.hexdigest())


@pytest.mark.parametrize(
    ("kind", "body", "params"),
    [
        ("application/json", b'{"a": "x\\u0000", "n": 1}', {"a": "x\0", "n": 1}),
        ("application/x-www-form-urlencoded", b"a=x&b=%3D", {"a": "x", "b": "="}),
        ("application/json", b"[1]", {}),
        ("application/json", b"[" * 100_000, {}),
        ("text/plain", b"a=1", {}),
    ],
)
def test_parameters_are_read_as_signed(kind: str, body: bytes, params: dict[str, Any]) -> None:
    request = WebhookRequest("POST", "https://hub.example/x", "x", {"content-type": kind}, body)
    assert request.params == params


def test_reference_of_a_message_is_read_again() -> None:
    message = Outbound(id=new_id("msg"), attempt=2, to="x", text="Hello")
    assert read_reference(message.reference) == {"message_id": message.id, "attempt": 2}
    for wrong in ("", None, "msg_1a", "con_1.1", "msg_1.x", "msg_1.1\n"):
        assert read_reference(wrong) == {}


# ── Prices and times ──────────────────────────────────────────────────────────────────────────────
def test_price_is_read_and_added_up() -> None:
    price = Price.read("-0.0333", "EUR")
    assert price == Price(Decimal("0.0333"), "EUR")
    assert Price.total([price, price]) == Price(Decimal("0.0666"), "EUR")
    assert Price.total([price, None]) is None
    assert Price.total([price, Price.read("1", "USD")]) is None
    assert Price.total([]) is None
    for amount, currency in (("", "EUR"), ("NaN", "EUR"), ("1e9", "EUR"), ("1", "euro"), (1, None)):
        assert Price.read(amount, currency) is None


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01 12:00:00",
        "2026-01-01T12:00:00Z",
        "2026-01-01 12:00:00 +0000",
        "2026-01-01T13:00:00+01:00",
    ],
)
def test_time_of_a_provider_is_read_in_utc(text: str) -> None:
    assert times.parse_utc(text) == datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", None, "soon", "1999-01-01", "9999-12-31 23:59:59 -2300"])
def test_time_that_cannot_be_stored_is_none(text: Any) -> None:
    assert times.parse_utc(text) is None


# ── Servers and incoming webhooks ─────────────────────────────────────────────────────────────────
class Push(Integration):
    api = {"push": "https://push.example"}
    address = Address.CHAT
    address_pattern = "[a-z]+"
    address_rule = "Use letters."
    account_setting = sender_setting = "user"
    destination_setting = "topic"


def test_addresses_and_settings_are_declared() -> None:
    settings = {"user": "dana", "topic": "deals"}
    assert Push.account_of(settings) == Push.senders_of(settings).default == "dana"
    assert Push.destination_of(settings) == "deals"
    assert Push.destination_of({}) == Push.account_of({}) == ""
    assert Push.clean_address(" deals ") == "deals"
    with pytest.raises(ValueError, match="Use letters"):
        Push.clean_address("deals 1")
    assert Integration.clean_address(" +13175551234") == "+13175551234"


def test_server_of_the_settings_is_used_and_the_official_one_can_be_replaced() -> None:
    replaced = {"push": "http://127.0.0.1:1"}
    for entered, url in (
        ("https://push.example", "http://127.0.0.1:1"),
        ("", "http://127.0.0.1:1"),
        ("https://push.company.example", "https://push.company.example"),
    ):
        push = Push({"server": entered}, ProviderHttpClient(), replaced)
        assert push.server_url() == url


class Chat(IncomingWebhook):
    provider = "Chat"
    channel_setting = "channel"
    limit_per_server = True
    accepted_status = Status.DELIVERED
    errors = ErrorTable("Chat", {}, credential="webhook_url", destination="webhook_url")


def chat(http_recorder: HttpRecorder, **settings: str) -> Chat:
    url = f"{http_recorder.url}/hooks/abcdefgh"
    http = ProviderHttpClient(allow=[f"127.0.0.1:{http_recorder.port}"])
    return Chat({"webhook_url": url, **settings}, http)


def to_own_channel(connection: Chat) -> Outbound:
    to = connection.destination_of(connection.settings)
    return Outbound(id="msg_1", attempt=1, to=to, text="Hello")


def test_incoming_webhook_posts_to_its_channel_only(http_recorder: HttpRecorder) -> None:
    connection = chat(http_recorder)
    http_recorder.answer(200, "ok")
    assert connection.send(to_own_channel(connection)) == Accepted("", Status.DELIVERED)
    assert http_recorder.paths == ["/hooks/abcdefgh"]
    assert http_recorder.bodies == [{"text": "Hello"}]
    with pytest.raises(PermanentError) as problem:
        connection.send(Outbound(id="msg_1", attempt=1, to="chat.example/0123456789ab", text="x"))
    assert problem.value.code == "other_channel"


def test_destination_names_server_and_channel_but_not_the_secret() -> None:
    settings = {"webhook_url": "https://chat.example:8065/hooks/abcdefgh", "channel": ""}
    destination = Chat.destination_of(settings)
    assert destination.startswith("chat.example:8065/")
    assert "abcdefgh" not in destination
    assert Chat.clean_address(f" {destination.upper()} ") == destination
    assert Chat.destination_label(destination) == "a channel at chat.example:8065"
    assert Chat.senders_of(settings).default == "chat.example:8065"
    named = Chat.destination_of(settings | {"channel": "Town-Square"})
    assert Chat.clean_address(named) == named
    assert Chat.destination_label(named) == "town-square at chat.example:8065"
    assert Chat.destination_of({}) == Chat.senders_of({}).default == ""


@pytest.mark.parametrize(
    ("status", "content", "error"),
    [
        (200, "<html>Sign in</html>", OutcomeUnknown),
        (403, "<html>Forbidden</html>", Unreachable),
        (403, {"detail": "Forbidden"}, Unreachable),
        (400, {"error": "invalid"}, PermanentError),
    ],
)
def test_response_of_a_proxy_is_not_the_provider(
    http_recorder: HttpRecorder, status: int, content: Any, error: type[Exception]
) -> None:
    connection = chat(http_recorder)
    http_recorder.answer(status, content)
    with pytest.raises(error):
        connection.send(to_own_channel(connection))
