"""Requests carry the credentials to the provider's own servers only."""

from __future__ import annotations

from typing import Any

import pytest
import urllib3
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3.exceptions import LocationParseError

from hub.integrations.api import (
    ConfigForm,
    IncomingWebhook,
    Integration,
    ProviderHttpClient,
    SecretField,
    ServerField,
    TokenField,
    WebhookUrlField,
)
from tests.effort import examples
from tests.integrations.http_recorder import HttpRecorder, connect, record_requests

OFFICIAL = "https://api.topic.example"
FILES = "https://files.topic.example:8443/v1"
TOKEN = "tk_0123456789"


class Topic(Integration):
    """Send with a token, to the provider or to a server of an admin."""

    name = "topic"
    title = "Topic"
    auth_setting = "token"
    reports = False
    api = {"topic": OFFICIAL, "topicfiles": FILES}

    class Form(ConfigForm):
        server = ServerField(default=OFFICIAL)
        token = TokenField()


class Hook(IncomingWebhook):
    """Post to a webhook's URL with a token beside it."""

    name = "hook"
    title = "Hook"
    docs_url = "https://docs.hook.example"
    auth_setting = "token"

    class Form(ConfigForm):
        webhook_url = WebhookUrlField(example="https://chat.example/hooks/1", path=r"/hooks/\w+")
        token = SecretField("Token", optional=True)


def connection(server: str = "") -> Topic:
    return Topic({"server": server, "token": TOKEN}, ProviderHttpClient())


def is_signed_in(integration: Integration, url: str) -> bool:
    return TOKEN in str(integration._auth_headers_for(url))


def server_of(url: str) -> tuple[Any, ...]:
    """Return what the HTTP client connects to for a URL."""
    try:
        parts = urllib3.util.parse_url(url)
    except LocationParseError:
        return ()
    return parts.scheme, (parts.host or "").lower(), parts.port or 443


hosts = st.sampled_from(
    [
        "api.topic.example",
        "API.Topic.example",
        "evil.example",
        "topic.example",
        "[::1]",
        "ſ.example",
    ]
)
marks = st.sampled_from(
    [
        "",
        "/",
        "\\",
        "?",
        "#",
        "@",
        ":",
        ":443",
        ":0443",
        ":8443",
        ".",
        "%2f",
        "%40",
        "\t",
        "\n",
        " ",
    ]
)
schemes = st.sampled_from(
    ["https://", "HTTPS://", "http://", "//", "https:/", "https:", "", " https://"]
)
urls = st.builds("".join, st.tuples(schemes, marks, hosts, marks, marks, hosts, marks))


@settings(max_examples=examples(1000))
@given(url=urls | st.text(max_size=40))
def test_no_url_of_another_server_gets_the_credentials(url: str) -> None:
    own = {server_of(OFFICIAL), server_of(FILES)}
    assert not is_signed_in(connection(), url) or server_of(url) in own


@given(path=st.text(st.characters(codec="ascii", exclude_characters="\\"), max_size=20))
def test_every_path_of_an_own_server_gets_them(path: str) -> None:
    for server in (OFFICIAL, "https://API.topic.example:443", "https://files.topic.example:8443"):
        assert is_signed_in(connection(), f"{server}/{path}")


def test_own_server_of_an_admin_is_the_only_one() -> None:
    own = connection("https://topic.your-company.com")
    assert is_signed_in(own, "https://topic.your-company.com/v1/files/1")
    for url in (OFFICIAL, FILES, "https://topic.your-company.com:8443", "https://evil.example"):
        assert not is_signed_in(own, url)


def test_webhook_gets_the_token_beside_its_url() -> None:
    url = "https://chat.example/hooks/1"
    hook = Hook({"webhook_url": url, "token": TOKEN}, ProviderHttpClient())
    assert is_signed_in(hook, url)
    assert not is_signed_in(hook, "https://evil.example/hooks/1")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_to_another_server_is_not_followed(
    http_recorder: HttpRecorder, status: int
) -> None:
    topic = connect(Topic, http_recorder.url, {"server": OFFICIAL, "token": TOKEN})
    with record_requests() as other:
        other.usual = (200, "{}", {})
        http_recorder.answer(status, "", Location=f"{other.url}/steal")
        assert topic.call("GET", "/v1/file").status == status
        assert other.seen == []
    assert TOKEN in http_recorder.headers[0]["authorization"]


def test_file_on_another_server_is_fetched_without_credentials(http_recorder: HttpRecorder) -> None:
    with record_requests() as other:
        topic = Topic(
            {"token": TOKEN},
            ProviderHttpClient(
                allow=[f"127.0.0.1:{port}" for port in (http_recorder.port, other.port)]
            ),
            {"topic": http_recorder.url},
        )
        other.usual = http_recorder.usual = (200, "{}", {})
        topic.request("GET", f"{other.url}/file")
        topic.request("GET", f"{http_recorder.url}/file", headers={"X-Part": "1"})
        assert "authorization" not in other.headers[0]
    assert http_recorder.headers[0]["authorization"] == f"Bearer {TOKEN}"
