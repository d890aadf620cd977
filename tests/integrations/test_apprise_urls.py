"""Apprise URLs: which are accepted, what an error says, and that no other host is ever called."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

import pytest
from apprise import NotifyBase
from apprise.url import URLBase
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from hub.integrations.api import ProviderHttpClient, SendError
from hub.integrations.apprise import Apprise, library
from hub.integrations.apprise.services import Service, services
from tests.effort import examples
from tests.integrations.http_recorder import HttpRecorder, record_requests

URL = "discord://417429632418316298/JHZ7lQml277CDHmQKMHI8qBe7bk2ZwO5"
SERVICES = list(dict.fromkeys(services().values()))
# every parameter that Apprise reads from any URL, besides those of a service
COMMON = {
    *URLBase.template_args,
    *NotifyBase.template_args,
    *("cache", "host", "name", "pass", "password", "port", "schema", "tag", "to", "url", "user"),
}


def errors_of(url: str, own_server: str = "") -> list[str]:
    form = Apprise.Form(MultiDict({"url": url, "own_server": own_server}))
    assert form.validate() is not bool(form.errors)
    assert set(form.errors) <= {"url", "own_server"}
    return [str(error) for errors in form.errors.values() for error in errors]


@pytest.fixture(scope="module")
def server() -> Iterator[HttpRecorder]:
    with record_requests() as recorder:
        recorder.usual = (200, "{}", {})
        yield recorder


def send(url: str, server: HttpRecorder, own_server: str = "") -> set[str]:
    """Send to a URL that was stored in any way, and return the hosts of the requests."""
    client = ProviderHttpClient(allow=[f"127.0.0.1:{server.port}"])
    connection = Apprise({"url": url, "own_server": own_server}, client, {"apprise": server.url})
    server.seen.clear()
    with suppress(SendError):
        connection.post({"text": "Hello"})
    assert len(server.seen) <= 1
    return {path.split("/")[2] for path in server.paths}


# ── Accepted and refused ──────────────────────────────────────────────────────────────────────────
def test_url_of_a_listed_service_is_accepted() -> None:
    assert errors_of(URL) == []
    assert errors_of(f"{URL}?thread=1234567890") == []


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("", "Enter the Apprise URL."),
        ("JHZ7lQml277CDHmQ", "not one Apprise URL"),
        ("https://discord.com/api/webhooks/4174/JHZ7", "does not send to “https” URLs"),
        ("mailto://user:pass@mail.example", "does not send to “mailto” URLs"),
        ("syslog://localhost", "does not send to “syslog” URLs"),
        ("dbus://", "not one Apprise URL"),
        ("discord://417429632418316298", "is not complete, or it has several receivers"),
        (f"{URL},{URL}", "not one Apprise URL"),
        (f"{URL} {URL}", "not one Apprise URL"),
        (f"{URL};{URL}", "not one Apprise URL"),
        (f"{URL}\nntfy://topic", "not one Apprise URL"),
        ("ntfys://one/two/three", "it has several receivers"),
        (f"{URL}?", "not one Apprise URL"),
        (f"{URL}?thread", "after the question mark"),
        (f"{URL}?thread=1;redirect=yes", "after the question mark"),
        (f"{URL}?+X-Token=1", "after the question mark"),
        (f"{URL}?THREAD=1", "after the question mark"),
        (f"{URL}?thread=1&redirect=yes", "Remove the parameter “redirect”"),
        (f"{URL}?template=/etc/passwd", "Remove the parameter “template”"),
        ("gchat://a/b/c?verify=no", "Remove the parameter “verify”"),
    ],
)
def test_error_of_a_url_says_how_to_fix_it(url: str, error: str) -> None:
    [sentence] = errors_of(url)
    assert error in sentence
    assert sentence.endswith(".")
    assert "JHZ7" not in sentence


@pytest.mark.parametrize(
    ("url", "own_server", "is_accepted"),
    [
        ("gotifys://gotify.example/Apq3xV9kLmT2wRz", "gotify.example", True),
        ("gotifys://gotify.example:8443/Apq3xV9kLmT2wRz", "gotify.example:8443", True),
        ("gotifys://gotify.example:8443/Apq3xV9kLmT2wRz", "gotify.example", False),
        ("gotifys://gotify.example/Apq3xV9kLmT2wRz", "", False),
        ("gotifys://gotify.example/Apq3xV9kLmT2wRz", "other.example", False),
        ("ntfys://anna:pass@push.example/signing", "push.example", True),
        ("ntfys://signing", "", True),
        # services of which no server can be run do not call one
        ("zulip://signpost@acme.evil.example/a8b4c2d0e9f1a8b4c2d0e9f1a8b4c2d0", "", False),
        (
            "zulip://signpost@acme.evil.example/a8b4c2d0e9f1a8b4c2d0e9f1a8b4c2d0",
            "acme.evil.example",
            False,
        ),
    ],
)
def test_own_server_has_to_be_named(url: str, own_server: str, is_accepted: bool) -> None:
    errors = errors_of(url, own_server)
    assert (errors == []) is is_accepted
    assert all("is not allowed for" in error for error in errors)


def test_own_server_is_a_host() -> None:
    assert errors_of(URL, "https://ntfy.example.com/")[0].startswith("Enter the host")


def test_sign_in_with_a_second_request_is_refused() -> None:
    [error] = errors_of("rockets://user:password@chat.example/signing", "chat.example")
    assert "not complete, or it has several receivers" in error


# ── Parameters ────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.module)
def test_only_harmless_parameters_are_allowed(service: Service) -> None:
    cls = library._class_of(service.module, service.schemes)
    read = COMMON | set(cls.template_args)
    for name in read - set(service.options):
        [error] = errors_of(f"{service.example}?{name}=yes")
        assert f"Remove the parameter “{name}”" in error or "question mark" in error
    assert set(service.options) <= set(cls.template_args)
    assert not set(service.options) & COMMON


def test_stored_url_with_a_refused_parameter_sends_nothing(server: HttpRecorder) -> None:
    assert send(URL, server) == {"discord.com"}
    for parameter in ("redirect=yes", "verify=no", "retry=3&wait=1", "template=/etc/passwd"):
        assert send(f"{URL}?{parameter}", server) == set()


# ── Any text ──────────────────────────────────────────────────────────────────────────────────────
_PIECES = st.sampled_from(
    [
        *("discord", "ntfys", "gotify", "zulip", "ryver", "jsons", "mailto", "file", "http"),
        *("://", "/", ":", "@", "?", "&", "=", "%2F", "%40", "%00", "#", "\\", ",", ";", " ", ".."),
        *(
            "127.0.0.1",
            "[::1]",
            "localhost",
            "evil.example",
            "discord.com",
            "ntfy.sh",
            "a.ryver.com",
        ),
        *("redirect=yes", "thread=1", "mode=private", "token", "JHZ7lQml277CDHmQKMHI8qBe7bk2ZwO5"),
    ]
)
_CHANGED = st.builds(
    lambda service, at, piece: service.example[:at] + piece + service.example[at:],
    st.sampled_from(SERVICES),
    st.integers(0, 40),
    _PIECES | st.text(max_size=4),
)


@trying(max_examples=examples(600))
@given(st.text(max_size=60) | st.lists(_PIECES, max_size=9).map("".join) | _CHANGED)
def test_any_text_gives_an_error_or_calls_an_allowed_host_only(
    server: HttpRecorder, url: str
) -> None:
    for error in errors_of(url):
        assert error.endswith(".")
        assert len(error) > 20
    hosts = [pattern for service in SERVICES for pattern in service.hosts]
    for host in send(url, server):
        assert any(re.fullmatch(pattern, host) for pattern in hosts), host
