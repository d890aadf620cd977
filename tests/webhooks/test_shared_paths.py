"""A webhook on a path without a connection, whose account no method names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from wtforms import StringField

from hub import integrations
from hub.connections import connections
from hub.core.errors import BadWebhook
from hub.intake import provider_callbacks
from hub.integrations.base import ConfigForm, SecretField, WebhookRequest
from hub.integrations.values import WebhookEvent
from hub.integrations.webhook_receiver import WebhookReceiver, webhook
from hub.integrations.webhook_signatures import verify_secret
from tests.fake_provider import FakeChat, install

PATH = "shared_path_chat/events"


class SharedPathChat(WebhookReceiver, FakeChat):
    """A chat with accounts, whose webhooks name none."""

    name = "shared_path_chat"
    title = "Shared path chat"
    account_setting = "account"

    class Form(ConfigForm):
        account = StringField("Account")
        secret = SecretField("Secret")

    def verify(self, request: WebhookRequest) -> None:
        verify_secret(str(self.settings.get("secret") or ""), request.headers.get("x-secret", ""))

    @webhook(PATH)
    def on_event(self, request: WebhookRequest) -> list[WebhookEvent]:
        """Events"""
        return []


@pytest.fixture
def shared_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    target = f"{__name__}:{SharedPathChat.__name__}"
    install(tmp_path / "site", monkeypatch, {SharedPathChat.name: target})
    yield
    monkeypatch.undo()
    integrations.registry.cache_clear()


def test_webhook_that_names_no_account_is_tried_with_all_connections(
    in_app: Flask, shared_path: None
) -> None:
    values = {"account": "a", "secret": "secret-of-a"}
    connection_id = connections.add(SharedPathChat.name, "A", True, values)
    connections.add(SharedPathChat.name, "B", True, {"account": "b", "secret": "secret-of-b"})
    cls = integrations.webhook_receiver(SharedPathChat.name)

    def verify(secret: str) -> tuple[str, ...]:
        headers = {"x-secret": secret}
        request = WebhookRequest("POST", f"https://hub.example/{PATH}", PATH, headers, b"{}")
        return provider_callbacks.verify(request, [cls]).connection_ids

    assert verify("secret-of-a") == (connection_id,)
    with pytest.raises(BadWebhook):
        verify("another secret")
