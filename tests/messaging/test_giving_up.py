"""Messages that wait for a connection which does not send: they end when waiting has no use any more, and not before."""

from __future__ import annotations

from datetime import timedelta

import time_machine

from hub.accounts import connections
from hub.messaging import taking_back
from hub.models import Connection
from hub.models.types import now
from hub.vocabulary import ConnectionState
from tests.stage import a_message, change, message, status, turn_connection, words


def test_what_waited_for_too_long_expires_and_says_so(connection: Connection) -> None:
    late, fresh = a_message(), a_message()
    change(late, expires_at=now() - timedelta(seconds=1))
    turn_connection(connection.id, ConnectionState.DISABLED)
    assert taking_back.give_up_waiting() == 1
    assert (status(late), message(late).due_at, words(late)) == ("expired", None, ["expired"])
    assert status(fresh) == "queued"
    assert taking_back.give_up_waiting() == 0


def test_what_waits_for_a_connection_that_sends_is_left_to_it(connection: Connection) -> None:
    message_id = a_message()
    with time_machine.travel(now() + timedelta(days=2)):
        assert taking_back.give_up_waiting() == 0
    assert status(message_id) == "queued"


def test_all_that_waits_for_an_archived_connection_is_canceled(connection: Connection) -> None:
    message_id = a_message()
    connections.archive(connection.id)
    assert taking_back.give_up_waiting() == 1
    assert (status(message_id), words(message_id)) == ("canceled", ["canceled"])


def test_no_more_end_at_once_than_asked(connection: Connection) -> None:
    ids = [a_message() for _ in range(3)]
    turn_connection(connection.id, ConnectionState.BROKEN)
    with time_machine.travel(now() + timedelta(days=2)):
        assert taking_back.give_up_waiting(2) == 2
        assert sorted(map(status, ids)) == ["expired", "expired", "queued"]
        assert taking_back.give_up_waiting(2) == 1


def test_a_connection_that_is_enabled_meanwhile_keeps_its_messages(connection: Connection) -> None:
    message_id = a_message()
    assert taking_back._give_up([message_id]) == 0
    assert status(message_id) == "queued"
