"""Messages of unknown outcome are found, proved absent, or left to a person."""

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
from tests.fake_provider import Loft, lost
from tests.hub_fixtures import (
    a_message,
    attempts,
    change,
    deliver,
    make_due,
    message,
    status,
    words,
)
from tests.messaging.track.reconcile_steps import unknown


# ── Leases ────────────────────────────────────────────────────────────────────────────────────────
def test_an_expired_lease_becomes_unknown_and_never_queued(pigeons: Connection, loft: Loft) -> None:
    message_id = a_message("roof", "Coo.", channel="", connection_slug="pigeon")
    claims.record_and_claim([], {pigeons.id: 1})
    assert not reconcile.is_due()
    with time_machine.travel(now() + claims.LEASE + timedelta(seconds=1)):
        assert reconcile.is_due()
        reconcile.look_up_unknown()
        row = message(message_id)
        assert (row.status, row.code) == ("unknown", "lease_expired")
        assert attempts(message_id)[0].outcome == "unknown"
        assert deliver() == 0
    assert loft.flown == []
    assert words(message_id)[0] == "lease expired"


def test_an_expired_lease_is_looked_up_a_minute_later_since_the_call_may_be_under_way_still(
    homing_pigeons: Connection, loft: Loft
) -> None:
    asked: list[str] = []

    def look(outbound: Outbound) -> list[Accepted]:
        asked.append(outbound.id)
        return []

    loft.look = look
    message_id = a_message("roof", "Coo.", channel="", connection_slug="homing-pigeon")
    [claim] = claims.record_and_claim([], {homing_pigeons.id: 1})
    make_due(message_id)
    reconcile.look_up_unknown()
    reconcile.look_up_unknown()
    assert (status(message_id), asked) == ("unknown", [])
    due = message(message_id).due_at
    assert due is not None
    assert due > now() + timedelta(seconds=50)
    claims.record_and_claim([call_provider(claim)], {})  # the worker goes on after all
    assert status(message_id) == Status.ACCEPTED


def test_a_lease_that_runs_is_left_alone(pigeons: Connection) -> None:
    message_id = a_message("roof", "Coo.", channel="", connection_slug="pigeon")
    claims.record_and_claim([], {pigeons.id: 1})
    expire_lease(message_id)
    assert status(message_id) == Status.SENDING


# ── Found, absent, undecided ──────────────────────────────────────────────────────────────────────
def test_what_the_provider_has_is_accepted(homing_pigeons: Connection, loft: Loft) -> None:
    loft.fly = lost
    loft.look = lambda outbound: [Accepted("h1", sender="loft 7")]
    message_id = unknown()
    assert reconcile.look_up_unknown() == 1
    row = message(message_id)
    [attempt] = attempts(message_id)
    assert (row.status, row.provider_id, row.due_at, row.code) == ("accepted", "h1", None, "")
    assert (attempt.provider_id, attempt.sender) == ("h1", "loft 7")
    assert words(message_id) == ["found"]
    assert len(loft.flown) == 1


def test_what_the_provider_surely_lacks_is_sent_again_once(
    homing_pigeons: Connection, loft: Loft
) -> None:
    loft.fly = lost
    loft.look = lambda outbound: []
    message_id = unknown()
    reconcile.look_up_unknown()
    assert (status(message_id), words(message_id)) == ("queued", ["proved absent"])
    loft.fly = lambda outbound: Accepted("h1")
    deliver()
    reconcile.look_up_unknown()
    deliver()
    assert [one.attempt for one in loft.flown] == [1, 2]
    assert status(message_id) == Status.ACCEPTED


def test_a_stopped_message_that_is_proved_absent_is_canceled(
    homing_pigeons: Connection, loft: Loft
) -> None:
    loft.fly = lost
    loft.look = lambda outbound: []
    message_id = unknown()
    change(message_id, stop_reason="signed")
    reconcile.look_up_unknown()
    assert deliver() == 0
    assert status(message_id) == Status.CANCELED


def test_a_provider_that_cannot_be_asked_leaves_it_unknown(pigeons: Connection, loft: Loft) -> None:
    loft.fly = lost
    message_id = unknown(slug="pigeon")
    reconcile.look_up_unknown()
    row = message(message_id)
    assert (row.status, row.due_at) == ("unknown", None)
    assert words(message_id) == ["undecided"]
    assert not reconcile.is_due(), "nobody looks again"


def test_an_integration_that_rather_sends_twice_does(many_pigeons: Connection, loft: Loft) -> None:
    loft.fly = lost
    message_id = unknown(slug="many-pigeons")
    loft.fly = lambda outbound: Accepted("m1")
    reconcile.look_up_unknown()
    deliver()
    assert (status(message_id), len(loft.flown)) == ("accepted", 2)


def test_a_provider_that_cannot_tell_now_is_asked_later_for_a_day(
    homing_pigeons: Connection, loft: Loft
) -> None:
    def cannot_tell(outbound: Outbound) -> list[Accepted]:
        raise OutcomeUnknown("Fog.", "fog")

    loft.fly = lost
    loft.look = cannot_tell
    message_id = unknown()
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
    assert (status(message_id), message(message_id).due_at, words(message_id)) == (
        "unknown",
        None,
        ["unanswered"],
    )


def test_a_provider_that_does_not_answer_holds_no_other_and_is_not_asked_about_each(
    connection: Connection, homing_pigeons: Connection, loft: Loft, simulator: Any
) -> None:
    asked = []

    def cannot_tell(outbound: Outbound) -> list[Accepted]:
        asked.append(outbound.id)
        raise OutcomeUnknown("Fog.", "fog")

    loft.fly = lost
    loft.look = cannot_tell
    ids = [unknown() for _ in range(reconcile.MISSES + 2)]
    elsewhere = a_message("+15005550014", channel="", connection_slug=connection.slug)
    deliver()
    make_due(elsewhere)
    reconcile.look_up_unknown()
    assert len(asked) == reconcile.MISSES
    assert status(elsewhere) not in ("unknown", "queued")
    assert all(message(one).due_at > now() for one in ids)  # type: ignore[operator]
    assert not reconcile.is_due()


def test_a_worker_that_is_told_to_stop_asks_nobody(homing_pigeons: Connection, loft: Loft) -> None:
    loft.fly = lost
    loft.look = lambda outbound: [Accepted("h1")]
    message_id = unknown()
    assert reconcile.look_up_unknown(ShutdownSignal(-1)) == 0
    assert status(message_id) == Status.UNKNOWN
    assert reconcile.is_due()


def test_a_fault_while_asking_does_not_hold_the_others(
    homing_pigeons: Connection, loft: Loft
) -> None:
    def stumble(outbound: Outbound) -> list[Accepted]:
        if outbound.text == "first":
            raise RuntimeError("a fault of the integration's own")
        return [Accepted("h2")]

    loft.fly = lost
    loft.look = stumble
    first = unknown("first")
    second = unknown("second")
    reconcile.look_up_unknown()
    assert (status(first), status(second)) == ("unknown", "accepted")
    due = message(first).due_at
    assert due is not None
    assert due > now(), "asked again later"


def test_what_goes_wrong_with_one_message_holds_no_other_and_that_one_waits(
    homing_pigeons: Connection, loft: Loft
) -> None:
    loft.fly = lost
    loft.look = lambda outbound: [Accepted(f"h-{outbound.text}")]
    first = unknown("first")
    second = unknown("second")
    lose_attempt(first)
    assert reconcile.look_up_unknown() == 2
    assert (status(first), status(second)) == ("unknown", "accepted")
    assert message(first).due_at > now()  # type: ignore[operator]


@transaction
def lose_attempt(message_id: str) -> None:
    db.session.delete(db.session.get_one(Attempt, (message_id, 1)))


def test_a_lease_that_cannot_be_ended_holds_no_other(
    homing_pigeons: Connection, loft: Loft, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [a_message("roof", str(n), channel="", connection_slug="homing-pigeon") for n in range(2)]
    claims.record_and_claim([], {homing_pigeons.id: 2})
    for one in ids:
        make_due(one)

    def stumble(message_id: str) -> None:
        if message_id == ids[0]:
            raise RuntimeError("a fault")
        expire_lease(message_id)

    monkeypatch.setattr(reconcile, "expire_lease", stumble)
    reconcile.look_up_unknown()
    assert [status(one) for one in ids] == ["sending", "unknown"]
    assert message(ids[0]).due_at > now()  # type: ignore[operator]
    assert not reconcile.is_due()


def test_a_chore_that_fails_keeps_no_other_from_being_done(
    homing_pigeons: Connection, loft: Loft, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble() -> int:
        raise RuntimeError("a fault")

    loft.fly = lost
    loft.look = lambda outbound: [Accepted("h1")]
    message_id = unknown()
    for chore in (clock_skew, cancellation, idempotency, recipient_pacing):
        monkeypatch.setattr(chore, CHORES[chore.__name__.rpartition(".")[2]], stumble)
    assert chores.run_chores(ShutdownSignal(15)) == 1
    assert status(message_id) == Status.ACCEPTED


CHORES = {
    "clock_skew": "correct_times",
    "cancellation": "give_up_waiting",
    "idempotency": "delete_old_answers",
    "recipient_pacing": "delete_old_paces",
}


def test_what_a_callback_named_is_this_messages_own_and_not_sent_again(
    homing_pigeons: Connection, loft: Loft
) -> None:
    loft.fly = lost
    loft.look = lambda outbound: [Accepted("h1", sender="loft 7")]
    message_id = unknown()
    callback(homing_pigeons, message_id, attempt=1, word="canceled")  # which raises nothing
    assert status(message_id) == Status.UNKNOWN
    reconcile.look_up_unknown()
    [attempt] = attempts(message_id)
    assert (status(message_id), attempt.provider_id, attempt.sender) == ("accepted", "h1", "loft 7")


def test_what_a_callback_named_is_not_sent_again_because_the_provider_does_not_list_it(
    homing_pigeons: Connection, loft: Loft
) -> None:
    loft.fly = lost
    loft.look = lambda outbound: []
    message_id = unknown()
    callback(homing_pigeons, message_id, attempt=1, word="canceled")
    reconcile.look_up_unknown()
    row = message(message_id)
    assert row.status == Status.UNKNOWN
    assert row.due_at is not None, "asked for again"
    assert row.due_at > now()


@pytest.mark.parametrize(
    ("at_provider_now", "becomes"), [(Status.ACCEPTED, "accepted"), (Status.FAILED, "queued")]
)
def test_an_older_attempt_that_arrived_after_all_is_enough_unless_it_failed(
    homing_pigeons: Connection, loft: Loft, at_provider_now: Status, becomes: str
) -> None:
    loft.fly = lost
    loft.look = lambda outbound: []
    message_id = unknown()
    reconcile.look_up_unknown()
    deliver()  # the second attempt, as lost as the first
    callback(homing_pigeons, message_id, attempt=1, word="accepted", status=at_provider_now)
    make_due(message_id)
    loft.look = lambda outbound: [Accepted("h1", at_provider_now)]
    reconcile.look_up_unknown()
    assert status(message_id) == becomes
    assert [one.provider_id for one in attempts(message_id)] == ["h1", None]


def callback(
    connection: Connection, message_id: str, attempt: int, word: str, status: Status | None = None
) -> None:
    statuses.apply_status(
        StatusUpdate(
            message_id=message_id, attempt=attempt, provider_id="h1", status=status, word=word
        ),
        Origin("callback", [connection.id]),
    )
