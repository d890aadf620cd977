"""Statuses of messages without callbacks are polled, rarely and for a limited time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import select

from hub.core.errors import ConnectionBroken, OutcomeUnknown, PermanentError, TransientError
from hub.core.vocabulary import ConnectionState, Lane, Status
from hub.db.engine import db
from hub.db.types import now
from hub.integrations.base import StatusUpdate
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.track import status_polling, statuses
from hub.messaging.track.statuses import Origin
from hub.models import Connection, StatusEvent
from tests.fake_provider import FakeProvider
from tests.hub_fixtures import (
    deliver,
    event_types,
    eventually,
    make_due,
    message,
    queue_text,
    set_connection_state,
    status,
    status_words,
    update_message,
)
from tests.hub_fixtures import signing_app as signing_app

QUARTER = timedelta(minutes=15)


def send_accepted(text: str = "Hello.", to: str = "room") -> str:
    """Send a message that gets no callbacks, and return its ID."""
    message_id = queue_text(to, text, channel="", connection_slug="pollable-chat")
    deliver()
    assert status(message_id) == Status.ACCEPTED
    return message_id


def sent_update(provider_id: str) -> StatusUpdate:
    return StatusUpdate(status=Status.SENT, provider_status="on the way")


def delivered_update(provider_id: str) -> StatusUpdate:
    return StatusUpdate(status=Status.DELIVERED, provider_status="home")


def travel_by(**pause: float) -> Any:
    return time_machine.travel(now() + timedelta(**pause), tick=False)


def polling_pause(message_id: str) -> timedelta | None:
    due_at = message(message_id).due_at
    return due_at and due_at - message(message_id).changed_at


def list_sources(message_id: str) -> list[str]:
    return list(
        db.session.scalars(
            select(StatusEvent.source)
            .where(StatusEvent.message_id == message_id)
            .order_by(StatusEvent.id)
        )
    )


# ── When ──────────────────────────────────────────────────────────────────────────────────────────
def test_accepted_message_is_polled_after_a_quarter_of_an_hour(
    pollable_chat: Connection, fake_provider: FakeProvider
) -> None:
    message_id = send_accepted()
    assert polling_pause(message_id) == QUARTER
    assert not status_polling.is_due()
    assert status_polling.poll_statuses() == 0
    fake_provider.on_fetch_status = delivered_update
    with travel_by(minutes=16):
        assert status_polling.is_due()
        assert status_polling.poll_statuses() == 1
        assert not status_polling.is_due()
    assert (status(message_id), message(message_id).due_at) == ("delivered", None)
    assert (status_words(message_id), list_sources(message_id), event_types(message_id)) == (
        ["home"],
        ["poll"],
        ["fake_chat_delivered"],
    )
    assert fake_provider.status_queries == [message(message_id).provider_id]


def test_polling_pauses_grow_until_polling_ends(
    pollable_chat: Connection, fake_provider: FakeProvider
) -> None:
    message_id = send_accepted()
    pauses = []
    while (pause := polling_pause(message_id)) is not None:
        pauses.append(pause)
        with time_machine.travel(
            message(message_id).changed_at + pause + timedelta(seconds=1), tick=False
        ):
            assert status_polling.poll_statuses() == 1
    assert pauses == [QUARTER, timedelta(hours=1), timedelta(hours=6), timedelta(hours=24)]
    assert (status(message_id), status_words(message_id)) == (
        "accepted",
        ["pending"],
    ), "a word that is repeated is kept once"


def test_status_update_delays_the_next_poll_and_a_final_one_ends_polling(
    pollable_chat: Connection, fake_provider: FakeProvider
) -> None:
    message_id = send_accepted()
    origin = Origin("callback", [pollable_chat.id])
    ring = message(message_id).provider_id or ""
    with travel_by(minutes=10):
        statuses.apply_status(
            StatusUpdate(provider_id=ring, status=Status.SENT, provider_status="sent"), origin
        )
        assert polling_pause(message_id) == QUARTER
        assert message(message_id).changed_at == now()
    statuses.apply_status(
        StatusUpdate(provider_id=ring, status=Status.UNDELIVERED, provider_status="hawk"), origin
    )
    assert message(message_id).due_at is None


def test_pending_message_is_polled_again(
    pollable_chat: Connection, fake_provider: FakeProvider
) -> None:
    message_id = send_accepted()
    fake_provider.on_fetch_status = sent_update
    with travel_by(minutes=16):
        status_polling.poll_statuses()
        assert (status(message_id), polling_pause(message_id)) == ("sent", QUARTER)
    fake_provider.on_fetch_status = delivered_update
    with travel_by(minutes=32):
        status_polling.poll_statuses()
    assert event_types(message_id) == ["fake_chat_delivered", "fake_chat_sent"]


def test_message_that_cannot_be_polled_is_left_alone(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    message_id = queue_text("room", "Hello.", channel="", connection_slug="fake-chat")
    deliver()
    assert message(message_id).due_at is None
    make_due(message_id)  # as a callback would leave it, which does not know what the provider can
    assert status_polling.poll_statuses() == 0
    assert (status(message_id), message(message_id).due_at) == ("accepted", None)


def test_messages_of_both_lanes_are_polled(
    pollable_chat: Connection, fake_provider: FakeProvider
) -> None:
    for lane in Lane:
        message_id = send_accepted()
        update_message(message_id, lane=lane.value)
        make_due(message_id)
    assert status_polling.poll_statuses() == 2


# ── How much ──────────────────────────────────────────────────────────────────────────────────────
def test_polling_takes_a_batch_with_the_longest_waiting_first(
    pollable_chat: Connection, fake_provider: FakeProvider
) -> None:
    ids = [send_accepted() for _ in range(status_polling.BATCH + 2)]
    for position, message_id in enumerate(ids):
        update_message(message_id, due_at=now() - timedelta(minutes=position + 1))
    assert status_polling.poll_statuses() == status_polling.BATCH
    assert status_polling.is_due()
    assert status_polling.poll_statuses() == 2
    assert fake_provider.status_queries == [
        message(polled_id).provider_id for polled_id in sorted(ids[2:])
    ] + [message(polled_id).provider_id for polled_id in ids[:2]]


@pytest.mark.parametrize("state", [ConnectionState.DISABLED, ConnectionState.BROKEN])
def test_disabled_connection_is_not_polled(
    pollable_chat: Connection, fake_provider: FakeProvider, state: ConnectionState
) -> None:
    make_due(send_accepted())
    set_connection_state(pollable_chat.id, state)
    assert not status_polling.is_due()
    assert status_polling.poll_statuses() == 0
    set_connection_state(pollable_chat.id, ConnectionState.ENABLED)
    assert status_polling.poll_statuses() == 1


def test_concurrent_pollers_poll_different_messages(
    pollable_chat: Connection, fake_provider: FakeProvider
) -> None:
    make_due(send_accepted())
    assert len(status_polling.claim_lookups(pollable_chat.id)) == 1
    assert status_polling.claim_lookups(pollable_chat.id) == []


def test_stopping_worker_leaves_the_remaining_polls(
    pollable_chat: Connection, fake_provider: FakeProvider
) -> None:
    make_due(send_accepted())
    assert status_polling.poll_statuses(ShutdownSignal(-1)) == 0
    assert status_polling.is_due()
    assert status_polling.poll_statuses() == 1


# ── What goes wrong ───────────────────────────────────────────────────────────────────────────────
def raise_error(error: Exception) -> Any:
    def fail(provider_id: str) -> StatusUpdate:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "minutes"),
    [
        (OutcomeUnknown("Fog.", "fog"), 10),
        (TransientError("Busy.", "busy", 1800), 30),
        (ConnectionBroken("No key.", "key"), 10),
    ],
    ids=["no answer", "too busy", "not allowed"],
)
def test_unreachable_provider_is_not_polled_for_a_while(
    pollable_chat: Connection, fake_provider: FakeProvider, error: Exception, minutes: int
) -> None:
    ids = [send_accepted() for _ in range(status_polling.BATCH + 2)]
    for message_id in ids:
        make_due(message_id)
    fake_provider.on_fetch_status = raise_error(error)
    with travel_by(seconds=0):
        status_polling.poll_statuses()
        assert len(fake_provider.status_queries) == 1, "one lookup answers for all"
        assert {message(waiting_id).due_at for waiting_id in ids} == {
            now() + timedelta(minutes=minutes)
        }
    assert message(ids[0]).connection.enabled, "what only cannot be asked may well send"


def test_provider_unreachable_for_two_days_is_no_longer_polled(
    pollable_chat: Connection, fake_provider: FakeProvider
) -> None:
    message_id = send_accepted()
    fake_provider.on_fetch_status = raise_error(OutcomeUnknown("Fog.", "fog"))
    with travel_by(hours=49):
        status_polling.poll_statuses()
    assert (status(message_id), message(message_id).due_at) == ("accepted", None)


def test_message_deleted_at_the_provider_is_not_polled_again(
    pollable_chat: Connection, fake_provider: FakeProvider
) -> None:
    message_id = send_accepted()
    other_message = send_accepted()
    make_due(message_id)
    make_due(other_message)
    fake_provider.on_fetch_status = raise_error(PermanentError("Nothing there.", "404"))
    assert status_polling.poll_statuses() == 2, "it says nothing of the others"
    assert (status(message_id), message(message_id).due_at, status_words(message_id)) == (
        "accepted",
        None,
        ["gone"],
    )


def test_internal_error_of_one_integration_does_not_affect_others(
    connection: Connection, pollable_chat: Connection, fake_provider: FakeProvider, simulator: Any
) -> None:
    def fail_for_one(provider_id: str) -> StatusUpdate:
        if provider_id == message(first).provider_id:
            raise RuntimeError("a fault of the integration's own")
        return delivered_update(provider_id)

    first = send_accepted()
    second = send_accepted()
    elsewhere = queue_text("+15005550016")
    deliver()
    eventually(
        lambda: (
            simulator.extensions["simulator"].store.on_phone("+15005550016")[0].status
            == "delivered"
        )
    )
    for message_id in (first, second, elsewhere):
        make_due(message_id)
    fake_provider.on_fetch_status = fail_for_one
    assert status_polling.poll_statuses() == 3
    assert [status(sent_id) for sent_id in (first, second, elsewhere)] == [
        "accepted",
        "delivered",
        "delivered",
    ]
    assert polling_pause(first) == QUARTER, "its turn comes again"


def test_callback_before_the_poll_result_takes_precedence(
    pollable_chat: Connection, fake_provider: FakeProvider
) -> None:
    def apply_callback_first(provider_id: str) -> StatusUpdate:
        update = StatusUpdate(provider_id=provider_id, status=Status.READ, provider_status="read")
        statuses.apply_status(update, Origin("callback", [pollable_chat.id]))
        return sent_update(provider_id)

    message_id = send_accepted()
    make_due(message_id)
    fake_provider.on_fetch_status = apply_callback_first
    status_polling.poll_statuses()
    assert (status(message_id), message(message_id).due_at, list_sources(message_id)) == (
        "read",
        None,
        ["callback", "poll"],
    )


def test_message_whose_provider_id_was_reused_is_not_polled(
    pollable_chat: Connection, fake_provider: FakeProvider
) -> None:
    message_id = send_accepted()
    update_message(message_id, provider_id=None)
    make_due(message_id)
    assert status_polling.poll_statuses() == 0
    assert message(message_id).due_at is None


def test_no_transaction_is_open_during_a_poll(
    pollable_chat: Connection, fake_provider: FakeProvider
) -> None:
    def check_transaction(provider_id: str) -> StatusUpdate:
        assert not db.session().in_transaction()
        return delivered_update(provider_id)

    message_id = send_accepted()
    make_due(message_id)
    fake_provider.on_fetch_status = check_transaction
    status_polling.poll_statuses()
    assert status(message_id) == Status.DELIVERED
