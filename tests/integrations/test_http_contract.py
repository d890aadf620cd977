"""The contract of requests: a server in place of the provider refuses, breaks off or is a proxy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from hub.integrations.api import (
    Accepted,
    Button,
    Card,
    DestinationUnavailable,
    Integration,
    OutcomeUnknown,
    PermanentError,
    SecretField,
    SendError,
    ServerField,
    SlowDown,
    Unreachable,
    WebhookUrlField,
    record_exchanges,
)
from tests.integrations.http_recorder import HttpRecorder, connect, outbound, record_requests
from tests.integrations.instances import ALL, all_settings_of, sample, samples_of, valid_address

TEXT = "Anna has signed."
PAGE = "<html><head><title>Sign in</title></head><body>Anna has signed.</body></html>"
NOWHERE = "http://127.0.0.1:1"
# the page of a proxy says nothing about the account, and a message that it let pass is not repeated
ERRORS_OF_A_PROXY = {
    **dict.fromkeys((401, 403, 404, 407, 410, 451), Unreachable),
    **dict.fromkeys((400, 413, 431), PermanentError),
    **dict.fromkeys((200, 302, 307, 408, 425, 500, 502, 503, 504, 507, 520), OutcomeUnknown),
}


def calls_http(cls: type[Integration]) -> bool:
    """Return whether the recorder can stand in for the provider."""
    fields = any(isinstance(field, ServerField | WebhookUrlField) for field in cls.Form())
    is_http = fields or next(iter(cls.api.values()), "").startswith("https://")
    is_ours = cls.__module__.startswith("hub.")  # others may come without a test
    return is_http and cls.supports("send") and (is_ours or "SETTINGS" in samples_of(cls))


senders = pytest.mark.parametrize("cls", list(filter(calls_http, ALL)), ids=lambda cls: cls.name)


@pytest.fixture(scope="module")
def provider() -> Iterator[HttpRecorder]:
    with record_requests() as recorder:
        yield recorder


def connection_to(cls: type[Integration], url: str) -> Integration:
    return connect(cls, url, sample(cls, "SETTINGS"))


def connections_to(cls: type[Integration], url: str) -> list[Integration]:
    """Return a connection for each of the sample settings, such as each way to sign in."""
    return [connect(cls, url, settings) for settings in all_settings_of(cls)]


def send(cls: type[Integration], url: str) -> Accepted:
    return send_from(connection_to(cls, url))


def send_from(connection: Integration) -> Accepted:
    cls = type(connection)
    to = connection.destination_of(connection.settings) or valid_address(cls)
    return connection.send(outbound(connection.recipient_form(to), TEXT, address=to))


def try_send(connection: Integration) -> Accepted | SendError:
    """Send a message, and return the result or the error."""
    try:
        return send_from(connection)
    except SendError as error:
        return error


def send_error(
    cls: type[Integration], provider: HttpRecorder, status: int, content: Any, **headers: str
) -> SendError:
    """Return the error of a message to which the provider responds."""
    provider.answers.clear()
    provider.answer(status, content, **headers)
    with pytest.raises(SendError) as problem:
        send(cls, provider.url)
    return problem.value


def secrets_of(cls: type[Integration]) -> list[str]:
    names = [field.name for field in cls.Form() if isinstance(field, SecretField)]
    every_settings = all_settings_of(cls)
    return [settings[name] for name in names for settings in every_settings if settings.get(name)]


# ── Connections that fail ─────────────────────────────────────────────────────────────────────────
@senders
def test_refused_connection_is_unreachable(cls: type[Integration]) -> None:
    with pytest.raises(Unreachable):
        send(cls, NOWHERE)
    for connection in connections_to(cls, NOWHERE):
        result = connection.run_check()
        assert not result.ok
        assert result.steps
        assert not [secret for secret in secrets_of(cls) if secret in str(result)]


@senders
def test_lost_response_leaves_the_outcome_unknown(
    cls: type[Integration], provider: HttpRecorder
) -> None:
    provider.answers.clear()
    with pytest.raises(OutcomeUnknown):
        send(cls, provider.url)  # the server closes the connection


# ── Responses that the provider did not write ─────────────────────────────────────────────────────
@senders
def test_page_of_a_proxy_is_not_the_provider(
    cls: type[Integration], provider: HttpRecorder
) -> None:
    for status, kind in ERRORS_OF_A_PROXY.items():
        error = send_error(cls, provider, status, PAGE)
        assert type(error) is kind, f"HTTP {status} of a proxy"
        assert TEXT not in str(error)


@senders
def test_limit_waits_as_long_as_the_response_says(
    cls: type[Integration], provider: HttpRecorder
) -> None:
    for status in (429, 503):
        for content in (PAGE, "", {}):
            error = send_error(cls, provider, status, content, Retry_After="7")
            assert isinstance(error, SlowDown), f"HTTP {status} with Retry-After"
            assert error.retry_after == 7


# ── Responses of the provider ─────────────────────────────────────────────────────────────────────
@senders
def test_accepted_message_has_an_id_or_none_is_known(
    cls: type[Integration], provider: HttpRecorder
) -> None:
    status, content = sample(cls, "SAMPLE_ACCEPTED")
    for connection in connections_to(cls, provider.url):
        provider.answers.clear()
        provider.answer(status, content)
        with record_exchanges() as exchanges:
            accepted = send_from(connection)
        assert (accepted.code, accepted.error) == ("", None)
        urls = " ".join(exchange.url for exchange in exchanges)
        assert not [secret for secret in secrets_of(cls) if secret in urls], "pass it as hidden="
    for unreadable in ("", "[1]", "{}", "null", PAGE):
        provider.answers.clear()
        provider.answer(200, unreadable)
        result = try_send(connection_to(cls, provider.url))
        is_complete = isinstance(result, Accepted) and not accepted.provider_id
        assert is_complete or type(result) is OutcomeUnknown, f"{unreadable!r}: {result!r}"


@senders
def test_refusal_raises_the_error_of_its_code(
    cls: type[Integration], provider: HttpRecorder
) -> None:
    for status, content, code in sample(cls, "SAMPLE_REFUSALS"):
        body = {**content, "detail": TEXT} if isinstance(content, dict) else content
        error = send_error(cls, provider, status, body)
        assert error.code == code
        assert cls.explain(code), code
        meaning = cls.errors.codes[code].error
        assert isinstance(error, meaning | DestinationUnavailable), f"{code}: {error!r}"
        assert TEXT not in str(error)


@senders
@pytest.mark.parametrize("status", [200, 400, 401, 403, 500])
def test_no_error_quotes_the_response(
    cls: type[Integration], provider: HttpRecorder, status: int
) -> None:
    quoted = [TEXT, *secrets_of(cls)]
    names = ("code", "error", "message", "description", "detail", "title", "status")
    contents = [*quoted, *(json.dumps(dict.fromkeys(names, words)) for words in quoted)]
    for connection in connections_to(cls, provider.url):
        for content in contents:
            provider.answers.clear()
            provider.answer(status, content)
            result = try_send(connection)
            shown_error = f"{result} {getattr(result, 'code', '')}"
            assert not [text for text in quoted if text in shown_error]
            if status == 200:
                continue  # a test may show the state of the account
            provider.answers[:] = [(status, content, {})] * 6  # a test may call several times
            shown = str(connection.run_check())
            assert not [text for text in quoted if text in shown]


# ── Cards ─────────────────────────────────────────────────────────────────────────────────────────
@senders
def test_card_of_a_team_is_complete(cls: type[Integration]) -> None:
    connection = connection_to(cls, NOWHERE)
    if not connection.destination_of(connection.settings):
        return
    card = Card("Employment Agreement", (("State", "1 of 2 signed"),), ("Dana reminded Eric",))
    buttons = tuple(
        Button(f"Open {number}", f"https://sign.example/r/{number}") for number in range(5)
    )
    rendered = connection.render(
        outbound(connection, "Anna has signed", card=card, buttons=buttons)
    )
    shown = json.dumps(rendered)
    texts = ["Employment Agreement", "Anna has signed", "1 of 2 signed", "Dana reminded Eric"]
    for text in (*texts, *(button.url for button in buttons)):
        assert text in shown, f"{text} is missing"
