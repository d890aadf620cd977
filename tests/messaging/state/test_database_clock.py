"""The time of an attempt comes from the database's clock, and is never before its message."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from hub.db.types import first_id_at, now
from hub.integrations.base import Accepted
from hub.messaging.send import claims
from hub.messaging.state.database_clock import CLOCKS_APART, clamp_to_creation
from hub.messaging.track import reconcile
from hub.models import Connection
from tests.conftest import POSTGRES
from tests.fake_provider import FakeProvider
from tests.hub_fixtures import (
    attempts,
    make_due,
    message,
    queue_text,
    status,
    update_message,
)
from tests.messaging.track.reconcile_steps import send_with_unknown_outcome
from tests.messaging.track.test_reconcile import lose_response

TWO_HOURS = timedelta(hours=2)
EARLIEST = datetime(2000, 1, 1)  # noqa: DTZ001
LATEST = datetime(2100, 1, 1)  # noqa: DTZ001
MOMENTS = st.datetimes(EARLIEST, LATEST, timezones=st.just(UTC))


@given(MOMENTS, MOMENTS)
def test_nothing_happens_to_a_message_before_its_creation(
    created_at: datetime, moment: datetime
) -> None:
    clamped = clamp_to_creation(first_id_at("msg", created_at), moment)
    if created_at - moment >= CLOCKS_APART:
        assert clamped == moment, "a clock that is further off is not believed"
    else:
        assert clamped >= max(created_at, moment) - timedelta(milliseconds=1)
        assert clamped <= max(created_at, moment)


def test_attempt_of_a_worker_with_a_clock_behind_begins_after_its_message(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    before = now()
    message_id = queue_text()
    update_message(message_id, due_at=now() - 2 * TWO_HOURS)
    with time_machine.travel(before - TWO_HOURS, tick=True):
        [claim] = claims.record_and_claim([], {connection.id: 1})
    [attempt] = attempts(message_id)
    assert claim.message_id == message_id
    assert before - timedelta(milliseconds=1) <= attempt.started_at <= now()
    due_at = message(message_id).due_at
    assert due_at is not None
    assert due_at > now(), "its lease is not over when another process looks"


@pytest.mark.skipif(not POSTGRES, reason="SQLite has no clock of its own")
def test_attempt_of_a_worker_with_a_clock_ahead_has_the_time_of_the_database(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    message_id = queue_text()
    real = now()
    with time_machine.travel(real + TWO_HOURS, tick=True):
        claims.record_and_claim([], {connection.id: 1})
    [attempt] = attempts(message_id)
    assert attempt.started_at < real + timedelta(minutes=5)


def test_outcome_recorded_by_a_clock_behind_is_not_treated_as_old(
    searchable_chat: Connection, fake_provider: FakeProvider
) -> None:
    fake_provider.on_send = lose_response
    first = send_with_unknown_outcome("Hello.")
    second = send_with_unknown_outcome("Grr.")
    for message_id in (first, second):
        update_message(message_id, changed_at=now() - TWO_HOURS)  # as that worker wrote it
        make_due(message_id)
    fake_provider.on_find = lambda outbound: [Accepted("one-of-them", sure=False)]
    reconcile.look_up_message(first)
    row = message(first)
    assert status(first) == "unknown"
    assert row.due_at is not None, "the other is waited for: it may be what the provider has"
    assert row.due_at < now() + timedelta(minutes=5), "soon, and not by a quarter of two hours"
