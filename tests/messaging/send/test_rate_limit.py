"""Limits of senders: tokens, slowing down at the provider's request, recipient pacing."""

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
from tests.fake_provider import Loft, Pigeon
from tests.hub_fixtures import (
    a_connection,
    a_message,
    at_provider,
    change,
    count,
    deliver,
    eventually,
    message,
    status,
)
from tests.messaging.send.rate_limit_steps import by_pigeon, claim


@transaction
def limit(connection_id: str, per_second: float | None) -> None:
    db.session.get_one(Connection, connection_id).per_second = per_second


# ── Tokens ────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def slow_pigeons(pigeons: Connection, monkeypatch: pytest.MonkeyPatch) -> Connection:
    """Connect pigeons of which two a second may leave."""
    monkeypatch.setattr(Pigeon, "per_second", 2.0)
    monkeypatch.setattr(Pigeon, "concurrency", 64)
    return pigeons


def test_no_more_is_claimed_than_there_are_tokens(slow_pigeons: Connection) -> None:
    ids = [by_pigeon(text=f"{n}") for n in range(8)]
    assert [one.message_id for one in claim(slow_pigeons)] == ids[:4], (
        "what an idle sender saved up"
    )
    assert claim(slow_pigeons) == []
    assert delivery.is_due() == [], "nothing to do before the next token"
    assert {(status(one), message(one).tries) for one in ids[4:]} == {("queued", 0)}
    eventually(delivery.is_due, 2)
    assert [one.message_id for one in claim(slow_pigeons)] == ids[4:5]


def test_an_admins_limit_counts_for_more_than_the_integrations(slow_pigeons: Connection) -> None:
    limit(slow_pigeons.id, 8)
    for n in range(12):
        by_pigeon(text=f"{n}")
    assert len(claim(slow_pigeons)) == 8


def test_bulk_never_takes_the_last_quarter_of_the_tokens(slow_pigeons: Connection) -> None:
    for n in range(8):
        change(by_pigeon(text=f"reminder {n}"), lane=Lane.BULK.value)
    assert len(claim(slow_pigeons)) == 3
    assert delivery.is_due() == []
    urgent = by_pigeon(text="sign here")
    assert delivery.is_due() == [slow_pigeons.id]
    assert [one.message_id for one in claim(slow_pigeons)] == [urgent], (
        "it does not wait behind reminders"
    )


def test_connections_of_one_sender_share_its_tokens(connection: Connection) -> None:
    twin = a_connection("Twin", like=connection)
    stranger = a_connection("Stranger", like=connection, sender="+15005550099")
    limit(twin, 4)
    for slug in (connection.slug, "twin", "stranger"):
        for n in range(8):
            a_message(text=f"{slug} {n}", channel="", connection_slug=slug)
    taken = Counter(
        one.connection_id
        for one in delivery.record_and_claim([], {connection.id: 3, twin: 8, stranger: 8})
    )
    assert taken == {connection.id: 3, twin: 1, stranger: 8}
    assert delivery.record_and_claim([], {connection.id: 8, twin: 8}) == []


def test_an_archived_connection_limits_its_sender_no_more(connection: Connection) -> None:
    twin = a_connection("Twin", like=connection)
    limit(twin, 1)

    @transaction
    def archive() -> None:
        db.session.get_one(Connection, twin).archived_at = now()

    archive()
    for n in range(8):
        a_message(text=f"{n}", channel="", connection_slug=connection.slug)
    assert len(claim(connection)) == 8


def test_a_sender_without_a_limit_leaves_no_trace(pigeons: Connection, loft: Loft) -> None:
    for n in range(8):
        by_pigeon(text=f"{n}")
    deliver()
    assert len(loft.flown) == 8
    assert count(Throttle) == 0


def test_two_drains_at_once_keep_to_the_rate(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    limit(connection.id, 20)
    for n in range(120):
        a_message(text=f"text {n}")
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
    assert Counter(at_provider(simulator)) == Counter(f"text {n}" for n in range(len(started)))


def test_a_drain_that_lacks_tokens_does_not_spin(
    slow_pigeons: Connection, loft: Loft, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(6):
        by_pigeon(text=f"{n}")
    turns = []
    claim = dispatcher.record_and_claim
    monkeypatch.setattr(
        dispatcher, "record_and_claim", lambda *asked: turns.append(asked) or claim(*asked)
    )
    began = time.monotonic()
    Dispatcher(ShutdownSignal(5)).run(linger=0.8)
    assert len(loft.flown) == 6
    assert time.monotonic() - began > 1, "the fifth and the sixth waited for their tokens"
    assert len(turns) < 20


def test_a_sender_that_waits_for_tokens_does_not_hold_another(
    slow_pigeons: Connection,
    homing_pigeons: Connection,
    loft: Loft,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limit(homing_pigeons.id, 1000)
    for n in range(30):
        by_pigeon(text=f"slow {n}")
        a_message("roof", f"quick {n}", channel="", connection_slug="homing-pigeon")
    began = time.monotonic()
    Dispatcher(ShutdownSignal(1.5)).run()
    flown = Counter(one.text.split()[0] for one in loft.flown)
    assert flown["quick"] == 30
    assert 4 <= flown["slow"] <= 5 + 2 * (time.monotonic() - began)
