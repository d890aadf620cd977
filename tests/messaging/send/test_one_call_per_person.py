"""A person gets one call at a time, also over several connections at the same moment."""

from __future__ import annotations

import threading

import pytest
from flask import Flask

from hub.core.vocabulary import Lane
from hub.db.engine import db
from hub.db.store import transaction
from hub.messaging.send import claims
from hub.models import Connection
from tests.conftest import POSTGRES
from tests.hub_fixtures import clear_throttle, copy_connection, status, update_message
from tests.messaging.voice_steps import LONDON, calls, claim_calls, queue_call

OTHER_NUMBER = "+13175550142"


@pytest.fixture
def connections(hub_demo: Flask) -> list[Connection]:
    """Return two connections for calls from different numbers, which share no limit."""
    first = calls(hub_demo)
    other = add_line(first)
    return [first, other]


@transaction
def add_line(like: Connection) -> Connection:
    connection = db.session.get_one(
        Connection, copy_connection("Other calls", like=like, sender=OTHER_NUMBER)
    )
    connection.rules = like.rules
    return connection


def queue_over(connection: Connection, text: str, to: str = LONDON) -> str:
    message_id = queue_call(to=to, text=text)
    update_message(message_id, connection_id=connection.id)
    return message_id


def claim_in_a_thread(app: Flask, connection_id: str, done: threading.Event) -> threading.Thread:
    """Claim calls in a transaction that stays open until `done`, or for half a second."""
    claimed = threading.Event()
    db.session.rollback()

    @transaction
    def claim() -> None:
        claims.record_and_claim([], {connection_id: 4})
        claimed.set()
        done.wait(10 if POSTGRES else 0.5)  # on SQLite, one writes at a time

    def run() -> None:
        with app.app_context():
            claim()

    thread = threading.Thread(target=run)
    thread.start()
    assert claimed.wait(10)
    return thread


def test_two_connections_never_call_a_person_at_once(
    hub_demo: Flask, connections: list[Connection]
) -> None:
    first, second = connections
    messages = [queue_over(first, "One document."), queue_over(second, "Another document.")]
    for connection in connections:
        clear_throttle(connection)
    done = threading.Event()
    thread = claim_in_a_thread(hub_demo, first.id, done)
    try:
        assert claim_calls(second) == []
    finally:
        done.set()
        thread.join()
    assert [status(message_id) for message_id in messages] == ["sending", "queued"]


def test_lanes_of_one_turn_never_call_a_person_twice(
    hub_demo: Flask, connections: list[Connection]
) -> None:
    first, _ = connections
    set_lines(first, 5)
    urgent = queue_over(first, "One document.")
    bulk = queue_over(first, "Another document.")
    update_message(bulk, lane=Lane.BULK.value)
    clear_throttle(first)
    assert [claim.message_id for claim in claim_calls(first)] == [urgent]
    assert status(bulk) == "queued"


@transaction
def set_lines(connection: Connection, lines: int) -> None:
    row = db.session.get_one(Connection, connection.id)
    row.settings = {**row.settings, "lines": lines}
    row.settings_version += 1
