"""The circuit breaker of a sender: an outage of its provider and the recovery."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.core.errors import OutcomeUnknown, PermanentError, SendError, SlowDown, Unreachable
from hub.core.vocabulary import Lane, Status
from hub.db.engine import db
from hub.db.types import now
from hub.integrations.base import Accepted
from hub.lib.provider_http import READ_SECONDS
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.send import calls, circuit_breaker
from hub.messaging.send import claims as delivery
from hub.messaging.send.calls import Outcome
from hub.messaging.send.dispatcher import Dispatcher
from hub.messaging.send.outcomes import FAULT
from hub.messaging.send.rate_limit import RateState
from hub.models import AuditEntry, Connection, Throttle
from hub.shared import integration_instances
from hub.simulator import create_simulator
from tests.conftest import config_of, serving
from tests.hub_fixtures import (
    attempts,
    clear_throttle,
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

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
UNREACHABLE = Unreachable("The fake_provider is not reached.", "unreachable")
UNKNOWN = OutcomeUnknown("Fog.", "fog")


def queue_message(text: str = "Hello.", to: str = "room") -> str:
    return queue_text(to, text, channel="", connection_slug="fake-chat")


def claim(connection: Connection, threads: int = 64) -> list[calls.Claim]:
    return delivery.record_and_claim([], {connection.id: threads})


def record_outcome(claims: list[calls.Claim], error: SendError | None = None) -> None:
    delivery.record_and_claim(
        [
            Outcome(claimed, None if error else Accepted(claimed.message_id), error, now(), 10)
            for claimed in claims
        ],
        {},
    )


def throttle_row(connection: Connection) -> Throttle | None:
    db.session.rollback()
    return db.session.get(Throttle, connection.throttle)


def circuit_state() -> list[str]:
    """Return the outage and recovery entries of the audit trail in order."""
    db.session.rollback()
    actions = db.session.scalars(
        select(AuditEntry.action)
        .where(AuditEntry.action.contains("reachable"))
        .order_by(AuditEntry.id)
    )
    return [action.partition(".")[2] for action in actions]


def open_circuit(connection: Connection, error: SendError = UNREACHABLE) -> list[str]:
    """Fail as many calls as open the circuit, and return messages that wait behind them."""
    for n in range(circuit_breaker.FAILURE_THRESHOLD):
        queue_message(f"lost {n}")
    record_outcome(claim(connection, circuit_breaker.FAILURE_THRESHOLD), error)
    return [queue_message(f"waits {n}") for n in range(10)]


# ── Opening ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("error", [UNREACHABLE, UNKNOWN])
def test_consecutive_outages_open_the_circuit_and_messages_wait(
    fake_chat: Connection, error: SendError
) -> None:
    waiting = open_circuit(fake_chat, error)
    due = [message(message_id).due_at for message_id in waiting]
    assert delivery.find_due_connections() == []
    assert claim(fake_chat) == []
    assert [message(message_id).due_at for message_id in waiting] == due
    assert {(message(message_id).status, message(message_id).tries) for message_id in waiting} == {
        ("queued", 0)
    }
    state = throttle_row(fake_chat)
    assert state is not None
    assert state.opened_at is not None
    assert state.reason == str(error)
    assert circuit_state() == ["unreachable"]


def test_one_outage_fewer_does_not_open_the_circuit(fake_chat: Connection) -> None:
    ids = [queue_message(f"{n}") for n in range(circuit_breaker.FAILURE_THRESHOLD)]
    record_outcome(claim(fake_chat, circuit_breaker.FAILURE_THRESHOLD - 1), UNREACHABLE)
    assert [claimed.message_id for claimed in claim(fake_chat)] == ids[-1:]
    assert circuit_state() == []


@pytest.mark.parametrize("between", [None, PermanentError("No.", "p7")])
def test_response_between_outages_resets_the_count(
    fake_chat: Connection, between: SendError | None
) -> None:
    for n in range(9):
        queue_message(f"{n}")
    claims = claim(fake_chat, 9)
    for n, claimed in enumerate(claims):
        record_outcome([claimed], between if n == 4 else UNREACHABLE)
    assert circuit_state() == []


@pytest.mark.parametrize(
    "error", [PermanentError("No.", "p7"), OutcomeUnknown("An internal error.", FAULT)]
)
def test_refusals_and_internal_errors_do_not_open_the_circuit(
    fake_chat: Connection, error: SendError
) -> None:
    for n in range(20):
        queue_message(f"{n}")
    record_outcome(claim(fake_chat, 20), error)
    assert circuit_state() == []
    assert count(Throttle) == 0


def test_calls_in_progress_at_opening_change_nothing(fake_chat: Connection) -> None:
    for n in range(30):
        queue_message(f"{n}")
    claims = claim(fake_chat, 30)
    for claimed in claims:
        record_outcome([claimed], UNKNOWN)
    state = throttle_row(fake_chat)
    assert state is not None
    assert state.pauses == 1
    assert state.ready_at is not None
    assert state.ready_at - now() < timedelta(seconds=circuit_breaker.FIRST_PAUSE * 1.25)
    assert circuit_state() == ["unreachable"]


def test_outage_of_one_sender_does_not_affect_another(
    connection: Connection, simulator: Any
) -> None:
    stranger = copy_connection("Stranger", like=connection, sender="+15005550099")
    for n in range(circuit_breaker.FAILURE_THRESHOLD):
        queue_text(text=f"{n}", channel="", connection_slug="stranger")
    record_outcome(delivery.record_and_claim([], {stranger: 64}), UNREACHABLE)
    assert circuit_state() == ["unreachable"]
    message_id = queue_text(channel="", connection_slug=connection.slug)
    deliver()
    assert status(message_id) in ("accepted", "sent", "delivered")


def test_few_concurrent_calls_follow_an_outage_until_one_succeeds(fake_chat: Connection) -> None:
    for n in range(40):
        queue_message(f"{n}")
    [first, second] = claim(fake_chat, 2)
    record_outcome([first], UNKNOWN)
    few = claim(fake_chat)
    assert len(few) == circuit_breaker.HALF_OPEN_CONCURRENCY - 1, "one is still under way"
    assert claim(fake_chat) == []
    record_outcome([second])
    assert len(claim(fake_chat)) == 40 - 2 - len(few)


# ── Probing ───────────────────────────────────────────────────────────────────────────────────────
def test_probes_are_made_one_at_a_time_with_growing_pauses(fake_chat: Connection) -> None:
    open_circuit(fake_chat, UNKNOWN)
    pauses = []
    for _ in range(3):
        clear_throttle(fake_chat)
        probe = claim(fake_chat)
        assert len(probe) == 1
        assert claim(fake_chat) == [], "while it is under way there is no other"
        record_outcome(probe, UNKNOWN)
        state = throttle_row(fake_chat)
        assert state is not None
        assert state.ready_at is not None
        pauses.append((state.ready_at - now()).total_seconds())
    for pause, expected in zip(pauses, (10, 20, 40), strict=True):
        assert 0.6 * expected < pause < 1.25 * expected + 1
    assert circuit_state() == ["unreachable"], "it was said once"


def test_pauses_grow_up_to_five_minutes() -> None:
    state = RateState("one", failures=circuit_breaker.FAILURE_THRESHOLD, pauses=40, opened_at=NOW)
    circuit_breaker.record_failure(state, 0, "Away.", NOW)
    assert state.ready_at is not None
    assert 200 < (state.ready_at - NOW).total_seconds() <= 1.25 * circuit_breaker.MAX_PAUSE


def test_probe_of_a_dead_worker_is_followed_by_another(fake_chat: Connection) -> None:
    open_circuit(fake_chat)
    clear_throttle(fake_chat)
    claim(fake_chat)
    state = throttle_row(fake_chat)
    assert state is not None
    assert state.ready_at is not None
    assert timedelta(seconds=50) < state.ready_at - now() <= circuit_breaker.PROBE


def test_probe_uses_a_bulk_message_if_there_is_no_other(
    fake_chat: Connection,
) -> None:
    waiting = open_circuit(fake_chat, UNKNOWN)
    for message_id in waiting:
        update_message(message_id, lane=Lane.BULK.value)
    clear_throttle(fake_chat)
    assert [claimed.message_id for claimed in claim(fake_chat)] == waiting[:1]


# ── Closing ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("answer", [None, PermanentError("No.", "p7")])
def test_successful_probe_closes_the_circuit(
    fake_chat: Connection, answer: SendError | None
) -> None:
    open_circuit(fake_chat)
    clear_throttle(fake_chat)
    record_outcome(claim(fake_chat), answer)
    assert circuit_state() == ["unreachable", "reachable"]
    state = throttle_row(fake_chat)
    assert state is not None
    assert (state.opened_at, state.ready_at) == (None, None)
    record_outcome(claim(fake_chat)[:1])
    assert throttle_row(fake_chat) is None, "a second answer, and all is forgotten"


def test_response_to_an_earlier_call_does_not_close_the_circuit(fake_chat: Connection) -> None:
    early = queue_message("early")
    [claimed] = claim(fake_chat, 1)
    open_circuit(fake_chat)
    record_outcome([claimed])
    assert status(early) == Status.ACCEPTED
    assert circuit_state() == ["unreachable"]


def test_outage_right_after_closing_opens_the_circuit_for_longer(fake_chat: Connection) -> None:
    open_circuit(fake_chat)
    clear_throttle(fake_chat)
    record_outcome(claim(fake_chat))
    record_outcome(claim(fake_chat, 1), UNREACHABLE)
    assert circuit_state() == ["unreachable", "reachable", "unreachable"]
    state = throttle_row(fake_chat)
    assert state is not None
    assert state.ready_at is not None
    assert (state.ready_at - now()).total_seconds() > circuit_breaker.FIRST_PAUSE * 1.25


def test_rate_limited_probe_closes_the_circuit_and_pauses(fake_chat: Connection) -> None:
    open_circuit(fake_chat)
    clear_throttle(fake_chat)
    record_outcome(claim(fake_chat), SlowDown("Slower.", "429", 30))
    assert circuit_state() == ["unreachable", "reachable"]
    assert claim(fake_chat) == []


# ── Over HTTP ─────────────────────────────────────────────────────────────────────────────────────
@contextmanager
def twilio(app: Flask) -> Iterator[Any]:
    """Run the simulated provider, which was unreachable before."""
    stand_in = create_simulator(config_of(app))
    with serving(stand_in, config_of(app).simulator_bind.port):
        yield stand_in
    stand_in.extensions["simulator"].stop()


def test_temporary_outage_loses_no_message(hub_demo: Flask, connection: Connection) -> None:
    ids = [queue_text(text=f"text {n}") for n in range(100)]
    deliver()
    assert circuit_state() == ["unreachable"]
    tried = sum(len(attempts(message_id)) for message_id in ids)
    assert tried <= integration_instances.instance(connection).concurrency, (
        "those that were under way when it became known"
    )
    with twilio(hub_demo) as simulator:
        assert deliver() == 0, "it is not tried before its time"
        clear_throttle(connection)
        Dispatcher(ShutdownSignal(20)).run(linger=6)  # the first wait a few seconds, one by one
        assert circuit_state() == ["unreachable", "reachable"]
        assert {status(message_id) for message_id in ids} <= {"accepted", "sent", "delivered"}
        assert Counter(texts_at_provider(simulator)) == Counter(f"text {n}" for n in range(100))


def test_provider_that_returns_500_leaves_few_unknown_outcomes(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    simulator.extensions["simulator"].faults.set(fail=1000)
    ids = [queue_text(text=f"text {n}") for n in range(100)]
    deliver()
    first = Counter(status(message_id) for message_id in ids)
    assert first["unknown"] <= 64
    for _ in range(3):
        clear_throttle(connection)
        deliver()
    assert Counter(status(message_id) for message_id in ids)["unknown"] == first["unknown"] + 3, (
        "a probe each"
    )


# ── Slow ones ─────────────────────────────────────────────────────────────────────────────────────
def test_hanging_calls_do_not_delay_other_connections(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    copy_connection("Twin", like=connection)
    hanging = [
        queue_text("+15005550015", f"{n}", channel="", connection_slug=connection.slug)
        for n in range(100)
    ]
    stopping = ShutdownSignal(30)

    def work() -> None:
        with hub_demo.app_context():
            Dispatcher(stopping).run()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        eventually(lambda: len(texts_at_provider(simulator)) == 64)
        began = time.monotonic()
        ids = [queue_text(text=f"text {n}", channel="", connection_slug="twin") for n in range(100)]
        eventually(
            lambda: {status(message_id) for message_id in ids} <= {"accepted", "sent", "delivered"}
        )
        assert time.monotonic() - began < READ_SECONDS, (
            "sooner than the first of those that hang could end"
        )
        assert Counter(status(hanging_id) for hanging_id in hanging) == {
            "sending": 64,
            "queued": 36,
        }
    finally:
        simulator.extensions["simulator"].stop()  # which lets them go
        stopping.received_signal.set()
        worker.join()
