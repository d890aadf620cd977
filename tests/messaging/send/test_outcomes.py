"""Outcomes are recorded on their attempt, and on the message unless a newer attempt exists."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from hub.core.errors import (
    OutcomeUnknown,
    PermanentError,
    RecipientMoved,
    RecipientRefused,
    SendError,
    SlowDown,
    TemplateRequired,
    TransientError,
    Unreachable,
)
from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.integrations.base import Accepted, Outbound
from hub.models import Connection, Suppression
from tests.fake_provider import FakeChat, FakeProvider
from tests.hub_fixtures import (
    attempts,
    clear_throttle,
    count,
    deliver,
    event_types,
    eventually,
    make_due,
    message,
    queue_text,
    status,
    status_words,
    update_message,
)
from tests.messaging.send.outcome_steps import claim, queue_message, raise_error, record_outcome


# ── Accepted ──────────────────────────────────────────────────────────────────────────────────────
def test_accepted_message_has_its_provider_id_and_no_due_time(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    fake_provider.on_send = lambda outbound: Accepted("p1", segments=2, sender="sender 7")
    message_id = queue_message()
    assert deliver() == 1
    row = message(message_id)
    [attempt] = attempts(message_id)
    assert (row.status, row.provider_id, row.segments, row.due_at, row.code) == (
        "accepted",
        "p1",
        2,
        None,
        "",
    )
    assert (attempt.outcome, attempt.provider_id, attempt.sender) == ("accepted", "p1", "sender 7")
    assert attempt.ended_at is not None
    assert event_types(message_id) == []
    assert deliver() == 0


def test_attempt_records_details_of_the_exchange(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    message_id = queue_text()
    deliver()
    [attempt] = attempts(message_id)
    assert attempt.http_status == 201
    assert attempt.request_ref.startswith("RQ")
    assert attempt.milliseconds is not None
    assert attempt.sender == "+15005550006"
    assert attempt.provider_id == message(message_id).provider_id


def test_messaging_service_is_recorded_as_the_sender(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    service = simulator.extensions["simulator"].account.credentials.messaging_service_sid

    @transaction
    def save() -> None:
        row = db.session.get_one(Connection, connection.id)
        row.settings = {**row.settings, "sender": service}
        row.settings_version = row.settings_version + 1

    save()
    message_id = queue_text()
    deliver()
    assert attempts(message_id)[0].sender == service


# ── Refused ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "error",
    [
        PermanentError("No.", "p7"),
        TemplateRequired("Not now.", "p7"),
        RecipientRefused("Never.", "p7"),
    ],
)
def test_permanent_refusal_is_not_retried(
    fake_chat: Connection, fake_provider: FakeProvider, error: SendError
) -> None:
    fake_provider.on_send = raise_error(error)
    message_id = queue_message()
    assert deliver() == 1
    row = message(message_id)
    assert (row.status, row.code, row.due_at) == ("failed", "p7", None)
    assert event_types(message_id) == ["fake_chat_failed"]
    assert [(attempt.outcome, attempt.code) for attempt in attempts(message_id)] == [
        ("failed", "p7")
    ]


def test_only_a_refused_recipient_is_suppressed(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    fake_provider.on_send = raise_error(PermanentError("No.", "p7"))
    queue_message()
    deliver()
    assert count(Suppression) == 0
    fake_provider.on_send = raise_error(RecipientRefused("Never.", "p8"))
    for text in ("one", "two"):
        queue_message(text=text)
    deliver()
    [row] = db.session.scalars(select(Suppression)).all()
    assert (row.channel, row.code, row.reason, row.test) == ("chat", "p8", "provider", True)
    assert status(queue_message(text="three")) == Status.SUPPRESSED
    assert message(queue_message(text="four")).code == "p8"
    assert status(queue_message("another room")) == Status.QUEUED


def test_message_follows_a_moved_recipient(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    def move(outbound: Outbound) -> Accepted:
        if outbound.to == "room":
            raise RecipientMoved("They moved.", "p9", new="room-2")
        return Accepted("p1")

    fake_provider.on_send = move
    message_id = queue_message()
    deliver()
    row = message(message_id)
    assert (row.status, row.contact.address) == ("accepted", "room-2")
    assert [listed.to for listed in fake_provider.sent] == ["room", "room-2"]


# ── Later ─────────────────────────────────────────────────────────────────────────────────────────
def test_refused_connection_is_retried_with_growing_pauses(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    fake_provider.on_send = raise_error(TransientError("Rain.", "rain"))
    message_id = queue_message()
    pauses = []
    for _ in range(2):  # retries = 3
        deliver()
        row = message(message_id)
        assert (row.status, row.code) == ("queued", "rain")
        assert row.due_at is not None
        pauses.append((row.due_at - row.changed_at).total_seconds())
        make_due(message_id)
    assert 0.75 <= pauses[0] <= 1.26
    assert 1.5 <= pauses[1] <= 2.51
    deliver()
    row = message(message_id)
    assert (row.status, row.code, row.due_at) == ("failed", "rain", None)
    assert [attempt.outcome for attempt in attempts(message_id)] == ["transient"] * 3
    assert event_types(message_id) == ["fake_chat_failed"]


def test_pauses_vary(fake_chat: Connection) -> None:
    pauses = set()
    for n in range(8):
        message_id = queue_message(text=f"{n}")
        record_outcome(claim(fake_chat), error=TransientError("Rain.", "rain"))
        due = message(message_id).due_at
        assert due is not None
        pauses.add(round((due - now()).total_seconds(), 1))
    assert len(pauses) > 1, "messages that failed together must not come back together"


@pytest.mark.parametrize(("retry_after", "waits"), [(90, 90), (0, 0.7), (None, 0.7)])
def test_retry_after_is_respected(
    fake_chat: Connection, retry_after: float | None, waits: float
) -> None:
    message_id = queue_message()
    record_outcome(claim(fake_chat), error=TransientError("Rain.", "rain", retry_after))
    due = message(message_id).due_at
    assert due is not None
    assert waits - 1 < (due - now()).total_seconds() < waits + 1


def test_rate_limited_message_is_sent_after_the_pause(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    message_id = queue_text("+15005550012")
    deliver()
    first = message(message_id)
    assert (first.status, first.code) == ("queued", "20429")
    eventually(lambda: deliver(), 5)  # Retry-After is one second
    assert status(message_id) in ("accepted", "sent", "delivered")
    assert [(attempt.outcome, attempt.http_status) for attempt in attempts(message_id)] == [
        ("slowed", 429),
        ("accepted", 201),
    ]


def test_unreachable_provider_is_retried(hub_demo: Flask, connection: Connection) -> None:
    message_id = queue_text()  # no simulator runs
    deliver()
    row = message(message_id)
    assert (row.status, row.code) == ("queued", "unreachable")
    assert attempts(message_id)[0].outcome == "unreachable"


@pytest.mark.parametrize(
    "error", [Unreachable("No way.", "unreachable"), SlowDown("Slower.", "slow", 0)]
)
def test_error_of_the_sender_does_not_count_as_an_attempt(
    fake_chat: Connection, error: TransientError
) -> None:
    message_id = queue_message()
    for _ in range(FakeChat.retries + 1):
        clear_throttle(fake_chat)
        make_due(message_id)
        record_outcome(claim(fake_chat), error=error)
    assert (status(message_id), message(message_id).code) == ("queued", error.code)


def test_stopped_message_is_canceled_instead_of_retried(fake_chat: Connection) -> None:
    message_id = queue_message()
    claimed = claim(fake_chat)
    update_message(message_id, stop_reason="signed")
    record_outcome(claimed, error=TransientError("Rain.", "rain"))
    assert (status(message_id), status_words(message_id)) == ("canceled", ["stopped"])


# ── Unknown ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "error", [OutcomeUnknown("Fog.", "fog"), RuntimeError("a fault of the integration's own")]
)
def test_message_that_may_have_arrived_is_unknown_and_not_resent(
    fake_chat: Connection, fake_provider: FakeProvider, error: Exception
) -> None:
    fake_provider.on_send = raise_error(error)
    message_id = queue_message()
    deliver()
    row = message(message_id)
    assert row.status == Status.UNKNOWN
    assert row.code == ("fog" if isinstance(error, OutcomeUnknown) else "fault")
    assert row.due_at is not None
    assert timedelta(seconds=50) < row.due_at - now() <= timedelta(seconds=60)
    with time_machine.travel(now() + timedelta(hours=2)):
        assert deliver() == 0


def test_internal_error_does_not_store_the_text_in_the_attempt(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    fake_provider.on_send = raise_error(RuntimeError("secret text of the message"))
    message_id = queue_message(text="secret text of the message")
    deliver()
    assert "secret" not in attempts(message_id)[0].reason
    assert "RuntimeError" in attempts(message_id)[0].reason


def test_server_error_after_sending_is_an_unknown_outcome(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    message_id = queue_text("+15005550014")
    deliver()
    assert message(message_id).status == Status.UNKNOWN
    assert attempts(message_id)[0].http_status == 500
