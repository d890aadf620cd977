"""Messages that wait for a connection which does not send end at the right time."""

from __future__ import annotations

from datetime import timedelta

import time_machine

from hub.connections import connections
from hub.core.vocabulary import ConnectionState
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.messaging.compose import cancellation
from hub.models import Connection, Throttle
from tests.hub_fixtures import (
    message,
    queue_text,
    set_connection_state,
    status,
    status_words,
    update_message,
)


def test_message_that_waited_too_long_expires_with_the_reason(connection: Connection) -> None:
    late = queue_text()
    fresh = queue_text()
    update_message(late, expires_at=now() - timedelta(seconds=1))
    set_connection_state(connection.id, ConnectionState.DISABLED)
    assert cancellation.end_waiting() == 1
    assert (status(late), message(late).due_at, status_words(late)) == (
        "expired",
        None,
        ["expired"],
    )
    assert status(fresh) == "queued"
    assert cancellation.end_waiting() == 0


def test_message_queued_on_an_enabled_connection_is_left_to_it(connection: Connection) -> None:
    message_id = queue_text()
    with time_machine.travel(now() + timedelta(days=2)):
        assert cancellation.end_waiting() == 0
    assert status(message_id) == "queued"


def test_messages_of_an_archived_connection_are_canceled(connection: Connection) -> None:
    message_id = queue_text()
    connections.archive(connection.id)
    assert cancellation.end_waiting() == 1
    assert (status(message_id), status_words(message_id)) == ("canceled", ["canceled"])


def test_message_expires_while_its_sender_is_paused(
    connection: Connection,
) -> None:
    late = queue_text()
    fresh = queue_text()
    update_message(late, expires_at=now() - timedelta(seconds=1))

    @transaction
    def pause_sender(pause: timedelta) -> None:
        db.session.merge(Throttle(name=connection.throttle, ready_at=now() + pause))

    pause_sender(timedelta(seconds=30))
    assert cancellation.end_waiting() == 0, "the claim ends it soon"
    pause_sender(timedelta(hours=20))
    assert cancellation.end_waiting() == 1
    assert (status(late), status(fresh)) == ("expired", "queued")


def test_batch_size_limits_how_many_messages_end(connection: Connection) -> None:
    ids = [queue_text() for _ in range(3)]
    set_connection_state(connection.id, ConnectionState.BROKEN)
    with time_machine.travel(now() + timedelta(days=2)):
        assert cancellation.end_waiting(2) == 2
        assert sorted(map(status, ids)) == ["expired", "expired", "queued"]
        assert cancellation.end_waiting(2) == 1


def test_reenabled_connection_keeps_its_messages(connection: Connection) -> None:
    message_id = queue_text()
    assert cancellation._end_messages([message_id]) == 0
    assert status(message_id) == "queued"
