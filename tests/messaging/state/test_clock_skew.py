"""Times stored by a clock that was ahead are corrected, and no others."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from hub.core.vocabulary import ConnectionState, Status
from hub.db.engine import db
from hub.db.types import now
from hub.jobs import chores, cron
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.state import clock_skew
from hub.models import Connection, ProviderCallback
from tests.hub_fixtures import (
    attempts,
    deliver,
    message,
    post_callback,
    process_pending_callbacks,
    queue_text,
    set_connection_state,
    status,
    status_form,
    status_target,
    update_message,
)

TWO_HOURS = timedelta(hours=2)


def two_hours_ahead() -> time_machine.travel:
    """Travel two hours ahead in this process."""
    return time_machine.travel(now() + TWO_HOURS, tick=True)


def test_message_accepted_by_a_clock_ahead_is_sent_at_once(
    hub_demo: Flask, connection: Connection, simulator: object
) -> None:
    with two_hours_ahead():
        message_id = queue_text()
    assert deliver() == 0
    assert clock_skew.is_due()
    assert clock_skew.correct_times() == 1
    assert not clock_skew.is_due()
    assert deliver() == 1
    assert status(message_id) == Status.ACCEPTED


def test_cron_wakes_the_chores_that_correct_times(
    hub_demo: Flask, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with two_hours_ahead():
        message_id = queue_text()
    woken: list[str] = []
    monkeypatch.setattr(cron, "wake_now", woken.append)
    cron.wake_queues()
    assert woken == ["chores"]
    chores.run_chores(ShutdownSignal(5))
    assert message(message_id).due_at <= now()  # type: ignore[operator]


def test_corrected_pause_keeps_its_length(hub_demo: Flask, connection: Connection) -> None:
    message_id = queue_text()
    written = now() + TWO_HOURS
    update_message(message_id, changed_at=written, due_at=written + timedelta(minutes=5))
    clock_skew.correct_times()
    row = message(message_id)
    assert row.due_at is not None
    assert timedelta(minutes=4, seconds=50) < row.due_at - now() <= timedelta(minutes=5)
    assert row.changed_at <= now(), "else it would be put off again and again"


def test_pause_requested_by_the_provider_is_unchanged(
    hub_demo: Flask, connection: Connection
) -> None:
    message_id = queue_text()
    update_message(message_id, due_at=now() + TWO_HOURS)
    due_at = message(message_id).due_at
    assert not clock_skew.is_due()
    assert clock_skew.correct_times() == 0
    assert message(message_id).due_at == due_at


def test_call_in_progress_keeps_its_lease(hub_demo: Flask, connection: Connection) -> None:
    message_id = queue_text()
    written = now() + TWO_HOURS
    update_message(
        message_id,
        status=Status.SENDING.value,
        changed_at=written,
        due_at=written + timedelta(minutes=1),
    )
    assert clock_skew.correct_times() == 0


def test_callback_stored_by_a_clock_ahead_is_processed_at_once(
    hub_demo: Flask, connection: Connection, simulator: object
) -> None:
    message_id = queue_text("+15005550016")  # sends no callbacks
    deliver()
    [attempt] = attempts(message_id)
    assert attempt.provider_id
    with two_hours_ahead():
        answer = post_callback(
            hub_demo,
            status_form(hub_demo, attempt.provider_id, "delivered"),
            target=status_target(message_id),
        )
    assert answer.status_code == 200
    assert process_pending_callbacks() == 0
    assert clock_skew.correct_times() == 1
    process_pending_callbacks()
    assert status(message_id) == Status.DELIVERED
    assert db.session.scalars(select(ProviderCallback.due_at)).all() == [None]


def test_message_queued_on_a_disabled_connection_is_recovered_too(
    hub_demo: Flask, connection: Connection
) -> None:
    with two_hours_ahead():
        message_id = queue_text()
    set_connection_state(connection.id, ConnectionState.DISABLED)
    assert clock_skew.correct_times() == 1
    assert message(message_id).due_at <= now()  # type: ignore[operator]
