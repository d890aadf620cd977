"""A server in place of Slack that responds as a test specifies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from hub.core.errors import (
    SendError,
)
from hub.integrations.base import Outbound
from hub.integrations.slack.integration import Slack
from hub.lib.provider_http import ProviderHttpClient
from tests.conftest import free_port, serving

SECRET = "aSecretPartOfTheAddress1"
HOOK = f"https://hooks.slack.com/services/T0123ABCD/B0123ABCD/{SECRET}"
PLACE = "T0123ABCD/B0123ABCD"
CHANNEL = "C0123456789"
BY_HOOK = {"webhook_url": HOOK}
BY_BOT = {"bot_token": "xoxb-1234-5678-abcd", "channel": CHANNEL}
BUTTONS = {"app_id": "A0123456789", "signing_secret": "0123456789abcdef" * 2}


def outbound(to: str = CHANNEL, text: str = "Hello", **fields: Any) -> Outbound:
    return Outbound("msg_1", 1, to, text, **fields)


class SlackServer:
    """A WSGI server in place of Slack that records requests and repeats its last response."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.answers: dict[str, tuple[int, str, dict[str, str]]] = {}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode()
        headers = {
            name: str(environ.get(name, "")) for name in ("CONTENT_TYPE", "HTTP_AUTHORIZATION")
        }
        self.requests.append((environ["PATH_INFO"], body, headers))
        status, text, more_headers = self.answers[
            max((path for path in self.answers if environ["PATH_INFO"].endswith(path)), key=len)
        ]
        start_response(
            f"{status} So", [*more_headers.items(), ("Content-Length", str(len(text.encode())))]
        )
        return [text.encode()]

    def respond(self, body: Any, status: int = 200, at: str = "", **headers: str) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        self.answers[at] = (
            status,
            text,
            {name.replace("_", "-"): value for name, value in headers.items()},
        )


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def running_slack_server(port: int) -> Iterator[SlackServer]:
    server = SlackServer()
    with serving(server, port):
        yield server


@pytest.fixture
def slack_server(running_slack_server: SlackServer) -> SlackServer:
    running_slack_server.requests = []
    running_slack_server.answers = {}
    return running_slack_server


@pytest.fixture
def slack_for(slack_server: SlackServer, port: int) -> Any:
    client = ProviderHttpClient(allow={f"127.0.0.1:{port}"})
    return lambda settings: Slack(
        settings, client, dict.fromkeys(Slack.api, f"http://127.0.0.1:{port}")
    )


def send_error(slack: Slack, message: Outbound) -> SendError:
    with pytest.raises(SendError) as caught:
        slack.send(message)
    return caught.value
