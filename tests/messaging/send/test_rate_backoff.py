"""A sender slows down when its provider says so, and recovers."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.core.errors import PermanentError, SlowDown, TransientError
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.integrations.base import Accepted
from hub.lib import times
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.send import calls, rate_limit
from hub.messaging.send import claims as delivery
from hub.messaging.send.calls import Outcome
from hub.messaging.send.dispatcher import Dispatcher
from hub.messaging.send.rate_limit import RateState
from hub.models import Attempt, Connection, Throttle
from tests.hub_fixtures import (
    clear_throttle,
    copy_connection,
    count,
    make_due,
    queue_text,
    status,
    texts_at_provider,
)
from tests.messaging.send.rate_limit_steps import claim, queue_message

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)


def record_outcome(claim_: calls.Claim, error: Exception | None = None) -> None:
    accepted = None if error else Accepted(f"p{claim_.message_id}")
    delivery.record_and_claim(
        [Outcome(claim_, accepted, error, now(), 100, 429 if error else 201)], {}
    )  # type: ignore[arg-type]


def throttle_row(connection: Connection) -> Throttle | None:
    db.session.rollback()
    return db.session.get(Throttle, connection.throttle)


# ── Slower, says the provider ─────────────────────────────────────────────────────────────────────
def test_rate_limit_pauses_the_sender(fake_chat: Connection) -> None:
    refused = queue_message(text="refused")
    other_message = queue_message(text="other")
    [claimed] = claim(fake_chat, 1)
    record_outcome(claimed, SlowDown("Slower.", "429", 30))
    assert delivery.find_due_connections() == []
    assert claim(fake_chat) == []
    assert (status(refused), status(other_message)) == ("queued", "queued")
    throttle = throttle_row(fake_chat)
    assert throttle is not None
    assert throttle.paused_until is not None
    assert timedelta(seconds=25) < throttle.paused_until - now() <= timedelta(seconds=31)
    assert throttle.reason == "Slower."


def test_connections_of_one_sender_share_the_reduced_rate(connection: Connection) -> None:
    twin = copy_connection("Twin", like=connection)
    queue_text(channel="", connection_slug=connection.slug)
    queue_text(channel="", connection_slug="twin")
    [claimed] = claim(connection, 1)
    record_outcome(claimed, SlowDown("Slower.", "429", 30))
    assert delivery.find_due_connections() == []
    assert delivery.record_and_claim([], {twin: 4}) == []


@pytest.mark.parametrize(
    "error", [TransientError("Not this one.", "p5", 30), PermanentError("Never.", "p6")]
)
def test_error_of_one_message_does_not_slow_its_sender(
    fake_chat: Connection, error: Exception
) -> None:
    queue_message(text="one")
    other_message = queue_message(text="other")
    [claimed] = claim(fake_chat, 1)
    record_outcome(claimed, error)
    assert [claimed.message_id for claimed in claim(fake_chat)] == [other_message]
    assert count(Throttle) == 0


def test_concurrent_refusals_halve_the_rate_once(fake_chat: Connection) -> None:
    for n in range(8):
        queue_message(text=f"{n}")
    claims = claim(fake_chat, 8)
    for claimed in claims:
        record_outcome(claimed, SlowDown("Slower.", "429", 1))
    slowed = throttle_row(fake_chat)
    assert slowed is not None
    assert (slowed.epoch, slowed.full_rate) == (1, 80), "eight under way, a tenth of a second each"
    assert slowed.rate == 40


def test_state_of_a_recovered_sender_is_removed(fake_chat: Connection) -> None:
    queue_message(text="refused")
    [claimed] = claim(fake_chat, 1)
    record_outcome(claimed, SlowDown("Slower.", "429", 0))

    @transaction
    def later() -> None:
        slowed = db.session.get_one(Throttle, fake_chat.throttle)
        slowed.paused_until = slowed.refilled_at = now() - timedelta(
            seconds=rate_limit.RECOVERY_SECONDS + 1
        )

    later()
    clear_throttle(fake_chat)
    make_due(claimed.message_id)
    [claimed] = claim(fake_chat)
    assert throttle_row(fake_chat) is None


def test_all_messages_are_sent_to_a_slower_provider(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    simulator.extensions["simulator"].faults.set(per_second=25)
    ids = [queue_text(text=f"text {n}") for n in range(60)]
    Dispatcher(ShutdownSignal(20)).run(linger=1.5)
    assert {status(message_id) for message_id in ids} <= {"accepted", "sent", "delivered"}
    assert Counter(texts_at_provider(simulator)) == Counter(f"text {n}" for n in range(60))
    assert (
        Counter(attempt.outcome for attempt in db.session.scalars(select(Attempt)))["slowed"] < 100
    )


# the arithmetic of it
def slowed_state(rate: float = 10, seconds: float = 1) -> RateState:
    state = RateState("one")
    rate_limit.slow_down(state, 0, rate, seconds, NOW)
    return state


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_rate_is_halved_and_recovers() -> None:
    state = slowed_state(rate=10, seconds=1)
    assert rate_limit.current_limit(state, 0, after(1)) == 5
    assert rate_limit.current_limit(
        state, 0, after(1 + rate_limit.RECOVERY_SECONDS / 2)
    ) == pytest.approx(7.07, abs=0.01)
    assert rate_limit.current_limit(state, 0, after(1.1 + rate_limit.RECOVERY_SECONDS)) == 0, (
        "no limit, as before"
    )
    assert rate_limit.current_limit(state, 3, after(1.1 + rate_limit.RECOVERY_SECONDS)) == 3, (
        "but an admin's"
    )


def test_repeated_refusal_halves_the_rate_again_and_remembers_the_start() -> None:
    state = slowed_state(rate=10)
    rate_limit.slow_down(state, 1, 10, 1, after(2))
    assert (rate_limit.current_limit(state, 0, after(3)), state.full_rate) == (
        pytest.approx(2.68, abs=0.01),
        10,
    )


def test_refusal_of_an_earlier_call_only_pauses() -> None:
    state = slowed_state()
    rate_limit.slow_down(state, 0, 10, 60, after(0.5))
    assert (state.rate, state.ready_at) == (5, after(60.5))


def test_rate_never_drops_to_zero() -> None:
    state = slowed_state()
    for n in range(50):
        rate_limit.slow_down(state, state.epoch, 10, 0, after(1 + n / 1000))
    assert rate_limit.current_limit(state, 0, after(1.05)) >= rate_limit.MIN_RATE


@pytest.mark.parametrize(
    ("retry_after", "pause"),
    [(None, rate_limit.DEFAULT_PAUSE), (7, 7), (float("inf"), times.MAX_PAUSE)],
)
def test_pause_comes_from_retry_after_or_the_default(
    retry_after: float | None, pause: float
) -> None:
    state = RateState("one")
    rate_limit.slow_down(state, 0, 10, retry_after, NOW)
    assert state.paused_until == after(pause)


def test_tokens_refill_over_time_up_to_a_burst() -> None:
    state = RateState("one")
    rate_limit.refill_tokens(state, 10, NOW)
    rate_limit.consume_tokens(state, 10, 10, NOW)
    assert (rate_limit.available_tokens(state, 10), state.ready_at) == (0, after(0.1))
    rate_limit.refill_tokens(state, 10, after(0.5))
    assert rate_limit.available_tokens(state, 10) == 5
    rate_limit.refill_tokens(state, 10, after(3600))
    assert rate_limit.available_tokens(state, 10) == 10


def test_clock_that_goes_back_removes_no_tokens() -> None:
    state = RateState("one")
    rate_limit.refill_tokens(state, 10, NOW)
    rate_limit.refill_tokens(state, 10, after(-60))
    assert (rate_limit.available_tokens(state, 10), state.refilled_at) == (10, NOW)
