"""A replay selects receipts and reads them in batches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from hub.core.errors import NotFound, Refused
from hub.db.engine import db
from hub.db.types import new_id, now
from hub.intake import process_callbacks, replay
from hub.intake.replay import Report, Selection
from hub.models import AuditEntry, Connection, PlatformEvent, StatusEvent
from tests.conftest import close, make_app
from tests.hub_fixtures import (
    callbacks,
    count,
    post_callback,
    process_pending_callbacks,
    status,
    status_form,
    status_target,
)
from tests.intake.replay_steps import EVERYTHING, SID, add_sent_message, remove_events
from tests.intake.replay_steps import delivered as delivered
from tests.intake.replay_steps import sent as sent


# ── Which ─────────────────────────────────────────────────────────────────────────────────────────
def test_replay_selects_callbacks_of_one_message(
    hub_demo: Flask, delivered: str, connection: Connection
) -> None:
    other_message = add_sent_message(connection, "SM" + "1" * 32)
    post_callback(hub_demo, status_form(hub_demo, "SM" + "1" * 32, "sent"))
    process_pending_callbacks()
    for message_id in (delivered, other_message):
        remove_events(message_id)
    assert replay.replay(Selection(message="SM" + "1" * 32)).read_count == 1
    assert (status(delivered), status(other_message)) == ("accepted", "sent")
    assert replay.replay(Selection(message=delivered)).read_count == 3
    assert replay.replay(Selection(callback_id=callbacks()[0].id)).read_count == 1


@pytest.mark.parametrize(
    "wrong", ["SM" + "9" * 32, "msg_019aa5c2-71f8-7b3e-9c40-2d6f8a1be41c", "msg_nonsense", "%"]
)
def test_unknown_message_is_reported(delivered: str, wrong: str) -> None:
    with pytest.raises(NotFound, match=wrong):
        replay.replay(Selection(message=wrong))


def test_replay_selects_callbacks_since_a_time(hub_demo: Flask, sent: str) -> None:
    post_callback(hub_demo, status_form(hub_demo, SID, "sent"), target=status_target(sent))
    time.sleep(0.002)  # IDs contain milliseconds
    between = now()
    post_callback(hub_demo, status_form(hub_demo, SID, "delivered"), target=status_target(sent))
    assert replay.replay(Selection(since=between)).read_count == 1
    assert replay.replay(Selection(since=replay.parse_since("1m"))).read_count == 2


def test_times_are_accepted_in_common_formats() -> None:
    with time_machine.travel("2026-11-21T12:00:00Z", tick=False):
        assert replay.parse_since("2h") == datetime(2026, 11, 21, 10, tzinfo=UTC)
        assert replay.parse_since(" 3d ") == datetime(2026, 11, 18, 12, tzinfo=UTC)
        for text in ("2026-11-21T09:30:00Z", "2026-11-21T10:30:00+01:00"):
            assert replay.parse_since(text) == datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
        assert (
            replay.parse_since("99999w")
            == replay.parse_since("0001-01-01T00:00:00+14:00")
            == replay.EPOCH
        )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2h30m",
        "-2h",
        "2026-11-21T09:30:00",
        "2026-11-21",
        "9999-01-01T00:00:00Z",
        "１h",
    ],
)
def test_invalid_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(Refused, match=r"2026-11-21T09:30:00Z|Enter a time in the past"):
        replay.parse_since(text)


# ── Many, and workers beside ──────────────────────────────────────────────────────────────────────
def test_many_callbacks_are_replayed_in_batches_oldest_first(
    hub_demo: Flask, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [add_sent_message(connection, f"SM{n:032d}") for n in range(7)]
    for n in range(7):
        post_callback(hub_demo, status_form(hub_demo, f"SM{n:032d}", "delivered"))
    process_pending_callbacks()
    for message_id in ids:
        remove_events(message_id)
    monkeypatch.setattr(replay, "BATCH", 3)
    counts: list[int] = []
    report = replay.replay(EVERYTHING, lambda so_far: counts.append(so_far.read_count))
    assert (counts, report.read_count, report.new_count, report.message_count) == (
        [3, 6, 7],
        7,
        7,
        7,
    )
    facts = list(
        db.session.scalars(
            select(StatusEvent.message_id)
            .where(StatusEvent.source == "callback")
            .order_by(StatusEvent.id)
        )
    )
    assert facts == ids
    assert db.session.query(AuditEntry).filter_by(action="callback.replayed").count() == 1


def test_callbacks_received_during_a_replay_are_left_to_the_workers(
    hub_demo: Flask, delivered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "BATCH", 1)
    later = new_id("rcp")

    def receive_callback(so_far: Report) -> None:
        post_callback(hub_demo, status_form(hub_demo, f"SM{so_far.read_count:032d}", "sent"))

    report = replay.replay(EVERYTHING, receive_callback)
    assert report.read_count == 3
    assert callbacks()[-1].id > later


def test_workers_may_process_the_same_receipts_during_a_replay(
    hub_demo: Flask, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [add_sent_message(connection, f"SM{n:032d}") for n in range(12)]
    for reported_status in ("delivered", "sent", "queued"):
        for n in range(12):
            post_callback(hub_demo, status_form(hub_demo, f"SM{n:032d}", reported_status))
    monkeypatch.setattr(replay, "BATCH", 4)
    monkeypatch.setattr(
        process_callbacks,
        "_DUE",
        process_callbacks.Statement(process_callbacks._DUE._core.limit(5)),
    )
    problems: list[Exception] = []

    def in_thread(work: Callable[[], Any]) -> threading.Thread:
        def run() -> None:
            with hub_demo.app_context():
                try:
                    work()
                except Exception as problem:
                    problems.append(problem)

        return threading.Thread(target=run)

    threads = [
        in_thread(work)
        for work in (
            process_pending_callbacks,
            process_pending_callbacks,
            lambda: replay.replay(EVERYTHING),
            lambda: replay.replay(EVERYTHING),
        )
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert problems == []
    assert {status(message_id) for message_id in ids} == {"delivered"}
    assert (count(PlatformEvent), count(StatusEvent)) == (24, 36)
    assert {(callback.due_at, callback.error) for callback in callbacks()} == {(None, "")}


def test_replays_are_audited(delivered: str) -> None:
    replay.replay(Selection(message=delivered))
    replay.replay(Selection(message=SID))
    # nothing to do, and nothing done
    replay.replay(Selection(failed=True, since=datetime(2020, 1, 1, tzinfo=UTC)))
    rows = [
        (row.action, row.subject, row.title)
        for row in db.session.scalars(
            select(AuditEntry).where(AuditEntry.action.like("%.replayed"))
        )
    ]
    assert rows == [("message.replayed", delivered, ""), ("callback.replayed", "", f"about {SID}")]


def test_receipts_of_test_connections_are_replayed_without_the_demo(
    delivered: str, environ: dict[str, str]
) -> None:
    remove_events(delivered)
    plain = make_app({**environ, "HUB_DEMO": "0"})
    with plain.app_context():
        assert replay.replay(EVERYTHING).new_count == 3
        close(plain)
    assert status(delivered) == "delivered"
