"""Fixtures of a hub in demo mode, its signing app, and workers that run until nothing is left."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from twilio.request_validator import RequestValidator
from werkzeug.test import TestResponse

from hub.connections import connections
from hub.connections.connection_tests import lock_connection, set_state
from hub.core import data_dir
from hub.core.data_dir import SimulatorCredentials
from hub.core.vocabulary import ConnectionState
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.intake import process_callbacks
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.compose import direct
from hub.messaging.send.dispatcher import Dispatcher
from hub.models import (
    Attempt,
    Connection,
    Message,
    PlatformEvent,
    ProviderCallback,
    Source,
    StatusEvent,
    Throttle,
)
from tests.conftest import config_of, serving

CALLBACK = "/api/rpc/webhooks/twilio/sms"
ERIC = "+13175551234"
ANNA = "+442071234567"
OPT_OUT_LINE = "\nReply STOP to opt out."  # the end of the first SMS to a number in +1


# ── The demo ──────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def hub_demo(in_app: Flask, demo_data: None) -> Iterator[Flask]:
    """Return an application with the demo's connections and key, with its context pushed."""
    before = signal.getsignal(signal.SIGTERM)
    yield in_app
    signal.signal(signal.SIGTERM, before)  # a drain in this process took it


@pytest.fixture
def connection(hub_demo: Flask) -> Connection:
    """Return the demo's SMS connection to the simulator."""
    return db.session.scalars(select(Connection).where(Connection.slug == "demo-sms")).one()


@pytest.fixture
def served(app: Flask) -> Iterator[Flask]:
    """Serve the application where providers send callbacks."""
    with serving(app, config_of(app).bind.port):
        yield app


@dataclass
class SigningApp:
    """A signing app that posts to the API with its key."""

    client: FlaskClient
    key: str
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **query: Any) -> TestResponse:
        return self.client.get(f"/api/v1{path}", query_string=query, headers=self._headers({}))

    def post(self, path: str, content: Any = None, **headers: str) -> TestResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if content is None:
            return self.client.post(f"/api/v1{path}", headers=self._headers(named))
        return self.client.post(f"/api/v1{path}", json=content, headers=self._headers(named))

    def raw(self, path: str, body: bytes | str, kind: str = "application/json") -> TestResponse:
        return self.client.post(
            f"/api/v1{path}", data=body, content_type=kind, headers=self._headers({})
        )

    def _headers(self, headers: dict[str, str]) -> dict[str, str]:
        return {
            **({"Authorization": f"Bearer {self.key}"} if self.key else {}),
            **self.headers,
            **headers,
        }


@pytest.fixture
def signing_app(hub_demo: Flask) -> SigningApp:
    """Return the demo's signing app, whose key is for test connections."""
    return SigningApp(
        hub_demo.test_client(), (config_of(hub_demo).data_dir / "demo-key").read_text().strip()
    )


def event_body(
    kind: str = "request.sent", *, signers: list[dict[str, Any]] | None = None, **fields: Any
) -> dict[str, Any]:
    """Return an event as a signing app posts it."""
    request = {"id": "agr-1001", "title": "Employment Agreement", "sender": {"name": "Acme HR"}}
    event = {"type": kind, "occurred_at": now().isoformat(), "request": request, **fields}
    if signers is not None:
        event["signers"] = signers
    return event


def signer_body(name: str, number: str | None = ERIC, **fields: Any) -> dict[str, Any]:
    return {
        "id": name.lower(),
        "name": name,
        "mobile_number": number,
        "signing_url": f"https://sign.example/r/{name.lower()}",
        **fields,
    }


# ── Messages ──────────────────────────────────────────────────────────────────────────────────────
def queue_text(to: str = ERIC, text: str = "Your contract is ready.", **options: Any) -> str:
    """Queue a direct message over the demo's connection and return its ID."""
    return direct.send_message(to=to, text=text, test=True, **({"channel": "sms"} | options))


def source_id() -> str:
    return db.session.scalars(select(Source.id).where(Source.slug == "default")).one()


def message(message_id: str) -> Message:
    """Load a message."""
    db.session.rollback()
    return db.session.get_one(Message, message_id)


def status(message_id: str) -> str:
    return message(message_id).status


def attempts(message_id: str) -> list[Attempt]:
    db.session.rollback()
    return list(
        db.session.scalars(
            select(Attempt).where(Attempt.message_id == message_id).order_by(Attempt.number)
        )
    )


def event_types(message_id: str) -> list[str]:
    """Return the platform events of a message, sorted."""
    db.session.rollback()
    return sorted(
        db.session.scalars(select(PlatformEvent.type).where(PlatformEvent.message_id == message_id))
    )


def status_words(message_id: str) -> list[str]:
    """Return the provider's statuses of a message in the order in which they were recorded."""
    db.session.rollback()
    return list(
        db.session.scalars(
            select(StatusEvent.provider_status)
            .where(StatusEvent.message_id == message_id)
            .order_by(StatusEvent.id)
        )
    )


def count(model: Any) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model)) or 0


@transaction
def update_message(message_id: str, **columns: Any) -> None:
    """Update the row of a message to a state that takes long to arise otherwise."""
    row = db.session.get_one(Message, message_id)
    for name, value in columns.items():
        setattr(row, name, value)


@transaction
def set_connection_state(connection_id: str, state: ConnectionState) -> None:
    set_state(lock_connection(connection_id), state)


def make_due(message_id: str) -> None:
    """Make a message due now."""
    update_message(message_id, due_at=now() - timedelta(seconds=1))


@transaction
def clear_throttle(connection: Connection) -> None:
    """Remove the pause of a sender, whether of the rate limit or the circuit breaker."""
    row = db.session.get(Throttle, connection.throttle, with_for_update=True)
    if row is not None:
        row.ready_at = row.bulk_ready_at = row.refilled_at = None


# ── Workers ───────────────────────────────────────────────────────────────────────────────────────
def deliver(seconds: float = 15) -> int:
    """Send until nothing is due, and return how many calls were made."""
    db.session.rollback()  # requests of this test may have read in its context
    return Dispatcher(ShutdownSignal(seconds)).run(linger=0)


def process_pending_callbacks() -> int:
    """Process callbacks until none is due."""
    db.session.rollback()
    return process_callbacks.process_due(ShutdownSignal(15), linger=0)


# ── The provider ──────────────────────────────────────────────────────────────────────────────────
def credentials(app: Flask) -> SimulatorCredentials:
    return data_dir.simulator_credentials(Path(config_of(app).data_dir))


def texts_at_provider(simulator: Any, to: str = "") -> list[str]:
    """Return the texts that the provider accepted, oldest first."""
    return [message.body for message in simulator.extensions["simulator"].store.on_phone(to)]


def status_form(app: Flask, sid: str, status: str, **fields: str) -> dict[str, str]:
    """Return the fields of a status callback as Twilio posts them."""
    account = credentials(app)
    return {
        "AccountSid": account.account_sid,
        "ApiVersion": "2010-04-01",
        "From": account.phone_number,
        "To": ERIC,
        "MessageSid": sid,
        "SmsSid": sid,
        "MessageStatus": status,
        "SmsStatus": status,
        **fields,
    }


def post_callback(
    app: Flask,
    form: dict[str, str] | list[tuple[str, str]],
    *,
    target: str = CALLBACK,
    token: str | None = None,
    url: str = "",
    headers: dict[str, str] | None = None,
) -> TestResponse:
    """Post a form to a webhook, signed by Twilio's library for the public address of `target`."""
    fields = dict(form)
    signed = url or config_of(app).public_url + target
    signature = RequestValidator(token or credentials(app).auth_token).compute_signature(
        signed, fields
    )
    return app.test_client().post(
        target,
        data=urlencode(form),
        content_type="application/x-www-form-urlencoded; charset=UTF-8",
        headers={"X-Twilio-Signature": signature, **(headers or {})},
    )


def status_target(message_id: str, attempt: int = 1) -> str:
    """Return the request target of a message's status callback."""
    return f"{CALLBACK}?message={message_id}&attempt={attempt}"


@transaction
def copy_connection(title: str, *, like: Connection, **settings: str) -> str:
    """Add an enabled test connection with the settings of another, except for the given ones."""
    connection = lock_connection(connections.create(like.integration, title, test=True))
    connection.settings = {**like.settings, **settings}
    connection.settings_version = 1
    connection.account = connection.settings["account_sid"]
    connection.sender = connection.settings["sender"]
    set_state(connection, ConnectionState.ENABLED)
    return connection.id


def callbacks() -> list[ProviderCallback]:
    db.session.rollback()
    return list(db.session.scalars(select(ProviderCallback).order_by(ProviderCallback.id)))


def json_of(response: TestResponse) -> Any:
    return json.loads(response.data)


def eventually(condition: Any, seconds: float = 10) -> Any:
    """Return the value of a condition as soon as it is true, with a new session for each try."""
    deadline = time.monotonic() + seconds
    while True:
        db.session.rollback()
        if value := condition():
            return value
        assert time.monotonic() < deadline, f"not within {seconds:g} seconds"
        time.sleep(0.02)
