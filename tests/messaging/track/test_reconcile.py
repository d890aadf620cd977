"""Unknown outcomes are resolved: found, proved absent, or left to an admin."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from hub.core.errors import OutcomeUnknown
from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.integrations.base import Accepted, Outbound, StatusUpdate
from hub.jobs import chores
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.compose import cancellation
from hub.messaging.send import claims, recipient_pacing
from hub.messaging.send.dispatcher import call_provider
from hub.messaging.state import clock_skew
from hub.messaging.track import reconcile, statuses
from hub.messaging.track.statuses import Origin, expire_lease
from hub.models import Attempt, Connection
from hub.shared import idempotency
from tests.fake_provider import FakeProvider, lose_response
from tests.hub_fixtures import (
    attempts,
    deliver,
    make_due,
    message,
    queue_text,
    status,
    status_words,
    update_message,
)
from tests.messaging.track.reconcile_steps import send_with_unknown_outcome


# ── Leases ────────────────────────────────────────────────────────────────────────────────────────
def test_expired_lease_becomes_an_unknown_outcome_and_is_never_requeued(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    message_id = queue_text("room", "Hello.", channel="", connection_slug="fake-chat")
    claims.record_and_claim([], {fake_chat.id: 1})
    assert not reconcile.is_due()
    with time_machine.travel(now() + claims.LEASE + timedelta(seconds=1)):
        assert reconcile.is_due()
        reconcile.look_up_unknown()
        row = message(message_id)
        assert (row.status, row.code) == ("unknown", "lease_expired")
        assert attempts(message_id)[0].outcome == "unknown"
        assert deliver() == 0
    assert fake_provider.sent == []
    assert status_words(message_id)[0] == "lease expired"


def test_expired_lease_is_looked_up_after_a_minute(
    searchable_chat: Connection, fake_provider: FakeProvider
) -> None:
    lookups: list[str] = []

    def find_nothing(outbound: Outbound) -> list[Accepted]:
        lookups.append(outbound.id)
        return []

    fake_provider.on_find = find_nothing
    message_id = queue_text("room", "Hello.", channel="", connection_slug="searchable-chat")
    [claim] = claims.record_and_claim([], {searchable_chat.id: 1})
    make_due(message_id)
    reconcile.look_up_unknown()
    reconcile.look_up_unknown()
    assert (status(message_id), lookups) == ("unknown", [])
    due = message(message_id).due_at
    assert due is not None
    assert due > now() + timedelta(seconds=50)
    claims.record_and_claim([call_provider(claim)], {})  # the worker continues after its lease
    assert status(message_id) == Status.ACCEPTED


def test_running_lease_is_unchanged(fake_chat: Connection) -> None:
    message_id = queue_text("room", "Hello.", channel="", connection_slug="fake-chat")
    claims.record_and_claim([], {fake_chat.id: 1})
    expire_lease(message_id)
    assert status(message_id) == Status.SENDING


# ── Found, absent, undecided ──────────────────────────────────────────────────────────────────────
def test_message_found_at_the_provider_is_accepted(
    searchable_chat: Connection, fake_provider: FakeProvider
) -> None:
    fake_provider.on_send = lose_response
    fake_provider.on_find = lambda outbound: [Accepted("h1", sender="sender 7")]
    message_id = send_with_unknown_outcome()
    assert reconcile.look_up_unknown() == 1
    row = message(message_id)
    [attempt] = attempts(message_id)
    assert (row.status, row.provider_id, row.due_at, row.code) == ("accepted", "h1", None, "")
    assert (attempt.provider_id, attempt.sender) == ("h1", "sender 7")
    assert status_words(message_id) == ["found"]
    assert len(fake_provider.sent) == 1


def test_message_missing_at_the_provider_is_resent_once(
    searchable_chat: Connection, fake_provider: FakeProvider
) -> None:
    fake_provider.on_send = lose_response
    fake_provider.on_find = lambda outbound: []
    message_id = send_with_unknown_outcome()
    reconcile.look_up_unknown()
    assert (status(message_id), status_words(message_id)) == ("queued", ["proved absent"])
    fake_provider.on_send = lambda outbound: Accepted("h1")
    deliver()
    reconcile.look_up_unknown()
    deliver()
    assert [message.attempt for message in fake_provider.sent] == [1, 2]
    assert status(message_id) == Status.ACCEPTED


def test_stopped_message_that_is_proved_absent_is_canceled(
    searchable_chat: Connection, fake_provider: FakeProvider
) -> None:
    fake_provider.on_send = lose_response
    fake_provider.on_find = lambda outbound: []
    message_id = send_with_unknown_outcome()
    update_message(message_id, stop_reason="signed")
    reconcile.look_up_unknown()
    assert deliver() == 0
    assert status(message_id) == Status.CANCELED


def test_outcome_stays_unknown_without_a_lookup(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    fake_provider.on_send = lose_response
    message_id = send_with_unknown_outcome(slug="fake-chat")
    reconcile.look_up_unknown()
    row = message(message_id)
    assert (row.status, row.due_at) == ("unknown", None)
    assert status_words(message_id) == ["undecided"]
    assert not reconcile.is_due(), "nobody looks again"


def test_integration_that_prefers_duplicates_sends_again(
    resending_chat: Connection, fake_provider: FakeProvider
) -> None:
    fake_provider.on_send = lose_response
    message_id = send_with_unknown_outcome(slug="resending-chat")
    fake_provider.on_send = lambda outbound: Accepted("m1")
    reconcile.look_up_unknown()
    deliver()
    assert (status(message_id), len(fake_provider.sent)) == ("accepted", 2)


def test_failed_lookup_is_repeated_for_a_day(
    searchable_chat: Connection, fake_provider: FakeProvider
) -> None:
    def fail_lookup(outbound: Outbound) -> list[Accepted]:
        raise OutcomeUnknown("Fog.", "fog")

    fake_provider.on_send = lose_response
    fake_provider.on_find = fail_lookup
    message_id = send_with_unknown_outcome()
    reconcile.look_up_unknown()
    row = message(message_id)
    assert row.status == Status.UNKNOWN
    assert row.due_at is not None
    assert row.due_at > now() + timedelta(seconds=50)
    with time_machine.travel(now() + timedelta(hours=4), tick=False):
        reconcile.look_up_unknown()
        assert message(message_id).due_at > now() + timedelta(minutes=55), (
            "the longer, the more rarely"
        )  # type: ignore[operator]
    with time_machine.travel(now() + timedelta(hours=25)):
        reconcile.look_up_unknown()
    assert (status(message_id), message(message_id).due_at, status_words(message_id)) == (
        "unknown",
        None,
        ["unanswered"],
    )


def test_unresponsive_provider_delays_no_other_and_is_asked_only_a_few_times(
    connection: Connection, searchable_chat: Connection, fake_provider: FakeProvider, simulator: Any
) -> None:
    lookups = []

    def fail_lookup(outbound: Outbound) -> list[Accepted]:
        lookups.append(outbound.id)
        raise OutcomeUnknown("Fog.", "fog")

    fake_provider.on_send = lose_response
    fake_provider.on_find = fail_lookup
    ids = [send_with_unknown_outcome() for _ in range(reconcile.MAX_FAILURES + 2)]
    elsewhere = queue_text("+15005550014", channel="", connection_slug=connection.slug)
    deliver()
    make_due(elsewhere)
    reconcile.look_up_unknown()
    assert len(lookups) == reconcile.MAX_FAILURES
    assert status(elsewhere) not in ("unknown", "queued")
    assert all(message(message_id).due_at > now() for message_id in ids)  # type: ignore[operator]
    assert not reconcile.is_due()


def test_stopping_worker_polls_no_provider(
    searchable_chat: Connection, fake_provider: FakeProvider
) -> None:
    fake_provider.on_send = lose_response
    fake_provider.on_find = lambda outbound: [Accepted("h1")]
    message_id = send_with_unknown_outcome()
    assert reconcile.look_up_unknown(ShutdownSignal(-1)) == 0
    assert status(message_id) == Status.UNKNOWN
    assert reconcile.is_due()


def test_internal_error_in_a_lookup_does_not_affect_others(
    searchable_chat: Connection, fake_provider: FakeProvider
) -> None:
    def raise_error(outbound: Outbound) -> list[Accepted]:
        if outbound.text == "first":
            raise RuntimeError("a fault of the integration's own")
        return [Accepted("h2")]

    fake_provider.on_send = lose_response
    fake_provider.on_find = raise_error
    first = send_with_unknown_outcome("first")
    second = send_with_unknown_outcome("second")
    reconcile.look_up_unknown()
    assert (status(first), status(second)) == ("unknown", "accepted")
    due = message(first).due_at
    assert due is not None
    assert due > now(), "asked again later"


def test_error_of_one_message_does_not_block_others(
    searchable_chat: Connection, fake_provider: FakeProvider
) -> None:
    fake_provider.on_send = lose_response
    fake_provider.on_find = lambda outbound: [Accepted(f"h-{outbound.text}")]
    first = send_with_unknown_outcome("first")
    second = send_with_unknown_outcome("second")
    lose_attempt(first)
    assert reconcile.look_up_unknown() == 2
    assert (status(first), status(second)) == ("unknown", "accepted")
    assert message(first).due_at > now()  # type: ignore[operator]


@transaction
def lose_attempt(message_id: str) -> None:
    db.session.delete(db.session.get_one(Attempt, (message_id, 1)))


def test_failure_to_end_a_lease_does_not_affect_others(
    searchable_chat: Connection, fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [
        queue_text("room", str(n), channel="", connection_slug="searchable-chat") for n in range(2)
    ]
    claims.record_and_claim([], {searchable_chat.id: 2})
    for leased_id in ids:
        make_due(leased_id)

    def fail_for_the_first(message_id: str) -> None:
        if message_id == ids[0]:
            raise RuntimeError("a fault")
        expire_lease(message_id)

    monkeypatch.setattr(reconcile, "expire_lease", fail_for_the_first)
    reconcile.look_up_unknown()
    assert [status(leased_id) for leased_id in ids] == ["sending", "unknown"]
    assert message(ids[0]).due_at > now()  # type: ignore[operator]
    assert not reconcile.is_due()


def test_failing_chore_does_not_stop_others(
    searchable_chat: Connection, fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> int:
        raise RuntimeError("a fault")

    fake_provider.on_send = lose_response
    fake_provider.on_find = lambda outbound: [Accepted("h1")]
    message_id = send_with_unknown_outcome()
    for chore in (clock_skew, cancellation, idempotency, recipient_pacing):
        monkeypatch.setattr(chore, CHORES[chore.__name__.rpartition(".")[2]], fail)
    assert chores.run_chores(ShutdownSignal(15)) == 1
    assert status(message_id) == Status.ACCEPTED


CHORES = {
    "clock_skew": "correct_times",
    "cancellation": "end_waiting",
    "idempotency": "delete_old_responses",
    "recipient_pacing": "delete_old_paces",
}


def test_message_named_by_a_callback_is_not_resent(
    searchable_chat: Connection, fake_provider: FakeProvider
) -> None:
    fake_provider.on_send = lose_response
    fake_provider.on_find = lambda outbound: [Accepted("h1", sender="sender 7")]
    message_id = send_with_unknown_outcome()
    apply_callback(
        searchable_chat, message_id, attempt=1, reported_status="canceled"
    )  # which raises nothing
    assert status(message_id) == Status.UNKNOWN
    reconcile.look_up_unknown()
    [attempt] = attempts(message_id)
    assert (status(message_id), attempt.provider_id, attempt.sender) == (
        "accepted",
        "h1",
        "sender 7",
    )


def test_message_named_by_a_callback_is_not_resent_when_the_provider_does_not_list_it(
    searchable_chat: Connection, fake_provider: FakeProvider
) -> None:
    fake_provider.on_send = lose_response
    fake_provider.on_find = lambda outbound: []
    message_id = send_with_unknown_outcome()
    apply_callback(searchable_chat, message_id, attempt=1, reported_status="canceled")
    reconcile.look_up_unknown()
    row = message(message_id)
    assert row.status == Status.UNKNOWN
    assert row.due_at is not None, "asked for again"
    assert row.due_at > now()


@pytest.mark.parametrize(
    ("at_provider_now", "becomes"), [(Status.ACCEPTED, "accepted"), (Status.FAILED, "queued")]
)
def test_delivered_older_attempt_is_sufficient_unless_it_failed(
    searchable_chat: Connection, fake_provider: FakeProvider, at_provider_now: Status, becomes: str
) -> None:
    fake_provider.on_send = lose_response
    fake_provider.on_find = lambda outbound: []
    message_id = send_with_unknown_outcome()
    reconcile.look_up_unknown()
    deliver()  # the second attempt, as lost as the first
    apply_callback(
        searchable_chat, message_id, attempt=1, reported_status="accepted", status=at_provider_now
    )
    make_due(message_id)
    fake_provider.on_find = lambda outbound: [Accepted("h1", at_provider_now)]
    reconcile.look_up_unknown()
    assert status(message_id) == becomes
    assert [attempt.provider_id for attempt in attempts(message_id)] == ["h1", None]


def apply_callback(
    connection: Connection,
    message_id: str,
    attempt: int,
    reported_status: str,
    status: Status | None = None,
) -> None:
    statuses.apply_status(
        StatusUpdate(
            message_id=message_id,
            attempt=attempt,
            provider_id="h1",
            status=status,
            provider_status=reported_status,
        ),
        Origin("callback", [connection.id]),
    )
