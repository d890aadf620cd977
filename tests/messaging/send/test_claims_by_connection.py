"""Claims depend on the state, settings and sender of a connection."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from hub.connections import connections
from hub.core.vocabulary import ConnectionState, Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.send import calls
from hub.messaging.send import claims as delivery
from hub.messaging.send.dispatcher import Dispatcher
from hub.messaging.state import unreadable_rows
from hub.models import Attempt, Connection
from hub.shared import integration_instances
from tests.fake_provider import FakeProvider
from tests.hub_fixtures import (
    attempts,
    copy_connection,
    deliver,
    queue_text,
    set_connection_state,
    status,
    update_message,
)


def claim(connection: Connection, threads: int) -> list[calls.Claim]:
    return delivery.record_and_claim([], {connection.id: threads})


def queue_message(to: str = "room", text: str = "Hello.") -> str:
    return queue_text(to, text, channel="", connection_slug="fake-chat")


@pytest.mark.parametrize(
    "state", [ConnectionState.DISABLED, ConnectionState.BROKEN, ConnectionState.NEW]
)
def test_disabled_connection_keeps_waiting_messages(
    fake_chat: Connection, fake_provider: FakeProvider, state: ConnectionState
) -> None:
    message_id = queue_message()
    set_connection_state(fake_chat.id, state)
    assert delivery.find_due_connections() == []
    assert claim(fake_chat, 4) == []
    assert status(message_id) == Status.QUEUED
    set_connection_state(fake_chat.id, ConnectionState.ENABLED)
    assert deliver() == 1


def test_archived_connection_sends_nothing(fake_chat: Connection) -> None:
    queue_message()

    @transaction
    def archive() -> None:
        db.session.get_one(Connection, fake_chat.id).archived_at = now()

    archive()
    assert delivery.find_due_connections() == []
    assert claim(fake_chat, 4) == []


def test_unreadable_settings_keep_messages_waiting_for_the_key(
    connection: Connection,
) -> None:
    message_id = queue_text()

    @transaction
    def damage_settings() -> None:
        row = db.session.get_one(Connection, connection.id)
        assert row._settings is not None
        row._settings = row._settings[:2] + b"zz" + row._settings[4:]
        row.settings_version += 1

    damage_settings()
    assert claim(connection, 4) == []
    db.session.rollback()
    assert db.session.get_one(Connection, connection.id).state == ConnectionState.ENABLED, (
        "once the key is back, it goes on by itself"
    )
    assert (status(message_id), attempts(message_id)) == ("queued", [])


def test_missing_key_is_checked_periodically(
    connection: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    other_connection = copy_connection("Other", like=connection)
    queue_text(connection_slug=connection.slug, channel="")

    @transaction
    def damage_settings() -> None:
        row = db.session.get_one(Connection, connection.id)
        assert row._settings is not None
        row._settings = row._settings[:2] + b"zz" + row._settings[4:]
        row.settings_version += 1

    damage_settings()
    assert delivery.find_due_connections() == [connection.id]
    Dispatcher(ShutdownSignal(0.5)).run()
    queue_text(connection_slug="other", channel="")
    assert capsys.readouterr().out.count("connection.unreadable") == 1, (
        "not in every turn of a drain"
    )
    assert delivery.find_due_connections() == [other_connection], "others go on"
    integration_instances.instances().suspend(connection.id, 0)
    assert set(delivery.find_due_connections()) == {connection.id, other_connection}


def test_unreadable_settings_are_listed_until_they_are_saved_again(
    connection: Connection,
) -> None:
    values = dict(connection.settings)

    @transaction
    def store(settings: bytes | None) -> None:
        row = db.session.get_one(Connection, connection.id)
        row._settings = settings
        row.settings_version += 1

    queue_text(connection_slug=connection.slug, channel="")
    store(b"\x00")
    Dispatcher(ShutdownSignal(0.5)).run()
    [entry] = unreadable_rows.list_rows()
    assert (entry.table_name, entry.row_id) == ("connections", connection.id)
    assert entry.error.startswith("This value was not encrypted by Signpost")
    connections.save(connection.id, values)
    assert unreadable_rows.list_rows() == []


def test_longest_waiting_message_is_sent_first(simulator: object, connection: Connection) -> None:
    ids = [
        connection.id,
        *(copy_connection(f"No {number}", like=connection) for number in range(1, 6)),
    ]
    waiting = {}
    for number, connection_id in enumerate(ids):
        slug = db.session.get_one(Connection, connection_id).slug
        message_id = queue_text(connection_slug=slug, channel="")
        update_message(message_id, due_at=now() - timedelta(minutes=1 + number))
        waiting[connection_id] = message_id
    longest_first = list(reversed(ids))
    assert delivery.find_due_connections() == longest_first
    deliver()
    db.session.rollback()
    begun = list(db.session.scalars(select(Attempt.message_id).order_by(Attempt.started_at)))
    assert begun == [waiting[connection_id] for connection_id in longest_first]


def test_new_settings_apply_from_the_next_claim(hub_demo: Flask, connection: Connection) -> None:
    for sender in ("+15005550006", "+15005550099"):

        @transaction
        def save(number: str = sender) -> None:
            row = db.session.get_one(Connection, connection.id)
            row.settings = {**row.settings, "sender": number}
            row.settings_version = row.settings_version + 1

        save()
        queue_text(text=f"from {sender}")
        [claimed] = claim(connection, 1)
        assert claimed.integration.render(claimed.outbound)["From"] == sender


def test_provider_receives_the_message_and_attempt_ids(
    hub_demo: Flask, connection: Connection
) -> None:
    message_id = queue_text()
    [claimed] = claim(connection, 1)
    assert claimed.outbound.status_url.endswith(
        f"/api/rpc/webhooks/twilio/sms?message={message_id}&attempt=1"
    )
    row = db.session.scalars(select(Attempt)).one()
    assert (row.message_id, row.number, row.outcome) == (message_id, 1, None)
