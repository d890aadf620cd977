"""Messages of unknown outcome are found, proved absent, or left to a person."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask

from hub.connections import connections
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
    a_connection,
    a_message,
    at_provider,
    attempts,
    change,
    deliver,
    make_due,
    message,
    status,
    words,
)


def unknown(text: str = "Coo.", to: str = "roof", slug: str = "homing-pigeon") -> str:
    """Return a message that was handed over, nobody knows whether with success."""
    message_id = a_message(to, text, channel="", connection_slug=slug)
    deliver()
    assert status(message_id) == Status.UNKNOWN
    make_due(message_id)
    return message_id


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
    change(message_id, stop="signed")
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
    assert chores.each(ShutdownSignal(15)) == 1
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


# ── Settings that change meanwhile ────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("changed", [{"account": "another loft"}, {"sender": "loft 8"}])
def test_what_went_out_as_somebody_else_is_neither_looked_up_nor_sent_again(
    homing_pigeons: Connection, loft: Loft, changed: dict[str, str]
) -> None:
    asked: list[str] = []

    def look(outbound: Outbound) -> list[Accepted]:
        asked.append(outbound.id)
        return []

    loft.fly = lost
    loft.look = look
    message_id = unknown()
    set_up(homing_pigeons.id, **changed)
    reconcile.look_up_unknown()
    row = message(message_id)
    assert (row.status, row.due_at, words(message_id)) == ("unknown", None, ["set up anew"])
    assert deliver() == 0
    assert asked == []


def test_what_goes_out_after_the_change_is_looked_up(
    homing_pigeons: Connection, loft: Loft
) -> None:
    loft.fly = lost
    loft.look = lambda outbound: [Accepted("h1")]
    set_up(homing_pigeons.id, account="another loft", sender="loft 8")
    message_id = unknown()
    [attempt] = attempts(message_id)
    assert (attempt.account, attempt.sender) == (
        "another loft",
        "loft 8",
    ), "known before the loft has answered"
    reconcile.look_up_unknown()
    assert (status(message_id), attempts(message_id)[0].sender) == ("accepted", "loft 8")


@transaction
def set_up(connection_id: str, **columns: str) -> None:
    for name, value in columns.items():
        setattr(db.session.get_one(Connection, connection_id), name, value)


def test_another_number_saved_while_an_outcome_is_unknown_makes_nothing_be_sent_twice(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    message_id = a_message("+15005550014")  # taken, and answered with 500
    deliver()
    assert status(message_id) == Status.UNKNOWN
    connections.save(
        connection.id, {**connection.settings, "sender": "+13175550199", "per_second": ""}
    )
    make_due(message_id)
    reconcile.look_up_unknown()
    deliver()
    assert (status(message_id), len(at_provider(simulator, "+15005550014"))) == ("unknown", 1)


# ── Whose is what ─────────────────────────────────────────────────────────────────────────────────
def test_what_belongs_to_another_message_is_not_taken_for_this_one(
    homing_pigeons: Connection, loft: Loft
) -> None:
    loft.fly = lambda outbound: Accepted("h1")
    earlier = a_message("roof", "Coo.", channel="", connection_slug="homing-pigeon")
    deliver()
    loft.fly = lost
    loft.look = lambda outbound: [Accepted("h1")]
    message_id = unknown()
    reconcile.look_up_unknown()
    assert (status(earlier), status(message_id)) == (
        "accepted",
        "queued",
    ), "its own call never arrived"


def test_what_belongs_to_another_connection_of_the_account_is_not_taken_for_this_one(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    twin = db.session.get_one(Connection, a_connection("Twin", like=connection))
    theirs = a_message(channel="", connection_slug=twin.slug)
    deliver()
    [taken] = attempts(theirs)
    ours = a_message(channel="", connection_slug=connection.slug)
    claims.record_and_claim([], {connection.id: 1})  # claimed; the worker died before it called
    change(ours, status=Status.UNKNOWN.value, due_at=now() - timedelta(seconds=1))
    assert taken.provider_id
    reconcile.look_up_unknown()
    assert status(ours) == Status.QUEUED, "the one message that the provider has is the twin's"
    deliver()
    assert len(at_provider(simulator)) == 2


def test_two_equal_texts_of_which_both_arrived_are_both_found(
    homing_pigeons: Connection, loft: Loft
) -> None:
    loft.fly = lost
    loft.look = lambda outbound: [Accepted("h1"), Accepted("h2")]
    ids = [unknown(), unknown()]
    reconcile.look_up_unknown()
    assert [status(one) for one in ids] == ["accepted", "accepted"]
    assert {message(one).provider_id for one in ids} == {"h1", "h2"}


def test_two_equal_texts_of_which_one_arrived_stay_unknown(
    homing_pigeons: Connection, loft: Loft
) -> None:
    loft.fly = lost
    loft.look = lambda outbound: [Accepted("h1")]
    ids = [unknown(), unknown()]
    reconcile.look_up_unknown()
    assert [status(one) for one in ids] == ["unknown", "unknown"], "nobody can say whose it is"
    assert [message(one).due_at for one in ids] == [None, None]
    assert deliver() == 0


def test_another_text_to_the_same_person_does_not_confuse(
    homing_pigeons: Connection, loft: Loft
) -> None:
    loft.fly = lost
    loft.look = lambda outbound: [Accepted(f"h-{outbound.text}")] if outbound.text == "one" else []
    one = unknown("one")
    two = unknown("two")
    reconcile.look_up_unknown()
    assert (status(one), status(two)) == ("accepted", "queued")


def test_what_may_be_another_unknown_message_is_waited_for_until_that_one_is_decided(
    homing_pigeons: Connection, loft: Loft
) -> None:
    loft.fly = lost
    absent = unknown("absent")
    taken = unknown("taken")
    loft.look = lambda outbound: [Accepted("h-taken", sure=outbound.text == "taken")]
    reconcile.look_up_unknown()
    row = message(absent)
    assert (row.status, words(absent)) == ("unknown", [])
    assert row.due_at is not None, (
        "what the loft has may be the other's: asked again when that is known"
    )
    assert status(taken) == Status.ACCEPTED
    make_due(absent)
    reconcile.look_up_unknown()
    assert (status(absent), words(absent)) == ("queued", ["proved absent"])


def test_two_unknown_messages_do_not_wait_for_each_other_for_ever(
    homing_pigeons: Connection, loft: Loft
) -> None:
    loft.fly = lost
    ids = [unknown("one"), unknown("two")]
    loft.look = lambda outbound: [Accepted("somebody-elses", sure=False)]
    with time_machine.travel(now() + reconcile.WAITS_FOR_OTHERS):
        reconcile.look_up_unknown()
        assert [(status(one), message(one).due_at) for one in ids] == [("unknown", None)] * 2


def test_while_an_equal_text_is_being_sent_nothing_is_decided(
    homing_pigeons: Connection, loft: Loft
) -> None:
    loft.fly = lost
    loft.look = lambda outbound: [Accepted("h1")]
    message_id = unknown()
    a_message("roof", "Coo.", channel="", connection_slug="homing-pigeon")
    claims.record_and_claim([], {homing_pigeons.id: 1})
    reconcile.look_up_unknown()
    row = message(message_id)
    assert row.status == Status.UNKNOWN
    assert row.due_at is not None


def test_a_callback_that_was_faster_than_the_search_wins(
    homing_pigeons: Connection, loft: Loft
) -> None:
    loft.fly = lost
    message_id = unknown()
    change(message_id, status=Status.DELIVERED.value, due_at=None)
    reconcile.decide_outcome(message_id, [])
    assert status(message_id) == Status.DELIVERED


# ── With the simulated Twilio ─────────────────────────────────────────────────────────────────────
def test_a_message_that_broke_after_accepting_is_found_at_twilio(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    message_id = a_message("+15005550014")
    deliver()
    make_due(message_id)
    reconcile.look_up_unknown()
    assert status(message_id) in ("accepted", "sent", "delivered")
    assert message(message_id).provider_id
    deliver()
    assert at_provider(simulator, "+15005550014") == ["Your contract is ready."]


def test_a_message_is_found_at_twilio_though_the_clock_of_the_worker_was_hours_ahead(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    message_id = a_message("+15005550014")
    deliver()
    begin_later(message_id, timedelta(hours=2))
    make_due(message_id)
    reconcile.look_up_unknown()
    assert status(message_id) in ("accepted", "sent", "delivered")
    deliver()
    assert len(at_provider(simulator, "+15005550014")) == 1, (
        "not sent again for being older than its attempt"
    )


@transaction
def begin_later(message_id: str, by: timedelta) -> None:
    attempt = db.session.get_one(Attempt, (message_id, 1))
    attempt.started_at += by


def test_a_call_that_never_left_is_proved_absent_at_twilio(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    message_id = a_message()
    claims.record_and_claim([], {connection.id: 1})  # the worker dies here
    for _ in ("the lease is over", "a minute later"):
        make_due(message_id)
        reconcile.look_up_unknown()
    assert status(message_id) == Status.QUEUED
    deliver()
    assert (status(message_id), len(at_provider(simulator))) == ("accepted", 1)


def test_something_that_may_be_the_message_keeps_it_unknown(
    homing_pigeons: Connection, loft: Loft
) -> None:
    loft.fly = lost
    message_id = unknown()
    loft.look = lambda outbound: [Accepted("another-text", sure=False)]
    reconcile.look_up_unknown()
    assert (status(message_id), message(message_id).due_at) == ("unknown", None)
    assert len(loft.flown) == 1, "an unlike text may be ours, changed on the way"


def test_the_notice_of_a_trial_account_does_not_hide_a_message(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    simulator.test_client().post(
        "/simulator/account", json={"type": "Trial"}, headers={"Sec-Fetch-Site": "same-origin"}
    )
    # taken, and answered with 500
    message_id = a_message("+15005550014", "Your contract is ready.")
    deliver()
    assert status(message_id) == Status.UNKNOWN
    make_due(message_id)
    reconcile.look_up_unknown()
    assert status(message_id) not in ("unknown", "queued")
    [text] = at_provider(simulator, "+15005550014")
    assert text.endswith("Your contract is ready.")
    assert text != "Your contract is ready.", "the simulator puts the notice before it"
