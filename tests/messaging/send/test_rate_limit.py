"""Limits of senders: tokens, slowing down at the provider's request, recipient pacing."""

from __future__ import annotations

import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.core.errors import PermanentError, SlowDown, TransientError
from hub.core.vocabulary import Lane
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.integrations.base import Accepted, Outbound
from hub.lib import times
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.send import calls, dispatcher, due_messages, rate_limit, recipient_pacing
from hub.messaging.send import claims as delivery
from hub.messaging.send.calls import Outcome
from hub.messaging.send.dispatcher import Dispatcher
from hub.messaging.send.rate_limit import RateState
from hub.models import Attempt, Connection, Pace, Throttle
from tests.fake_provider import Loft, Pigeon
from tests.hub_fixtures import (
    a_connection,
    a_message,
    at_provider,
    change,
    count,
    deliver,
    eventually,
    free,
    make_due,
    message,
    status,
)

AT = datetime(2026, 11, 21, 10, tzinfo=UTC)


def by_pigeon(to: str = "roof", text: str = "Coo.") -> str:
    return a_message(to, text, channel="", connection_slug="pigeon")


def claim(connection: Connection, threads: int = 64) -> list[calls.Claim]:
    return delivery.record_and_claim([], {connection.id: threads})


def ended(one: calls.Claim, error: Exception | None = None) -> None:
    accepted = None if error else Accepted(f"p{one.message_id}")
    delivery.record_and_claim(
        [Outcome(one, accepted, error, now(), 100, 429 if error else 201)], {}
    )  # type: ignore[arg-type]


def row(connection: Connection) -> Throttle | None:
    db.session.rollback()
    return db.session.get(Throttle, connection.throttle)


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


# ── Slower, says the provider ─────────────────────────────────────────────────────────────────────
def test_too_much_at_once_holds_the_sender_and_not_the_message_alone(pigeons: Connection) -> None:
    refused = by_pigeon(text="refused")
    other = by_pigeon(text="other")
    [one] = claim(pigeons, 1)
    ended(one, SlowDown("Slower.", "429", 30))
    assert delivery.is_due() == []
    assert claim(pigeons) == []
    assert (status(refused), status(other)) == ("queued", "queued")
    held = row(pigeons)
    assert held is not None
    assert held.held_until is not None
    assert timedelta(seconds=25) < held.held_until - now() <= timedelta(seconds=31)
    assert held.why == "Slower."


def test_connections_of_a_sender_are_slowed_down_together(connection: Connection) -> None:
    twin = a_connection("Twin", like=connection)
    a_message(channel="", connection_slug=connection.slug)
    a_message(channel="", connection_slug="twin")
    [one] = claim(connection, 1)
    ended(one, SlowDown("Slower.", "429", 30))
    assert delivery.is_due() == []
    assert delivery.record_and_claim([], {twin: 4}) == []


@pytest.mark.parametrize(
    "error", [TransientError("Not this one.", "p5", 30), PermanentError("Never.", "p6")]
)
def test_the_trouble_of_one_message_does_not_slow_its_sender(
    pigeons: Connection, error: Exception
) -> None:
    by_pigeon(text="one")
    other = by_pigeon(text="other")
    [one] = claim(pigeons, 1)
    ended(one, error)
    assert [one.message_id for one in claim(pigeons)] == [other]
    assert count(Throttle) == 0


def test_a_burst_of_refusals_halves_the_rate_once(pigeons: Connection) -> None:
    for n in range(8):
        by_pigeon(text=f"{n}")
    claims = claim(pigeons, 8)
    for one in claims:
        ended(one, SlowDown("Slower.", "429", 1))
    slowed = row(pigeons)
    assert slowed is not None
    assert (slowed.epoch, slowed.full) == (1, 80), "eight under way, a tenth of a second each"
    assert slowed.rate == 40


def test_a_sender_that_has_recovered_is_forgotten(pigeons: Connection) -> None:
    by_pigeon(text="refused")
    [one] = claim(pigeons, 1)
    ended(one, SlowDown("Slower.", "429", 0))

    @transaction
    def later() -> None:
        slowed = db.session.get_one(Throttle, pigeons.throttle)
        slowed.held_until = slowed.filled_at = now() - timedelta(seconds=rate_limit.DOUBLES_IN + 1)

    later()
    free(pigeons)
    make_due(one.message_id)
    [one] = claim(pigeons)
    assert row(pigeons) is None


def test_a_provider_that_takes_fewer_than_we_send_gets_them_all_in_the_end(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    simulator.extensions["simulator"].faults.ask(per_second=25)
    ids = [a_message(text=f"text {n}") for n in range(60)]
    Dispatcher(ShutdownSignal(20)).run(linger=1.5)
    assert {status(one) for one in ids} <= {"accepted", "sent", "delivered"}
    assert Counter(at_provider(simulator)) == Counter(f"text {n}" for n in range(60))
    assert Counter(one.outcome for one in db.session.scalars(select(Attempt)))["slowed"] < 100


# the arithmetic of it
def slowed(had: float = 10, seconds: float = 1) -> RateState:
    state = RateState("one")
    rate_limit.slow_down(state, 0, had, seconds, AT)
    return state


def after(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


def test_the_rate_halves_and_comes_back_by_itself() -> None:
    state = slowed(had=10, seconds=1)
    assert rate_limit.current_limit(state, 0, after(1)) == 5
    assert rate_limit.current_limit(
        state, 0, after(1 + rate_limit.DOUBLES_IN / 2)
    ) == pytest.approx(7.07, abs=0.01)
    assert rate_limit.current_limit(state, 0, after(1.1 + rate_limit.DOUBLES_IN)) == 0, (
        "no limit, as before"
    )
    assert rate_limit.current_limit(state, 3, after(1.1 + rate_limit.DOUBLES_IN)) == 3, (
        "but an admin's"
    )


def test_another_refusal_halves_it_again_and_remembers_where_it_began() -> None:
    state = slowed(had=10)
    rate_limit.slow_down(state, 1, 10, 1, after(2))
    assert (rate_limit.current_limit(state, 0, after(3)), state.full) == (
        pytest.approx(2.68, abs=0.01),
        10,
    )


def test_a_refusal_of_a_call_from_before_only_holds() -> None:
    state = slowed()
    rate_limit.slow_down(state, 0, 10, 60, after(0.5))
    assert (state.rate, state.ready_at) == (5, after(60.5))


def test_a_sender_is_never_brought_to_a_standstill() -> None:
    state = slowed()
    for n in range(50):
        rate_limit.slow_down(state, state.epoch, 10, 0, after(1 + n / 1000))
    assert rate_limit.current_limit(state, 0, after(1.05)) >= rate_limit.LOWEST


@pytest.mark.parametrize(
    ("asked", "holds"), [(None, rate_limit.HOLD), (7, 7), (float("inf"), times.LONGEST_PAUSE)]
)
def test_the_pause_is_the_providers_or_else_ours(asked: float | None, holds: float) -> None:
    state = RateState("one")
    rate_limit.slow_down(state, 0, 10, asked, AT)
    assert state.held_until == after(holds)


def test_tokens_come_with_time_and_no_more_than_a_burst_is_saved_up() -> None:
    state = RateState("one")
    rate_limit.refill(state, 10, AT)
    rate_limit.consume(state, 10, 10, AT)
    assert (rate_limit.available_tokens(state, 10), state.ready_at) == (0, after(0.1))
    rate_limit.refill(state, 10, after(0.5))
    assert rate_limit.available_tokens(state, 10) == 5
    rate_limit.refill(state, 10, after(3600))
    assert rate_limit.available_tokens(state, 10) == 10


def test_a_clock_that_goes_back_takes_no_tokens() -> None:
    state = RateState("one")
    rate_limit.refill(state, 10, AT)
    rate_limit.refill(state, 10, after(-60))
    assert (rate_limit.available_tokens(state, 10), state.filled_at) == (10, AT)


# ── One recipient ─────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def polite_pigeons(pigeons: Connection, monkeypatch: pytest.MonkeyPatch) -> Connection:
    """Connect pigeons of which one in ten seconds may come to one roof."""
    monkeypatch.setattr(Pigeon, "per_recipient", 0.1)
    return pigeons


def test_messages_to_one_recipient_are_spaced_and_others_go_past_them(
    polite_pigeons: Connection,
) -> None:
    roof = [by_pigeon(text=f"{n}") for n in range(4)]
    attic = by_pigeon("attic")
    before = now()
    assert [one.message_id for one in claim(polite_pigeons)] == [roof[0], attic]
    first, *others = [at for at in (message(one).due_at for one in roof[1:]) if at]
    assert first >= before + timedelta(seconds=9.9)
    assert [round((at - first).total_seconds(), 3) for at in others] == [10, 20]
    assert {message(one).tries for one in roof[1:]} == {0}
    late = by_pigeon(text="late")
    assert claim(polite_pigeons) == []
    assert message(late).due_at is not None
    assert message(late).due_at > now()  # type: ignore[operator]


def test_spaced_messages_go_one_after_the_other_in_their_order(
    polite_pigeons: Connection, loft: Loft, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pigeon, "per_recipient", 5.0)
    moments: list[tuple[str, float]] = []

    def fly(outbound: Outbound) -> Accepted:
        moments.append((outbound.text, time.monotonic()))
        return Accepted(outbound.id)

    loft.fly = fly
    for n in range(5):
        by_pigeon(text=f"{n}")
    Dispatcher(ShutdownSignal(5)).run(linger=0.5)
    assert [text for text, _ in moments] == ["0", "1", "2", "3", "4"]
    gaps = [later - sooner for (_, sooner), (_, later) in pairwise(moments)]
    assert min(gaps) > 0.1


def test_many_messages_to_one_recipient_do_not_hide_one_to_another(
    polite_pigeons: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due_messages, "LOOKED_AT", 20)
    for n in range(45):
        by_pigeon(text=f"{n}")
    hidden = by_pigeon("attic")
    turns = [claim(polite_pigeons, 2) for _ in range(3)]
    assert hidden in {one.message_id for claims in turns for one in claims}
    assert sum(map(len, turns)) == 2


def test_both_lanes_share_a_recipients_pace(polite_pigeons: Connection) -> None:
    change(by_pigeon(text="reminder"), lane=Lane.BULK.value)
    urgent = by_pigeon(text="now")
    assert [one.message_id for one in claim(polite_pigeons)] == [urgent]


def test_paces_are_forgotten_when_they_are_over(polite_pigeons: Connection) -> None:
    by_pigeon()
    claim(polite_pigeons)
    assert (recipient_pacing.delete_old_paces(), count(Pace)) == (0, 1)

    @transaction
    def later() -> None:
        db.session.scalars(select(Pace)).one().next_at = (
            now() - recipient_pacing.KEPT - timedelta(seconds=1)
        )

    later()
    assert (recipient_pacing.delete_old_paces(), count(Pace)) == (1, 0)
