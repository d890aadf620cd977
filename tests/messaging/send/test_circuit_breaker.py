"""The circuit of a sender: what happens while its provider is not reached, and when it is back."""

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
    a_connection,
    a_message,
    at_provider,
    attempts,
    change,
    count,
    deliver,
    eventually,
    free,
    message,
    status,
)

AT = datetime(2026, 11, 21, 10, tzinfo=UTC)
AWAY = Unreachable("The loft is not reached.", "unreachable")
FOG = OutcomeUnknown("Fog.", "fog")


def by_pigeon(text: str = "Coo.", to: str = "roof") -> str:
    return a_message(to, text, channel="", connection_slug="pigeon")


def claim(connection: Connection, threads: int = 64) -> list[calls.Claim]:
    return delivery.record_and_claim([], {connection.id: threads})


def ended(claims: list[calls.Claim], error: SendError | None = None) -> None:
    delivery.record_and_claim(
        [
            Outcome(one, None if error else Accepted(one.message_id), error, now(), 10)
            for one in claims
        ],
        {},
    )


def row(connection: Connection) -> Throttle | None:
    db.session.rollback()
    return db.session.get(Throttle, connection.throttle)


def known() -> list[str]:
    """Return what the audit trail says of providers that were lost and found, in order."""
    db.session.rollback()
    found = db.session.scalars(
        select(AuditEntry.action)
        .where(AuditEntry.action.contains("reachable"))
        .order_by(AuditEntry.id)
    )
    return [action.partition(".")[2] for action in found]


def opened(connection: Connection, error: SendError = AWAY) -> list[str]:
    """Let as many calls in a row come to nothing as it takes; return messages that wait behind
    them.
    """
    for n in range(circuit_breaker.OPENS_AT):
        by_pigeon(f"lost {n}")
    ended(claim(connection, circuit_breaker.OPENS_AT), error)
    return [by_pigeon(f"waits {n}") for n in range(10)]


# ── Opening ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("error", [AWAY, FOG])
def test_several_outages_in_a_row_open_it_and_what_waits_is_left_alone(
    pigeons: Connection, error: SendError
) -> None:
    waiting = opened(pigeons, error)
    due = [message(one).due_at for one in waiting]
    assert delivery.is_due() == []
    assert claim(pigeons) == []
    assert [message(one).due_at for one in waiting] == due
    assert {(message(one).status, message(one).tries) for one in waiting} == {("queued", 0)}
    state = row(pigeons)
    assert state is not None
    assert state.opened_at is not None
    assert state.reason == str(error)
    assert known() == ["unreachable"]


def test_one_outage_less_does_not_open_it(pigeons: Connection) -> None:
    ids = [by_pigeon(f"{n}") for n in range(circuit_breaker.OPENS_AT)]
    ended(claim(pigeons, circuit_breaker.OPENS_AT - 1), AWAY)
    assert [one.message_id for one in claim(pigeons)] == ids[-1:]
    assert known() == []


@pytest.mark.parametrize("between", [None, PermanentError("No.", "p7")])
def test_an_answer_between_outages_begins_the_count_anew(
    pigeons: Connection, between: SendError | None
) -> None:
    for n in range(9):
        by_pigeon(f"{n}")
    claims = claim(pigeons, 9)
    for n, one in enumerate(claims):
        ended([one], between if n == 4 else AWAY)
    assert known() == []


@pytest.mark.parametrize(
    "error", [PermanentError("No.", "p7"), OutcomeUnknown("A fault of ours.", FAULT)]
)
def test_refusals_and_faults_of_ours_do_not_open_it(pigeons: Connection, error: SendError) -> None:
    for n in range(20):
        by_pigeon(f"{n}")
    ended(claim(pigeons, 20), error)
    assert known() == []
    assert count(Throttle) == 0


def test_calls_that_were_under_way_when_it_opened_say_nothing_new(pigeons: Connection) -> None:
    for n in range(30):
        by_pigeon(f"{n}")
    claims = claim(pigeons, 30)
    for one in claims:
        ended([one], FOG)
    state = row(pigeons)
    assert state is not None
    assert state.pauses == 1
    assert state.ready_at is not None
    assert state.ready_at - now() < timedelta(seconds=circuit_breaker.FIRST_PAUSE * 1.25)
    assert known() == ["unreachable"]


def test_the_outage_of_one_sender_is_nothing_to_another(
    connection: Connection, simulator: Any
) -> None:
    stranger = a_connection("Stranger", like=connection, sender="+15005550099")
    for n in range(circuit_breaker.OPENS_AT):
        a_message(text=f"{n}", channel="", connection_slug="stranger")
    ended(delivery.record_and_claim([], {stranger: 64}), AWAY)
    assert known() == ["unreachable"]
    message_id = a_message(channel="", connection_slug=connection.slug)
    deliver()
    assert status(message_id) in ("accepted", "sent", "delivered")


def test_after_an_outage_few_calls_at_once_until_one_is_answered(pigeons: Connection) -> None:
    for n in range(40):
        by_pigeon(f"{n}")
    [first, second] = claim(pigeons, 2)
    ended([first], FOG)
    few = claim(pigeons)
    assert len(few) == circuit_breaker.CAUTIOUS - 1, "one is still under way"
    assert claim(pigeons) == []
    ended([second])
    assert len(claim(pigeons)) == 40 - 2 - len(few)


# ── Probing ───────────────────────────────────────────────────────────────────────────────────────
def test_one_probe_at_a_time_and_longer_pauses_between_them(pigeons: Connection) -> None:
    opened(pigeons, FOG)
    pauses = []
    for _ in range(3):
        free(pigeons)
        probe = claim(pigeons)
        assert len(probe) == 1
        assert claim(pigeons) == [], "while it is under way there is no other"
        ended(probe, FOG)
        state = row(pigeons)
        assert state is not None
        assert state.ready_at is not None
        pauses.append((state.ready_at - now()).total_seconds())
    for pause, wanted in zip(pauses, (10, 20, 40), strict=True):
        assert 0.6 * wanted < pause < 1.25 * wanted + 1
    assert known() == ["unreachable"], "it was said once"


def test_pauses_grow_to_five_minutes_and_no_further() -> None:
    state = RateState("one", failures=circuit_breaker.OPENS_AT, pauses=40, opened_at=AT)
    circuit_breaker.record_failure(state, 0, "Away.", AT)
    assert state.ready_at is not None
    assert 200 < (state.ready_at - AT).total_seconds() <= 1.25 * circuit_breaker.LONGEST_PAUSE


def test_a_probe_whose_worker_died_is_followed_by_another(pigeons: Connection) -> None:
    opened(pigeons)
    free(pigeons)
    claim(pigeons)
    state = row(pigeons)
    assert state is not None
    assert state.ready_at is not None
    assert timedelta(seconds=50) < state.ready_at - now() <= circuit_breaker.PROBE


def test_a_probe_goes_to_a_message_of_the_bulk_lane_when_there_is_no_other(
    pigeons: Connection,
) -> None:
    waiting = opened(pigeons, FOG)
    for one in waiting:
        change(one, lane=Lane.BULK.value)
    free(pigeons)
    assert [one.message_id for one in claim(pigeons)] == waiting[:1]


# ── Closing ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("answer", [None, PermanentError("No.", "p7")])
def test_an_answered_probe_closes_it(pigeons: Connection, answer: SendError | None) -> None:
    opened(pigeons)
    free(pigeons)
    ended(claim(pigeons), answer)
    assert known() == ["unreachable", "reachable"]
    state = row(pigeons)
    assert state is not None
    assert (state.opened_at, state.ready_at) == (None, None)
    ended(claim(pigeons)[:1])
    assert row(pigeons) is None, "a second answer, and all is forgotten"


def test_an_answer_to_a_call_from_before_does_not_close_it(pigeons: Connection) -> None:
    early = by_pigeon("early")
    [one] = claim(pigeons, 1)
    opened(pigeons)
    ended([one])
    assert status(early) == Status.ACCEPTED
    assert known() == ["unreachable"]


def test_one_outage_right_after_it_closed_opens_it_again_for_longer(pigeons: Connection) -> None:
    opened(pigeons)
    free(pigeons)
    ended(claim(pigeons))
    ended(claim(pigeons, 1), AWAY)
    assert known() == ["unreachable", "reachable", "unreachable"]
    state = row(pigeons)
    assert state is not None
    assert state.ready_at is not None
    assert (state.ready_at - now()).total_seconds() > circuit_breaker.FIRST_PAUSE * 1.25


def test_a_probe_that_is_told_to_slow_down_closes_it_and_waits(pigeons: Connection) -> None:
    opened(pigeons)
    free(pigeons)
    ended(claim(pigeons), SlowDown("Slower.", "429", 30))
    assert known() == ["unreachable", "reachable"]
    assert claim(pigeons) == []


# ── Over HTTP ─────────────────────────────────────────────────────────────────────────────────────
@contextmanager
def twilio(app: Flask) -> Iterator[Any]:
    """Run the simulated provider, where nothing answered before."""
    stand_in = create_simulator(config_of(app))
    with serving(stand_in, config_of(app).simulator_bind.port):
        yield stand_in
    stand_in.extensions["simulator"].stop()


def test_a_provider_that_is_gone_for_a_while_costs_no_message(
    hub_demo: Flask, connection: Connection
) -> None:
    ids = [a_message(text=f"text {n}") for n in range(100)]
    deliver()
    assert known() == ["unreachable"]
    tried = sum(len(attempts(one)) for one in ids)
    assert tried <= integration_instances.instance(connection).concurrency, (
        "those that were under way when it became known"
    )
    with twilio(hub_demo) as simulator:
        assert deliver() == 0, "it is not tried before its time"
        free(connection)
        Dispatcher(ShutdownSignal(20)).run(linger=6)  # the first wait a few seconds, one by one
        assert known() == ["unreachable", "reachable"]
        assert {status(one) for one in ids} <= {"accepted", "sent", "delivered"}
        assert Counter(at_provider(simulator)) == Counter(f"text {n}" for n in range(100))


def test_a_provider_that_answers_500_leaves_few_outcomes_unknown(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    simulator.extensions["simulator"].faults.ask(fail=1000)
    ids = [a_message(text=f"text {n}") for n in range(100)]
    deliver()
    first = Counter(status(one) for one in ids)
    assert first["unknown"] <= 64
    for _ in range(3):
        free(connection)
        deliver()
    assert Counter(status(one) for one in ids)["unknown"] == first["unknown"] + 3, "a probe each"


# ── Slow ones ─────────────────────────────────────────────────────────────────────────────────────
def test_calls_that_hang_hold_no_other_connection(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    a_connection("Twin", like=connection)
    hanging = [
        a_message("+15005550015", f"{n}", channel="", connection_slug=connection.slug)
        for n in range(100)
    ]
    stopping = ShutdownSignal(30)

    def work() -> None:
        with hub_demo.app_context():
            Dispatcher(stopping).run()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        eventually(lambda: len(at_provider(simulator)) == 64)
        began = time.monotonic()
        ids = [a_message(text=f"text {n}", channel="", connection_slug="twin") for n in range(100)]
        eventually(lambda: {status(one) for one in ids} <= {"accepted", "sent", "delivered"})
        assert time.monotonic() - began < READ_SECONDS, (
            "sooner than the first of those that hang could end"
        )
        assert Counter(status(one) for one in hanging) == {"sending": 64, "queued": 36}
    finally:
        simulator.extensions["simulator"].stop()  # which lets them go
        stopping.asked.set()
        worker.join()
