"""The registry of integrations."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import assume, given
from hypothesis import strategies as st
from sqlalchemy import select

from hub import integrations
from hub.connections import connections
from hub.core.errors import ConfigError, NotFound
from hub.db.engine import db
from hub.db.store import transaction
from hub.integrations.base import (
    WebhookRequest,
)
from hub.integrations.webhook_receiver import WebhookReceiver, webhook
from hub.lib import provider_http
from hub.messaging.compose import outbox
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.models import Connection
from hub.signing import accept
from hub.signing.events import EventIn
from tests.conftest import close as close
from tests.conftest import make_app
from tests.fake_provider import FakeChat, install
from tests.hub_fixtures import connection as connection
from tests.hub_fixtures import (
    deliver,
    event_body,
    queue_text,
    signer_body,
    source_id,
    status,
)
from tests.hub_fixtures import hub_demo as hub_demo
from tests.integrations.instances import ALL, make_webhook


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    yield tmp_path / "site"
    monkeypatch.undo()
    integrations.registry.cache_clear()


def test_twilio_is_registered() -> None:
    assert [cls.name for cls in ALL if cls.name.startswith("twilio")] == [
        "twilio_sms",
        "twilio_voice",
    ]
    assert list(integrations.registry()) == [
        cls.name for cls in sorted(ALL, key=lambda integration: integration.title.lower())
    ]


def test_each_integration_is_found_by_loading_its_module_only() -> None:
    for cls in ALL:
        module = integrations.MODULES.get(cls.name, cls.name)
        assert f"{cls.__module__}.".startswith(f"hub.integrations.{module}.")
        assert integrations.get(cls.name) is cls


@given(st.text(max_size=20) | st.sampled_from(["api", "base", "twilio", "..api", "api.x", ""]))
def test_other_names_are_no_integrations(name: str) -> None:
    assume(name not in integrations.registry())
    with pytest.raises(NotFound):
        integrations.get(name)


def test_package_registers_an_integration_by_entry_point(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, monkeypatch, {"fake_chat": "tests.fake_provider:FakeChat"})
    assert integrations.get("fake_chat") is FakeChat
    assert list(integrations.registry()) != [cls.name for cls in ALL]


def test_registered_integration_has_its_card_and_webhook(
    site: Path,
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    secret_keys: dict[str, str],
) -> None:
    site.mkdir()
    (site / "webhook_chat.py").write_text(
        "from hub.integrations.api import BadWebhook, WebhookReceiver, webhook\n"
        "from tests.fake_provider import FakeChat\n\n\n"
        "class WebhookChat(WebhookReceiver, FakeChat):\n"
        "    name, title = 'webhook_chat', 'Webhook chat'\n\n"
        "    def verify(self, request):\n"
        "        raise BadWebhook('Nobody signs.')\n\n"
        "    @webhook('webhook-chat/{connection}')\n"
        "    def on_arrival(self, request):\n"
        "        return []\n"
    )
    install(site, monkeypatch, {"webhook_chat": "webhook_chat:WebhookChat"})
    app = make_app(environ)
    answer = app.test_client().post("/api/rpc/webhooks/webhook-chat/room", data=b"")
    with app.app_context():
        close(app)
    assert answer.status_code == 403, "there, and unsigned"
    assert "webhook-chat/{connection}" in integrations.webhook_paths()


OLD = """
from tests.fake_provider import FakeChat

class Old(FakeChat):
    name = "old_chat"
    contract = 1
"""
OLDER = """
from hub.integrations.base import Fact, Integration
"""


@pytest.mark.parametrize(
    ("code", "reason"),
    [(OLD, "was written for contract 1"), (OLDER, "cannot be loaded: cannot import name 'Fact'")],
)
def test_plug_in_of_an_older_contract_is_refused_by_name(
    site: Path, monkeypatch: pytest.MonkeyPatch, code: str, reason: str
) -> None:
    site.mkdir()
    module = f"old_chat_{len(code)}"
    (site / f"{module}.py").write_text(code)
    install(site, monkeypatch, {"old_chat": f"{module}:Old"})
    with pytest.raises(ConfigError) as problem:
        integrations.registry()
    error = str(problem.value)
    assert "The integration “old_chat” of the package fake-chat 1.0" in error
    assert reason in error
    assert "docs/integration-names.md" in error
    assert (Path(integrations.__file__).parents[2] / integrations.NAMES).is_file()


def test_webhook_needs_a_receiver() -> None:
    with pytest.raises(TypeError, match="must inherit from WebhookReceiver"):

        class WithoutReceiver(FakeChat):
            name = "deaf"

            @webhook("deaf")
            def on_call(self, request: WebhookRequest) -> list[Any]:
                return []


def test_duplicate_names_are_refused(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    importlib.import_module("tests.fake_provider")
    site.mkdir()
    (site / "false_twilio.py").write_text(
        "from tests.fake_provider import FakeChat\n\n\n"
        "class False_(FakeChat):\n    name = 'twilio_sms'\n"
    )
    install(site, monkeypatch, {"false": "false_twilio:False_"})
    with pytest.raises(ConfigError, match="twilio_sms"):
        integrations.registry()


def test_missing_integration_is_reported() -> None:
    with pytest.raises(NotFound, match="install"):
        integrations.get("webhook_chat")


def test_webhook_declarations_are_collected_from_methods() -> None:
    class WithWebhook(WebhookReceiver, FakeChat):
        name = "speaking"

        def verify(self, request: WebhookRequest) -> None:
            """Accept every request."""

        @webhook("a")
        def on_a(self, request: WebhookRequest) -> list[Any]:
            return [1]

    assert WithWebhook.webhooks == {"a": "on_a"}
    assert FakeChat.webhooks == {}
    assert WithWebhook({}, provider_http.ProviderHttpClient()).parse_events(make_webhook("a")) == [
        1
    ]


def test_missing_package_does_not_stop_the_hub(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    @transaction
    def add_orphan() -> str:
        orphan = db.session.get_one(
            Connection, connections.create(connection.integration, "Orphan", test=True)
        )
        orphan.integration = "uninstalled"
        orphan.state = "enabled"
        orphan.settings_version = 1
        orphan.settings = {}
        contact = get_or_create_contact("phone", "+13175551234", test=True)
        return outbox.add_message(
            outbox.Draft(connection=orphan.info, recipient=contact, text="Nobody carries this.")
        )

    connection_id = add_orphan()
    answer = accept.accept_event(
        EventIn.model_validate(event_body(signers=[signer_body("Eric")])), source_id(), test=True
    )
    assert len(answer["messages"]) == 1
    message_id = queue_text()
    deliver()
    assert (status(message_id), status(connection_id)) == ("accepted", "queued")
    db.session.rollback()
    row = db.session.scalars(
        select(Connection).where(Connection.integration == "uninstalled")
    ).one()
    assert (row.state, "install" in row.state_reason) == ("broken", True)
