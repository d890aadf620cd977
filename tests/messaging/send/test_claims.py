"""Claiming: a call begins with its claim, never earlier and never twice."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
import time_machine
from flask import current_app

from hub import integrations
from hub.core.vocabulary import Lane
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import keyring, now
from hub.integrations.base import Accepted, Outbound
from hub.messaging.compose import message_expiry
from hub.messaging.policy import opt_outs
from hub.messaging.send import calls
from hub.messaging.send import claims as delivery
from hub.models import Attempt, Connection, Contact, Message, MessageBody, Suppression
from tests.fake_provider import FakeProvider
from tests.hub_fixtures import (
    attempts,
    count,
    deliver,
    message,
    queue_text,
    status,
    status_words,
    update_message,
)


def claim(connection: Connection, threads: int) -> list[calls.Claim]:
    return delivery.record_and_claim([], {connection.id: threads})


def queue_message(to: str = "room", text: str = "Hello.") -> str:
    return queue_text(to, text, channel="", connection_slug="fake-chat")


def test_claim_is_stored_before_the_call_begins(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    states = {}
    app = current_app._get_current_object()  # type: ignore[attr-defined]

    def check_claim(outbound: Outbound) -> Accepted:
        # another thread, another connection to the database: what it sees is committed
        with app.app_context():
            row = db.session.get_one(Message, outbound.id)
            states.update(
                status=row.status, tries=row.tries, lease=row.due_at, attempts=count(Attempt)
            )
            db.session.remove()
        return Accepted("p1")

    fake_provider.on_send = check_claim
    message_id = queue_message()
    assert attempts(message_id) == []
    deliver()
    assert (states["status"], states["tries"], states["attempts"]) == ("sending", 1, 1)
    assert now() < states["lease"] <= now() + delivery.LEASE


def test_claims_do_not_exceed_free_threads(fake_chat: Connection) -> None:
    ids = [queue_message(text=f"{n}") for n in range(5)]
    claims = claim(fake_chat, 3)
    assert [claimed.message_id for claimed in claims] == ids[:3], "the oldest first"
    assert [status(message_id) for message_id in ids] == ["sending"] * 3 + ["queued"] * 2
    assert claim(fake_chat, 0) == []


def test_dispatcher_makes_no_more_concurrent_calls_than_allowed(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    def send_slowly(outbound: Outbound) -> Accepted:
        time.sleep(0.05)
        return Accepted(outbound.id)

    fake_provider.on_send = send_slowly
    for n in range(12):
        queue_message(text=f"{n}")
    assert deliver() == 12
    assert fake_provider.max_concurrent == 4
    assert sorted({message.attempt for message in fake_provider.sent}) == [1]


def test_claimed_message_is_not_claimed_again(fake_chat: Connection) -> None:
    queue_message()
    assert len(claim(fake_chat, 4)) == 1
    assert claim(fake_chat, 4) == []


def test_message_waits_until_it_is_due(fake_chat: Connection) -> None:
    message_id = queue_message()
    update_message(message_id, due_at=now() + timedelta(seconds=30))
    assert delivery.find_due_connections() == []
    assert claim(fake_chat, 4) == []
    with time_machine.travel(now() + timedelta(seconds=31)):
        assert delivery.find_due_connections() == [fake_chat.id]
        assert len(claim(fake_chat, 4)) == 1


def test_bulk_leaves_a_quarter_of_the_threads_to_urgent_messages(fake_chat: Connection) -> None:
    bulk = [queue_message(text=f"{n}") for n in range(10)]
    for message_id in bulk:
        update_message(message_id, lane=Lane.BULK.value)
    assert integrations.get(fake_chat.integration).concurrency == 4
    first = claim(fake_chat, 4)
    assert (len(first), all(claimed.bulk for claimed in first)) == (3, True)
    assert delivery.record_and_claim([], {fake_chat.id: 1}, {fake_chat.id: 3}) == [], (
        "the last thread is the other lane's, however often bulk asks"
    )
    urgent = queue_message(text="now")
    assert [
        claimed.message_id
        for claimed in delivery.record_and_claim([], {fake_chat.id: 1}, {fake_chat.id: 3})
    ] == [urgent]


def test_urgent_messages_are_sent_before_older_bulk(fake_chat: Connection) -> None:
    update_message(queue_message(text="reminder"), lane=Lane.BULK.value)
    urgent = queue_message(text="now")
    assert [claimed.message_id for claimed in claim(fake_chat, 1)] == [urgent]


def test_stopped_message_is_canceled_instead_of_sent(
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


def test_outdated_message_expires(fake_chat: Connection, fake_provider: FakeProvider) -> None:
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
    with time_machine.travel(now() + message_expiry.WORTH_SENDING + timedelta(seconds=1)):
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


def test_suppression_added_after_queueing_is_respected(
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
    ("scope_fields", "refused"),
    [
        ({"channel": "chat"}, True),
        ({"channel": "sms"}, False),
        ({"sender": "somebody else"}, False),
        ({}, True),
        ({"test": False}, True),
    ],
)
def test_suppression_applies_to_its_scope(
    fake_chat: Connection, scope_fields: dict[str, str], refused: bool
) -> None:
    message_id = queue_message()
    address_key = message(message_id).contact.address_key
    _suppress(address_key, **{"test": True, **scope_fields})  # type: ignore[arg-type]
    assert bool(claim(fake_chat, 1)) is not refused
    second_message = queue_message(text="and at planning too")
    assert (status(second_message) == "suppressed") is refused


def test_suppression_does_not_affect_live_messages(fake_chat: Connection) -> None:
    message_id = queue_message()
    key = message(message_id).contact.address_key
    _suppress(key, test=True)
    assert opt_outs.find_opt_outs([key], "chat", "", test=True)[key][None].code == "21610"
    assert opt_outs.find_opt_outs([key], "chat", "", test=False).get(key, "") == ""


def test_message_without_a_body_is_not_sent(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    message_id = queue_message()

    @transaction
    def erase() -> None:
        db.session.delete(db.session.get_one(MessageBody, message_id))

    erase()
    assert deliver() == 0
    assert (status(message_id), fake_provider.sent) == ("canceled", [])


def test_erased_contact_receives_no_message(
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
    def encrypt_with_another_key() -> None:
        row = db.session.get_one(MessageBody, message_id)
        sealed = row._content
        row._content = sealed[:2] + b"zz" + sealed[4:]  # as if encrypted with the key "zz"

    assert keyring().newest == "k1"
    encrypt_with_another_key()
    assert deliver() == 0
    row = message(message_id)
    assert (row.status, row.code, fake_provider.sent) == ("queued", "unreadable", [])
    assert row.due_at is not None
    assert row.due_at > now()
    assert status_words(message_id) == ["unreadable"]
