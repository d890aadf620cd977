"""Rate limits of senders: tokens, and the share of each lane."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.core.vocabulary import Lane
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.send import claims as delivery
from hub.messaging.send import dispatcher
from hub.messaging.send.dispatcher import Dispatcher
from hub.models import Attempt, Connection, Throttle
from tests.fake_provider import FakeChat, FakeProvider
from tests.hub_fixtures import (
    copy_connection,
    count,
    deliver,
    eventually,
    message,
    queue_text,
    status,
    texts_at_provider,
    update_message,
)
from tests.messaging.send.rate_limit_steps import claim, queue_message


@transaction
def limit(connection_id: str, per_second: float | None) -> None:
    db.session.get_one(Connection, connection_id).per_second = per_second


# ── Tokens ────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def rate_limited_chat(fake_chat: Connection, monkeypatch: pytest.MonkeyPatch) -> Connection:
    """Limit the fake chat to two messages a second."""
    monkeypatch.setattr(FakeChat, "per_second", 2.0)
    monkeypatch.setattr(FakeChat, "concurrency", 64)
    return fake_chat


def test_idle_sender_may_send_a_burst_at_once(
    rate_limited_chat: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeChat, "burst", 6.0)
    for number in range(8):
        queue_message(text=f"{number}")
    assert len(claim(rate_limited_chat)) == 6
    assert claim(rate_limited_chat) == []


def test_claims_do_not_exceed_available_tokens(rate_limited_chat: Connection) -> None:
    ids = [queue_message(text=f"{n}") for n in range(8)]
    assert [claimed.message_id for claimed in claim(rate_limited_chat)] == ids[:4], (
        "what an idle sender saved up"
    )
    assert claim(rate_limited_chat) == []
    assert delivery.find_due_connections() == [], "nothing to do before the next token"
    assert {(status(message_id), message(message_id).tries) for message_id in ids[4:]} == {
        ("queued", 0)
    }
    eventually(delivery.find_due_connections, 2)
    assert [claimed.message_id for claimed in claim(rate_limited_chat)] == ids[4:5]


def test_configured_rate_takes_precedence_over_the_integration(
    rate_limited_chat: Connection,
) -> None:
    limit(rate_limited_chat.id, 8)
    for n in range(12):
        queue_message(text=f"{n}")
    assert len(claim(rate_limited_chat)) == 8


def test_bulk_never_uses_the_last_quarter_of_the_tokens(rate_limited_chat: Connection) -> None:
    for n in range(8):
        update_message(queue_message(text=f"reminder {n}"), lane=Lane.BULK.value)
    assert len(claim(rate_limited_chat)) == 3
    assert delivery.find_due_connections() == []
    urgent = queue_message(text="sign here")
    assert delivery.find_due_connections() == [rate_limited_chat.id]
    assert [claimed.message_id for claimed in claim(rate_limited_chat)] == [urgent], (
        "it does not wait behind reminders"
    )


def test_connections_of_one_sender_share_tokens(connection: Connection) -> None:
    twin = copy_connection("Twin", like=connection)
    stranger = copy_connection("Stranger", like=connection, sender="+15005550099")
    limit(twin, 4)
    for slug in (connection.slug, "twin", "stranger"):
        for n in range(8):
            queue_text(text=f"{slug} {n}", channel="", connection_slug=slug)
    counter = Counter(
        claimed.connection_id
        for claimed in delivery.record_and_claim([], {connection.id: 3, twin: 8, stranger: 8})
    )
    assert counter == {connection.id: 3, twin: 1, stranger: 8}
    assert delivery.record_and_claim([], {connection.id: 8, twin: 8}) == []


def test_archived_connection_no_longer_limits_its_sender(connection: Connection) -> None:
    twin = copy_connection("Twin", like=connection)
    limit(twin, 1)

    @transaction
    def archive() -> None:
        db.session.get_one(Connection, twin).archived_at = now()

    archive()
    for n in range(8):
        queue_text(text=f"{n}", channel="", connection_slug=connection.slug)
    assert len(claim(connection)) == 8


def test_sender_without_a_limit_stores_no_state(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    for n in range(8):
        queue_message(text=f"{n}")
    deliver()
    assert len(fake_provider.sent) == 8
    assert count(Throttle) == 0


def test_concurrent_dispatchers_share_the_rate(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    limit(connection.id, 20)
    for n in range(120):
        queue_text(text=f"text {n}")
    began = now()

    def work() -> None:
        with hub_demo.app_context():
            Dispatcher(ShutdownSignal(2)).run()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    db.session.rollback()
    started = sorted(db.session.scalars(select(Attempt.started_at)))
    for n, at in enumerate(started, 1):
        assert n <= 20 + 20 * (at - began).total_seconds() + 1, (
            "what was saved up, and what came since"
        )
    assert len(started) >= 30, "and it does use what it may"
    assert Counter(texts_at_provider(simulator)) == Counter(
        f"text {n}" for n in range(len(started))
    )


def test_dispatcher_without_tokens_does_not_spin(
    rate_limited_chat: Connection, fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(6):
        queue_message(text=f"{n}")
    turns = []
    claim = dispatcher.record_and_claim
    monkeypatch.setattr(
        dispatcher,
        "record_and_claim",
        lambda *arguments: turns.append(arguments) or claim(*arguments),
    )
    began = time.monotonic()
    Dispatcher(ShutdownSignal(5)).run(linger=0.8)
    assert len(fake_provider.sent) == 6
    assert time.monotonic() - began > 1, "the fifth and the sixth waited for their tokens"
    assert len(turns) < 20


def test_sender_waiting_for_tokens_does_not_delay_another(
    rate_limited_chat: Connection,
    searchable_chat: Connection,
    fake_provider: FakeProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limit(searchable_chat.id, 1000)
    for n in range(30):
        queue_message(text=f"slow {n}")
        queue_text("room", f"quick {n}", channel="", connection_slug="searchable-chat")
    began = time.monotonic()
    Dispatcher(ShutdownSignal(1.5)).run()
    deliver_posts = Counter(message.text.split()[0] for message in fake_provider.sent)
    assert deliver_posts["quick"] == 30
    assert 4 <= deliver_posts["slow"] <= 5 + 2 * (time.monotonic() - began)
