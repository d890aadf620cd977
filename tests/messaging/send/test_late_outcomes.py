"""Outcomes that arrive late, and connections that break."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import time_machine
from flask import Flask

from hub.core.errors import (
    ConnectionBroken,
    OutcomeUnknown,
    PermanentError,
    SendError,
    TransientError,
)
from hub.core.vocabulary import ConnectionState, Status
from hub.db.engine import db
from hub.db.types import now
from hub.integrations.base import Accepted
from hub.messaging.send import calls, claims
from hub.messaging.send.dispatcher import call_provider
from hub.messaging.track.statuses import expire_lease
from hub.models import Connection, Message
from hub.shared import integration_instances
from tests.fake_provider import FakeProvider
from tests.hub_fixtures import (
    attempts,
    count,
    deliver,
    event_types,
    message,
    queue_text,
    set_connection_state,
    status,
    update_message,
)
from tests.messaging.send.outcome_steps import claim, queue_message, raise_error, record_outcome


# ── Broken ────────────────────────────────────────────────────────────────────────────────────────
def test_broken_connection_pauses_and_its_messages_wait(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    simulator.extensions["simulator"].account.rotate_token()
    ids = [queue_text(text=f"{n}") for n in range(3)]
    deliver()
    db.session.rollback()
    row = db.session.get_one(Connection, connection.id)
    assert row.state == ConnectionState.BROKEN
    assert row.state_reason
    assert {status(waiting_id) for waiting_id in ids} == {"queued"}
    assert {attempt.outcome for message_id in ids for attempt in attempts(message_id)} == {"broken"}
    message_count = count(Message)
    later = queue_while_broken(connection)
    assert status(later) == Status.QUEUED
    assert count(Message) == message_count + 1
    assert deliver() == 0


def queue_while_broken(connection: Connection) -> str:
    set_connection_state(connection.id, ConnectionState.ENABLED)
    message_id = queue_text(text="waits too")
    set_connection_state(connection.id, ConnectionState.BROKEN)
    return message_id


def test_waiting_messages_are_sent_after_the_connection_is_enabled_again(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    fake_provider.on_send = raise_error(ConnectionBroken("The fake_provider burned down.", "fire"))
    message_id = queue_message()
    deliver()
    assert (status(message_id), message(message_id).code) == ("queued", "fire")
    assert event_types(message_id) == []
    fake_provider.on_send = lambda outbound: Accepted("p1")
    set_connection_state(fake_chat.id, ConnectionState.ENABLED)
    deliver()
    assert status(message_id) == Status.ACCEPTED
    assert len(fake_provider.sent) == 2


# ── Late ──────────────────────────────────────────────────────────────────────────────────────────
def claim_again(connection: Connection, message_id: str) -> calls.Claim:
    update_message(message_id, status=Status.QUEUED.value, due_at=now())
    return claim(connection)


def test_late_failure_of_an_older_attempt_stays_with_it(fake_chat: Connection) -> None:
    message_id = queue_message()
    first = claim(fake_chat)
    claim_again(fake_chat, message_id)
    record_outcome(first, error=PermanentError("No.", "p7"))
    row = message(message_id)
    assert (row.status, row.tries, row.code) == ("sending", 2, "")
    assert [attempt.outcome for attempt in attempts(message_id)] == ["failed", None]
    assert event_types(message_id) == []


def test_late_acceptance_of_an_older_attempt_stays_with_it(fake_chat: Connection) -> None:
    message_id = queue_message()
    first = claim(fake_chat)
    second = claim_again(fake_chat, message_id)
    record_outcome(first, accepted=Accepted("p1"))
    assert message(message_id).provider_id is None
    record_outcome(second, accepted=Accepted("p2"))
    assert message(message_id).provider_id == "p2"
    assert [attempt.provider_id for attempt in attempts(message_id)] == ["p1", "p2"]


def test_response_after_the_lease_is_recorded(fake_chat: Connection) -> None:
    message_id = queue_message()
    claimed = claim(fake_chat)
    with time_machine.travel(now() + claims.LEASE + timedelta(seconds=1)):
        expire_lease(message_id)
        assert status(message_id) == Status.UNKNOWN
        record_outcome(claimed, accepted=Accepted("p1"))
    assert (status(message_id), message(message_id).due_at) == ("accepted", None)


def test_invalid_pause_does_not_affect_other_outcomes(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    ids = [queue_message(text=f"{n}") for n in range(2)]
    first, second = claims.record_and_claim([], {fake_chat.id: 2})
    claims.record_and_claim(
        [
            calls.Outcome(first, None, TransientError("Rain.", "rain", float("inf")), now(), 1),
            calls.Outcome(second, Accepted("p2"), None, now(), 1),
        ],
        {},
    )
    assert [status(message_id) for message_id in ids] == ["queued", "accepted"]


def test_every_result_of_a_call_is_an_outcome(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    queue_message()
    claimed = claim(fake_chat)
    for error in (
        TransientError("a"),
        OutcomeUnknown("b"),
        PermanentError("c"),
        ConnectionBroken("d"),
        KeyError("e"),
    ):
        fake_provider.on_send = raise_error(error)
        outcome = call_provider(claimed)
        assert outcome.accepted is None
        assert isinstance(
            outcome.error, type(error) if isinstance(error, SendError) else OutcomeUnknown
        )


def test_unwritable_outcome_does_not_affect_others(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    absurd = queue_message(text="absurd")
    plain = queue_message(text="plain")
    fake_provider.on_send = lambda outbound: Accepted(
        outbound.id, segments=10**30 if outbound.id == absurd else 1
    )
    deliver()
    assert (status(plain), status(absurd)) == ("accepted", "sending")


def test_long_outage_does_not_fail_messages_before_they_expire(
    hub_demo: Flask, connection: Connection
) -> None:
    assert integration_instances.instance(connection).retries >= 100, (
        "expiry ends retries, not their number"
    )
