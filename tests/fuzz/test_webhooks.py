"""Fuzz the webhooks: no 500, 503 only with Retry-After during a fault, and 2xx for every genuine
one.

The normal tests run for a few seconds; `python -m tests.fuzz webhooks` runs longer. `FUZZ_SECONDS`
and `FUZZ_SEED` set the time and the seed.
"""

from __future__ import annotations

import os
import random
import re
import sqlite3
import time
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from flask import Flask
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from hub import integrations
from hub.connections import connections, demo, settings_form
from hub.connections.connection_tests import lock_connection, set_state
from hub.core.data_dir import SimulatorCredentials
from hub.core.vocabulary import ConnectionState
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.integrations.base import Integration
from hub.integrations.documenso import Documenso
from hub.integrations.pactsafe import PactSafe
from hub.integrations.sendgrid import SendGrid
from hub.integrations.slack.integration import Slack
from hub.integrations.smtp.integration import Smtp
from hub.integrations.telegram.integration import Telegram
from hub.messaging.inbox import conversations
from hub.models import Connection, Contact, ProviderCallback
from hub.shared.action_tokens import make_token
from hub.signing import cards
from tests.conftest import Browser, config_of, make_app
from tests.fuzz.payloads import Payloads
from tests.fuzz.random_values import Webhook
from tests.hub_fixtures import (
    attempts,
    credentials,
    deliver,
    post_callback,
    process_pending_callbacks,
    queue_text,
    status,
    status_form,
    status_target,
)

SECONDS = float(os.environ.get("FUZZ_SECONDS", "4"))
SEED = int(os.environ.get("FUZZ_SEED", "12"))
QUICK = 10.0  # seconds; what takes longer is a separate run
EVERY = 60  # webhooks between two checks of their results
OWN_FAULT = "Internal error"


@pytest.fixture
def payloads(hub_demo: Flask, monkeypatch: pytest.MonkeyPatch) -> Payloads:
    """Return the generator of webhooks for the demo's connections, including chats."""
    monkeypatch.setattr(SendGrid, "starts_in_demo", True)
    demo.connect_chats_and_mail()
    for integration_class in (Documenso, PactSafe):
        connect_signing_app(integration_class, credentials(hub_demo))
    return make_payloads(hub_demo)


@transaction
def connect_signing_app(
    integration_class: type[Integration], account: SimulatorCredentials
) -> None:
    """Add an enabled test connection to a simulated signing app."""
    title = f"Demo {integration_class.title}"
    connection = lock_connection(connections.create(integration_class.name, title, test=True))
    settings = integration_class.demo_settings(account)
    assert settings is not None
    connection.settings = settings_form.get_settings(
        settings_form.read_form(integration_class, settings, {})
    )
    connection.settings_version = 1
    set_state(connection, ConnectionState.ENABLED)


def make_payloads(app: Flask) -> Payloads:
    account = credentials(app)
    slack = Slack.demo_settings(account)
    telegram = Telegram.demo_settings(account)
    assert slack is not None
    assert telegram is not None
    mail = Smtp.demo_settings(account)
    assert mail is not None
    print(f"FUZZ_SEED={SEED}")
    return Payloads(
        random.Random(SEED),
        config_of(app).public_url,
        account.account_sid,
        account.phone_number,
        account.auth_token,
        slack,
        telegram["token"],
        "demo-telegram",
        mail["inbound_token"],
        "demo-email-over-smtp",
        account,
    )


def post_webhook(app: Flask, webhook: Webhook) -> TestResponse:
    target = urlsplit(webhook.target)
    return app.test_client().open(
        target.path,
        query_string=target.query,
        method=webhook.method,
        data=webhook.body,
        content_type=webhook.kind or None,
        headers=webhook.headers,
        environ_overrides={"RAW_URI": webhook.target, "REQUEST_URI": webhook.target},
    )


def count_until(seconds: float) -> Iterator[int]:
    """Count until the time is over, at least once."""
    deadline = time.monotonic() + seconds
    n = 0
    while time.monotonic() < deadline or n == 0:
        yield n
        n += 1


def test_every_route_is_fuzzed(payloads: Payloads) -> None:
    assert set(payloads.makers()) == set(integrations.webhook_paths())


def test_webhooks_never_break_the_hub_and_are_never_lost(
    hub_demo: Flask,
    simulator: object,
    payloads: Payloads,
    admin: Browser,
    capsys: pytest.CaptureFixture[str],
) -> None:
    message_id = queue_text()
    deliver()
    payloads.messages.append(message_id)
    payloads.buttons += [
        make_token(kind, "", timedelta(days=1)) for kind in (cards.REMIND, cards.SNOOZE)
    ]
    for n in count_until(SECONDS):
        webhook = payloads.make_webhook()
        answer = post_webhook(hub_demo, webhook)
        if webhook.genuine:
            assert 200 <= answer.status_code < 300, f"{answer.status} for {webhook.what}"
        else:
            assert answer.status_code in (
                200,
                400,
                401,
                403,
                404,
                405,
                413,
            ), f"{answer.status} for {webhook.what}"
        if answer.status_code == 405:
            assert answer.headers["Allow"]
        if n % EVERY == EVERY - 1:
            check_processing(admin)
    check_processing(admin)
    check_messages(hub_demo, message_id)
    assert n > 20, "hardly any webhook was tried"
    if SECONDS > QUICK:
        with capsys.disabled():
            print(f"{n + 1} webhooks")


@pytest.mark.skipif(SECONDS <= QUICK, reason="it waits for the database's patience to end")
def test_webhook_during_a_locked_database_is_refused_for_a_retry(
    hub_demo: Flask, payloads: Payloads
) -> None:
    if not config_of(hub_demo).sqlite:
        pytest.skip("only SQLite has one lock for all")
    genuine = next(
        webhook
        for webhook in iter(payloads.make_webhook, None)
        if webhook.genuine and "ssl_check" not in webhook.what
    )
    db.session.rollback()
    holder = sqlite3.connect(db.engine.url.database or "", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        answer = post_webhook(hub_demo, genuine)
    finally:
        holder.execute("ROLLBACK")
        holder.close()
    assert answer.status_code == 503, genuine.what
    assert int(answer.headers["Retry-After"]) > 0
    assert post_webhook(hub_demo, genuine).status_code == 200


def check_processing(admin: Browser) -> None:
    """Process the callbacks, and check that none is stuck, failed by a fault or breaks a page."""
    moment = now()
    process_pending_callbacks()
    for row in db.session.scalars(select(ProviderCallback)):
        assert OWN_FAULT not in row.error, f"{row.subject}: {row.error}"
        assert row.due_at is None or (row.tries > 0 and row.due_at >= moment), (
            f"{row.subject} is stuck"
        )
    expire_unmatched()
    for path in pages():
        assert admin.get(path).status_code == 200, path


@transaction
def expire_unmatched() -> None:
    """Expire callbacks about unknown messages, so that the next check is quick."""
    db.session.execute(
        update(ProviderCallback).where(ProviderCallback.due_at.is_not(None)).values(due_at=None)
    )


def pages() -> Iterator[str]:
    yield from (
        "/",
        "/receipts",
        "/inbox",
        "/inbox?show=unread",
        "/opt-outs",
        "/messages",
        "/activity",
    )
    for conversation in conversations.newest_conversations(8):
        yield f"/inbox/{conversation.row.id}"
        if conversation.row.contact_id:
            yield f"/contacts/{conversation.row.contact_id}"


def check_messages(app: Flask, message_id: str) -> None:
    """Check that statuses of known messages still arrive, and that every contact has an address."""
    sid = attempts(message_id)[0].provider_id or ""
    assert (
        post_callback(
            app, status_form(app, sid, "read"), target=status_target(message_id)
        ).status_code
        == 200
    )
    process_pending_callbacks()
    assert status(message_id) == "read"
    assert not list(
        db.session.scalars(
            select(Contact.id).where(Contact.address == "", Contact.erased_at.is_(None))
        )
    )
    slugs = set(db.session.scalars(select(Connection.slug)))
    assert "demo-telegram" in slugs


class TestWithoutAQueue:
    """A hub whose queue server is unreachable."""

    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"HUB_REDIS_URL": "redis://127.0.0.1:9/0"}

    def test_genuine_webhooks_are_accepted(self, hub_demo: Flask, payloads: Payloads) -> None:
        for _ in count_until(SECONDS / 4):
            webhook = payloads.make_webhook()
            answer = post_webhook(hub_demo, webhook)
            assert answer.status_code < 300 if webhook.genuine else answer.status_code < 500, (
                f"{answer.status} for {webhook.what}"
            )


class TestWithoutADatabase:
    """A hub whose database is unreachable."""

    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"HUB_DATABASE_URL": "postgresql://hub@127.0.0.1:9/none"}

    def test_providers_are_asked_to_retry(self, environ: dict[str, str]) -> None:
        app = make_app(environ)
        with app.app_context():
            payloads = make_payloads(app)
        for _ in count_until(SECONDS / 4):
            webhook = payloads.make_webhook()
            answer = post_webhook(app, webhook)
            assert answer.status_code != 500, f"{answer.status} for {webhook.what}"
            if webhook.genuine and "ssl_check" not in webhook.what:
                assert answer.status_code == 503, f"{answer.status} for {webhook.what}"
            if answer.status_code == 503:
                assert re.fullmatch("[1-9][0-9]*", answer.headers["Retry-After"])
