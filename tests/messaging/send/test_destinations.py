"""A destination that accepts no posts is paused with its reason, until a test passes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import select

from hub.connections import connection_tests, connections
from hub.core.errors import (
    DestinationUnavailable,
    PermanentError,
    RecipientRefused,
    SendError,
)
from hub.core.vocabulary import ConnectionState
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.integrations.base import Accepted, CheckResult, Outbound
from hub.messaging.compose import direct
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.send import destinations
from hub.messaging.state.message_batch import MessageBatch
from hub.models import (
    Attempt,
    AuditEntry,
    Connection,
    Message,
    PausedDestination,
    Suppression,
)
from tests.fake_provider import FakeProvider, TeamChat
from tests.hub_fixtures import count, deliver, message, status
from tests.messaging.send.destination_steps import GONE, ConnectTeam, pause_reason, post, refuse
from tests.team_connections import accept_post
from tests.team_connections import connect_team as connect_team


def travel_by(seconds: float) -> Any:
    return time_machine.travel(now() + timedelta(seconds=seconds))


ERRORS = [
    DestinationUnavailable(GONE, "removed"),
    RecipientRefused(GONE, "kicked"),
    DestinationUnavailable(GONE, "new", sure=False),
]


@pytest.mark.parametrize("destination", ["T1", "W1", "room"])
@pytest.mark.parametrize("error", ERRORS)
def test_waiting_posts_are_sent_after_a_passing_test(
    connect_team: ConnectTeam, fake_provider: FakeProvider, destination: str, error: SendError
) -> None:
    connection = connect_team(destination)
    fake_provider.on_send = refuse(error, destination)
    first = post("a")
    second = post("b")
    deliver()
    third = post("c")
    deliver()
    assert {status(first), status(second), status(third)} == {"queued"}
    assert pause_reason(connection) == GONE
    assert count(Suppression) == 0
    assert db.session.get_one(Connection, connection.id).state == ConnectionState.ENABLED
    calls = len(fake_provider.sent)
    post("d")
    deliver()
    assert len(fake_provider.sent) == calls, "nothing is tried while it is paused"
    fake_provider.on_send = accept_post
    assert connection_tests.run_test(connection.id).check.ok
    assert pause_reason(connection) == ""
    deliver()
    assert {status(first), status(second), status(third)} <= {"accepted", "delivered"}


def test_failed_test_leaves_the_destination_paused(
    connect_team: ConnectTeam, fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = connect_team("T1")
    fake_provider.on_send = refuse(ERRORS[0], "T1")
    first = post()
    deliver()
    monkeypatch.setattr(TeamChat, "check", lambda self: CheckResult(False, "The channel is gone."))
    connection_tests.run_test(connection.id)
    assert (pause_reason(connection), status(first)) == (GONE, "queued")


def test_enabling_tests_a_paused_destination(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connection = connect_team("T1")
    connection_tests.run_test(connection.id)
    fake_provider.on_send = refuse(ERRORS[0], "T1")
    first = post()
    deliver()
    connections.disable(connection.id)
    fake_provider.on_send = accept_post
    assert connections.needs_test(db.session.get_one(Connection, connection.id))
    connections.enable(connection.id)
    deliver()
    assert status(first) == "accepted"


def test_people_and_other_destinations_are_not_affected(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connection = connect_team("T1")
    other_connection = connect_team("T2")
    fake_provider.on_send = refuse(ERRORS[0], "T1")
    post()
    deliver()
    by_place = dict(
        db.session.execute(
            select(Message.connection_id, Message.status).where(Message.thread != "")
        ).all()
    )
    assert by_place == {connection.id: "queued", other_connection.id: "accepted"}
    person = direct.send_message(
        to="chat-1", text="Hello.", connection_slug=connection.slug, test=True
    )
    deliver()
    assert status(person) == "accepted"
    assert pause_reason(other_connection) == ""


def test_refusal_by_a_person_is_still_suppressed(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connection = connect_team("T1")
    fake_provider.on_send = refuse(ERRORS[1], "chat-1")
    person = direct.send_message(
        to="chat-1", text="Hello.", connection_slug=connection.slug, test=True
    )
    deliver()
    assert (status(person), count(Suppression), pause_reason(connection)) == ("failed", 1, "")


@pytest.mark.parametrize("error", [ERRORS[0], ERRORS[2]])
def test_other_destination_fails_its_message_only(
    connect_team: ConnectTeam, fake_provider: FakeProvider, error: SendError
) -> None:
    connection = connect_team("T1")
    fake_provider.on_send = refuse(error, "chat-1")
    other = direct.send_message(
        to="chat-1", text="Hello.", connection_slug=connection.slug, test=True
    )
    deliver()
    assert (status(other), message(other).code) == ("failed", error.code)
    assert (count(Suppression), count(PausedDestination)) == (0, 0)


def test_unknown_refusal_of_an_update_concerns_only_the_post(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connect_team("T1")
    first = post("a")
    batch = MessageBatch()
    batch.read([first])
    update = replace(batch.rows[first], edits_id=first)
    adjusted = [type(destinations.adjust_error(update, error)) for error in (ERRORS[0], ERRORS[2])]
    assert adjusted == [DestinationUnavailable, PermanentError]


def test_manual_message_to_the_team_destination_waits_too(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connection = connect_team("T1")
    fake_provider.on_send = refuse(ERRORS[1], "T1")
    sent = direct.send_message(connection_id=connection.id, to="T1", text="Hello.")
    deliver()
    assert (status(sent), count(Suppression), pause_reason(connection)) == ("queued", 0, GONE)


def test_posts_expire_with_the_reason(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connect_team("T1")
    fake_provider.on_send = refuse(ERRORS[0], "T1")
    first = post("a")
    deliver()
    second = post("b")
    deliver()
    expires_at = message(second).expires_at
    assert expires_at is not None
    with time_machine.travel(expires_at + timedelta(seconds=1)):
        deliver()
        deliver()
    for message_id in (first, second):
        assert (message(message_id).status, message(message_id).code) == ("expired", "removed")


def test_post_with_an_unknown_refusal_does_not_delay_others(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connection = connect_team("T1")
    poison = post("a")

    def refuse_one(outbound: Outbound) -> Accepted:
        if outbound.id == poison:
            raise DestinationUnavailable("Words that nobody knows.", "new_words", sure=False)
        return accept_post(outbound)

    fake_provider.on_send = refuse_one
    deliver()
    other_post = post("b")
    assert status(poison) == "queued"
    connection_tests.run_test(connection.id)
    deliver()
    assert (status(poison), message(poison).code, status(other_post)) == (
        "failed",
        "new_words",
        "accepted",
    )
    assert pause_reason(connection) == ""


def test_post_with_a_known_refusal_keeps_waiting(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connection = connect_team("T1")
    fake_provider.on_send = refuse(ERRORS[0], "T1")
    first = post()
    for _ in range(3):
        deliver()
        assert (status(first), pause_reason(connection)) == ("queued", GONE)
        connection_tests.run_test(connection.id)
    assert [row.outcome for row in db.session.scalars(select(Attempt))] == ["destination"] * 3


def test_queued_message_can_be_canceled(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    from hub.messaging.compose import cancellation

    connect_team("T1")
    fake_provider.on_send = refuse(ERRORS[0], "T1")
    first = post()
    deliver()
    cancellation.cancel(first)
    assert status(first) == "canceled"


def test_pause_is_audited_once(connect_team: ConnectTeam, fake_provider: FakeProvider) -> None:
    connection = connect_team("T1")
    fake_provider.on_send = refuse(ERRORS[0], "T1")
    for number in "abc":
        post(number)
    deliver()
    connection_tests.run_test(connection.id)
    db.session.rollback()
    entries = [
        row.action
        for row in db.session.scalars(select(AuditEntry).where(AuditEntry.subject == connection.id))
        if "destination" in row.action
    ]
    assert entries == [
        "connection.destination_paused",
        "connection.destination_reopened",
        *entries[2:],
    ]


def test_earlier_suppression_does_not_block_posts(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connect_team("T1")

    @transaction
    def add_suppression() -> None:
        key = get_or_create_contact("chat", "T1", test=True).address_key
        db.session.add(
            Suppression(
                address_key=key,
                channel="chat",
                sender="team_chat",
                test=True,
                reason="provider",
                code="kicked",
            )
        )

    add_suppression()
    first = post()
    deliver()
    assert status(first) == "accepted"
