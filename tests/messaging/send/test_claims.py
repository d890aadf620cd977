"""Claiming: the call begins with it, never sooner and never twice."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
import time_machine
from flask import Flask, current_app
from sqlalchemy import select

from hub import integrations
from hub.connections import connections
from hub.core.vocabulary import ConnectionState, Lane, Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import keyring, now
from hub.integrations.base import Accepted, Outbound
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.compose import outbox
from hub.messaging.policy import opt_outs
from hub.messaging.send import calls
from hub.messaging.send import claims as delivery
from hub.messaging.send.dispatcher import Dispatcher
from hub.messaging.state import unreadable_rows
from hub.models import Attempt, Connection, Contact, Message, MessageBody, Suppression
from hub.shared import integration_instances
from tests.fake_provider import FakeProvider
from tests.hub_fixtures import (
    attempts,
    copy_connection,
    count,
    deliver,
    message,
    queue_direct_message,
    set_connection_state,
    status,
    status_words,
    update_message,
)


def claim(connection: Connection, threads: int) -> list[calls.Claim]:
    return delivery.record_and_claim([], {connection.id: threads})


def queue_message(to: str = "room", text: str = "Hello.") -> str:
    return queue_direct_message(to, text, channel="", connection_slug="fake-chat")


def test_a_claim_is_written_down_before_the_call_begins(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    found = {}
    app = current_app._get_current_object()  # type: ignore[attr-defined]

    def fly(outbound: Outbound) -> Accepted:
        # another thread, another connection to the database: what it sees is committed
        with app.app_context():
            row = db.session.get_one(Message, outbound.id)
            found.update(
                status=row.status, tries=row.tries, lease=row.due_at, attempts=count(Attempt)
            )
            db.session.remove()
        return Accepted("p1")

    fake_provider.on_send = fly
    message_id = queue_message()
    assert attempts(message_id) == []
    deliver()
    assert (found["status"], found["tries"], found["attempts"]) == ("sending", 1, 1)
    assert now() < found["lease"] <= now() + delivery.LEASE


def test_no_more_is_claimed_than_threads_are_free(fake_chat: Connection) -> None:
    ids = [queue_message(text=f"{n}") for n in range(5)]
    claims = claim(fake_chat, 3)
    assert [one.message_id for one in claims] == ids[:3], "the oldest first"
    assert [status(one) for one in ids] == ["sending"] * 3 + ["queued"] * 2
    assert claim(fake_chat, 0) == []


def test_a_drain_has_no_more_calls_under_way_than_the_integration_allows(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    def slowly(outbound: Outbound) -> Accepted:
        time.sleep(0.05)
        return Accepted(outbound.id)

    fake_provider.on_send = slowly
    for n in range(12):
        queue_message(text=f"{n}")
    assert deliver() == 12
    assert fake_provider.max_concurrent == 4
    assert sorted({one.attempt for one in fake_provider.sent}) == [1]


def test_claimed_message_is_not_claimed_again(fake_chat: Connection) -> None:
    queue_message()
    assert len(claim(fake_chat, 4)) == 1
    assert claim(fake_chat, 4) == []


def test_message_waits_until_it_is_due(fake_chat: Connection) -> None:
    message_id = queue_message()
    update_message(message_id, due_at=now() + timedelta(seconds=30))
    assert delivery.is_due() == []
    assert claim(fake_chat, 4) == []
    with time_machine.travel(now() + timedelta(seconds=31)):
        assert delivery.is_due() == [fake_chat.id]
        assert len(claim(fake_chat, 4)) == 1


def test_bulk_leaves_a_quarter_of_the_threads_to_the_other_lane(fake_chat: Connection) -> None:
    bulk = [queue_message(text=f"{n}") for n in range(10)]
    for one in bulk:
        update_message(one, lane=Lane.BULK.value)
    assert integrations.get(fake_chat.integration).concurrency == 4
    first = claim(fake_chat, 4)
    assert (len(first), all(one.bulk for one in first)) == (3, True)
    assert delivery.record_and_claim([], {fake_chat.id: 1}, {fake_chat.id: 3}) == [], (
        "the last thread is the other lane's, however often bulk asks"
    )
    urgent = queue_message(text="now")
    assert [
        one.message_id
        for one in delivery.record_and_claim([], {fake_chat.id: 1}, {fake_chat.id: 3})
    ] == [urgent]


def test_urgent_messages_go_before_older_bulk(fake_chat: Connection) -> None:
    update_message(queue_message(text="reminder"), lane=Lane.BULK.value)
    urgent = queue_message(text="now")
    assert [one.message_id for one in claim(fake_chat, 1)] == [urgent]


def test_a_stopped_message_ends_instead_of_being_sent(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    message_id = queue_message()
    update_message(message_id, stop_reason="signed")
    assert deliver() == 0
    assert (status(message_id), status_words(message_id), attempts(message_id)) == (
        "canceled",
        ["stopped"],
        [],
    )
    assert fake_provider.sent == []


def test_a_message_that_is_no_longer_worth_sending_expires(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    message_id = queue_message()
    update_message(message_id, expires_at=now() - timedelta(seconds=1))
    assert deliver() == 0
    assert (status(message_id), status_words(message_id), fake_provider.sent) == (
        "expired",
        ["expired"],
        [],
    )


def test_every_message_expires_after_a_day(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    message_id = queue_message()
    with time_machine.travel(now() + outbox.WORTH_SENDING + timedelta(seconds=1)):
        deliver()
    assert (status(message_id), fake_provider.sent) == ("expired", [])


@transaction
def _suppress(
    address_key: bytes, *, test: bool, channel: str = "", sender: str = "", code: str = "21610"
) -> None:
    db.session.add(
        Suppression(
            address_key=address_key,
            channel=channel,
            sender=sender,
            test=test,
            reason="provider",
            code=code,
        )
    )


def test_a_suppression_that_came_since_planning_is_obeyed(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    message_id = queue_message()
    _suppress(message(message_id).contact.address_key, test=True)
    assert deliver() == 0
    row = message(message_id)
    assert (row.status, row.code, row.due_at, fake_provider.sent) == (
        "suppressed",
        "21610",
        None,
        [],
    )


@pytest.mark.parametrize(
    ("where", "refused"),
    [
        ({"channel": "chat"}, True),
        ({"channel": "sms"}, False),
        ({"sender": "somebody else"}, False),
        ({}, True),
        ({"test": False}, True),
    ],
)
def test_a_suppression_holds_where_it_is_meant_to(
    fake_chat: Connection, where: dict[str, str], refused: bool
) -> None:
    message_id = queue_message()
    _suppress(message(message_id).contact.address_key, **{"test": True, **where})  # type: ignore[arg-type]
    assert bool(claim(fake_chat, 1)) is not refused
    again = queue_message(text="and at planning too")
    assert (status(again) == "suppressed") is refused


def test_a_suppression_of_a_test_does_not_reach_live_messages(fake_chat: Connection) -> None:
    message_id = queue_message()
    key = message(message_id).contact.address_key
    _suppress(key, test=True)
    assert opt_outs.opt_outs_of([key], "chat", "", test=True).get(key) == {None: "21610"}
    assert opt_outs.opt_outs_of([key], "chat", "", test=False).get(key, "") == ""


def test_a_message_whose_body_is_gone_is_not_sent(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    message_id = queue_message()

    @transaction
    def erase() -> None:
        db.session.delete(db.session.get_one(MessageBody, message_id))

    erase()
    assert deliver() == 0
    assert (status(message_id), fake_provider.sent) == ("canceled", [])


def test_an_erased_contact_is_not_written_to(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    message_id = queue_message()

    @transaction
    def erase() -> None:
        db.session.get_one(
            Contact, db.session.get_one(Message, message_id).contact_id
        ).erased_at = now()

    erase()
    assert deliver() == 0
    assert (status(message_id), fake_provider.sent) == ("canceled", [])


def test_body_with_a_missing_key_waits_with_the_reason(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    message_id = queue_message()

    @transaction
    def reseal() -> None:
        row = db.session.get_one(MessageBody, message_id)
        sealed = row._content
        row._content = sealed[:2] + b"zz" + sealed[4:]  # as if encrypted with the key "zz"

    assert keyring().newest == "k1"
    reseal()
    assert deliver() == 0
    row = message(message_id)
    assert (row.status, row.code, fake_provider.sent) == ("queued", "unreadable", [])
    assert row.due_at is not None
    assert row.due_at > now()
    assert status_words(message_id) == ["unreadable"]


@pytest.mark.parametrize(
    "state", [ConnectionState.DISABLED, ConnectionState.BROKEN, ConnectionState.NEW]
)
def test_a_connection_that_is_off_keeps_what_waits(
    fake_chat: Connection, fake_provider: FakeProvider, state: ConnectionState
) -> None:
    message_id = queue_message()
    set_connection_state(fake_chat.id, state)
    assert delivery.is_due() == []
    assert claim(fake_chat, 4) == []
    assert status(message_id) == Status.QUEUED
    set_connection_state(fake_chat.id, ConnectionState.ENABLED)
    assert deliver() == 1


def test_an_archived_connection_sends_nothing(fake_chat: Connection) -> None:
    queue_message()

    @transaction
    def archive() -> None:
        db.session.get_one(Connection, fake_chat.id).archived_at = now()

    archive()
    assert delivery.is_due() == []
    assert claim(fake_chat, 4) == []


def test_settings_that_do_not_open_keep_the_queue_waiting_for_the_key(
    connection: Connection,
) -> None:
    message_id = queue_direct_message()

    @transaction
    def spoil() -> None:
        row = db.session.get_one(Connection, connection.id)
        assert row._settings is not None
        row._settings = row._settings[:2] + b"zz" + row._settings[4:]
        row.settings_version += 1

    spoil()
    assert claim(connection, 4) == []
    db.session.rollback()
    assert db.session.get_one(Connection, connection.id).state == ConnectionState.ENABLED, (
        "once the key is back, it goes on by itself"
    )
    assert (status(message_id), attempts(message_id)) == ("queued", [])


def test_a_key_that_is_missing_is_looked_for_now_and_then(
    connection: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    other = copy_connection("Other", like=connection)
    queue_direct_message(connection_slug=connection.slug, channel="")

    @transaction
    def spoil() -> None:
        row = db.session.get_one(Connection, connection.id)
        assert row._settings is not None
        row._settings = row._settings[:2] + b"zz" + row._settings[4:]
        row.settings_version += 1

    spoil()
    assert delivery.is_due() == [connection.id]
    Dispatcher(ShutdownSignal(0.5)).run()
    queue_direct_message(connection_slug="other", channel="")
    assert capsys.readouterr().out.count("connection.unreadable") == 1, (
        "not in every turn of a drain"
    )
    assert delivery.is_due() == [other], "others go on"
    integration_instances.instances().set_aside(connection.id, 0)
    assert set(delivery.is_due()) == {connection.id, other}


def test_unreadable_settings_are_listed_until_they_are_saved_again(
    connection: Connection,
) -> None:
    values = dict(connection.settings)

    @transaction
    def store(settings: bytes | None) -> None:
        row = db.session.get_one(Connection, connection.id)
        row._settings = settings
        row.settings_version += 1

    queue_direct_message(connection_slug=connection.slug, channel="")
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
        *(copy_connection(f"No {place}", like=connection) for place in range(1, 6)),
    ]
    waiting = {}
    for place, connection_id in enumerate(ids):
        slug = db.session.get_one(Connection, connection_id).slug
        message_id = queue_direct_message(connection_slug=slug, channel="")
        update_message(message_id, due_at=now() - timedelta(minutes=1 + place))
        waiting[connection_id] = message_id
    longest_first = list(reversed(ids))
    assert delivery.is_due() == longest_first
    deliver()
    db.session.rollback()
    begun = list(db.session.scalars(select(Attempt.message_id).order_by(Attempt.started_at)))
    assert begun == [waiting[connection_id] for connection_id in longest_first]


def test_new_settings_are_used_from_the_next_claim_on(
    hub_demo: Flask, connection: Connection
) -> None:
    for sender in ("+15005550006", "+15005550099"):

        @transaction
        def save(number: str = sender) -> None:
            row = db.session.get_one(Connection, connection.id)
            row.settings = {**row.settings, "sender": number}
            row.settings_version = row.settings_version + 1

        save()
        queue_direct_message(text=f"from {sender}")
        [one] = claim(connection, 1)
        assert one.integration.render(one.outbound)["From"] == sender


def test_the_provider_is_told_which_message_and_attempt_it_reports_on(
    hub_demo: Flask, connection: Connection
) -> None:
    message_id = queue_direct_message()
    [one] = claim(connection, 1)
    assert one.outbound.status_url.endswith(
        f"/api/rpc/webhooks/twilio/sms?message={message_id}&attempt=1"
    )
    row = db.session.scalars(select(Attempt)).one()
    assert (row.message_id, row.number, row.outcome) == (message_id, 1, None)
