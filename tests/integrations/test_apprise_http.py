"""The simulated services of Apprise: what they receive, and tokens that fail on purpose."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask

from hub.connections.connection_tests import try_settings
from hub.core.errors import (
    ConnectionBroken,
    DestinationUnavailable,
    OutcomeUnknown,
    PermanentError,
    SendError,
    SlowDown,
)
from hub.core.vocabulary import Status
from hub.integrations.apprise import Apprise
from hub.integrations.base import Outbound
from hub.shared import integration_instances
from hub.simulator.apprise.scripted_faults import TOKENS
from tests.hub_fixtures import credentials


def connection(app: Flask, url: str = "") -> Any:
    settings = Apprise.demo_settings(credentials(app)) or {}
    return integration_instances.instances().create(
        "apprise", {**settings, **({"url": url} if url else {})}, test=True
    )


def send(integration: Any, text: str = "Hello") -> Any:
    to = integration.destination_of(integration.settings)
    return integration.send(Outbound(id="msg_1", attempt=1, to=to, text=text))


def list_posts(simulator: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (
        simulator.test_client().get("/simulator/apprise.json").json["posts"]
    )
    return found


def test_request_is_shown_as_it_was_sent(in_app: Flask, simulator: Any) -> None:
    assert send(connection(in_app), "Anna <b>signed</b>").status == Status.SENT
    [post] = list_posts(simulator)
    assert post["host"] == "discord.com"
    assert r"Anna \\<b\\>signed" in post["text"]
    client = simulator.test_client()
    shown = client.get("/simulator/apprise").text
    assert "&lt;b" in shown
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=", shown)
    assert client.get("/simulator/apprise.json").json["url"] in shown
    assert all(fault.address in shown for fault in TOKENS)
    client.post("/simulator/apprise/empty")
    assert list_posts(simulator) == []


def test_other_services_are_received_at_their_hosts(in_app: Flask, simulator: Any) -> None:
    send(connection(in_app, "ntfys://signing-k3n9vbt7wq"))
    assert [post["host"] for post in list_posts(simulator)] == ["ntfy.sh"]


def test_settings_of_the_demo_pass_their_test(in_app: Flask, simulator: Any) -> None:
    settings = Apprise.demo_settings(credentials(in_app)) or {}
    assert try_settings("apprise", True, settings).check.ok
    wrong = try_settings("apprise", True, {**settings, "url": "discord://1/2"}).check
    assert (wrong.ok, wrong.field, wrong.code) == (False, "url", "http_404")


@pytest.mark.parametrize(
    ("token", "error", "is_posted"),
    [
        ("fail-302", OutcomeUnknown, False),
        ("fail-400", DestinationUnavailable, False),
        ("fail-401", ConnectionBroken, False),
        ("fail-403", ConnectionBroken, False),
        ("fail-404", DestinationUnavailable, False),
        ("fail-410", DestinationUnavailable, False),
        ("fail-413", PermanentError, False),
        ("fail-429", SlowDown, False),
        ("fail-500", OutcomeUnknown, True),
        ("fail-503", OutcomeUnknown, False),
    ],
)
def test_every_failing_token_has_its_error(
    in_app: Flask, simulator: Any, token: str, error: type[SendError], is_posted: bool
) -> None:
    with pytest.raises(error):
        send(connection(in_app, f"discord://1/{token}"))
    assert bool(list_posts(simulator)) is is_posted
    if token in ("fail-429", "fail-503"):
        assert send(connection(in_app, f"discord://1/{token}")).status == Status.SENT
