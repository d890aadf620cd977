"""The next step of a route follows once a message fails, or its time ends."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from hub.core.vocabulary import ConnectionState, Status
from hub.db.engine import db
from hub.db.types import now
from hub.models import StatusEvent
from hub.signing import ladders
from tests.hub_fixtures import set_connection_state, status_words, update_message
from tests.signing.ladder_steps import (
    channels,
    close_window,
    connection_of,
    end_time,
    eric,
    escalate,
    hand_over,
    invite,
    legs,
    let_time_end,
    post,
    refuse_claim,
    report_status,
    set_route,
)

pytestmark = pytest.mark.usefixtures("ladder")


# ── When the next step is due ─────────────────────────────────────────────────────────────────────
def test_only_the_first_step_of_a_ladder_is_stored_at_first() -> None:
    answer = post()
    assert [message["channel"] for message in answer["messages"]] == ["whatsapp"]
    [first] = legs()
    assert (first.fallback_goal, first.fallback_minutes) == ("delivered", 30)
    assert first.escalate_at is None, "the time begins when the message is sent"


def test_time_begins_when_the_provider_accepts_the_message() -> None:
    first = invite()
    ends_at = first.escalate_at
    assert ends_at == first.changed_at + timedelta(minutes=30)
    report_status(first, Status.SENT)
    assert legs()[0].escalate_at == ends_at, "a later report does not begin it again"
    assert escalate() == 0
    assert not ladders.is_due()


def test_next_step_follows_when_the_time_ends() -> None:
    invite()
    end_time(legs()[0])
    assert ladders.is_due()
    assert escalate() == 1
    first, second = legs()
    assert (second.channel, second.after_id, second.status) == ("sms", first.id, "queued")
    assert first.escalate_at is None
    assert (second.fallback_goal, second.fallback_minutes) == ("opened", 1440)
    assert escalate() == 0, "it follows once"


@pytest.mark.parametrize("lost", [Status.UNDELIVERED, Status.FAILED])
def test_failure_moves_on_at_once(lost: Status) -> None:
    invite()
    report_status(legs()[0], lost, code="63016")
    assert escalate() == 1
    assert channels() == ["whatsapp", "sms"]


def test_delivery_ends_the_ladder() -> None:
    invite()
    report_status(legs()[0], Status.DELIVERED)
    [first] = legs()
    assert first.escalate_at is None
    assert not ladders.is_due()


def test_ladder_begins_after_a_closed_window_without_a_template() -> None:
    post(signers=[eric(mobile_number="+442071234567")])
    [only] = legs()
    assert (only.channel, only.fallback_goal) == ("sms", "opened")


def test_window_that_closes_before_the_claim_moves_on_at_once() -> None:
    post()
    close_window()
    refuse_claim(legs()[0])
    assert (legs()[0].status, legs()[0].code) == ("suppressed", "window_closed")
    escalate()
    assert channels() == ["whatsapp", "sms"]


def test_ladder_begins_at_the_first_step_that_can_be_taken() -> None:
    set_connection_state(connection_of("whatsapp").id, ConnectionState.DISABLED)
    post()
    [only] = legs()
    assert (only.channel, only.fallback_goal, only.fallback_minutes) == ("sms", "opened", 1440)


def test_route_with_one_step_has_no_timer() -> None:
    invite(("sms", None, None))
    report_status(legs()[0], Status.UNDELIVERED)
    [only] = legs()
    assert (only.fallback_goal, only.escalate_at) == (None, None)


# ── Late reports ──────────────────────────────────────────────────────────────────────────────────
def test_late_failure_adds_no_second_message() -> None:
    invite()
    let_time_end(legs()[0])
    report_status(legs()[0], Status.UNDELIVERED)
    escalate()
    assert channels() == ["whatsapp", "sms"]
    assert legs()[0].status == "undelivered"


def test_late_delivery_cancels_the_queued_fallback() -> None:
    invite()
    let_time_end(legs()[0])
    report_status(legs()[0], Status.DELIVERED)
    refuse_claim(legs()[1])
    assert (legs()[1].status, legs()[1].code) == ("canceled", "reached")


def test_both_deliveries_are_kept_when_both_messages_were_sent() -> None:
    invite()
    let_time_end(legs()[0])
    hand_over(legs()[1])
    report_status(legs()[0], Status.DELIVERED)
    report_status(legs()[1], Status.DELIVERED)
    assert [leg.status for leg in legs()] == ["delivered", "delivered"]


# ── Connections that do not send ──────────────────────────────────────────────────────────────────
def test_message_waiting_for_a_broken_connection_gives_way_to_the_next_step() -> None:
    post()
    set_connection_state(connection_of("whatsapp").id, ConnectionState.BROKEN)
    assert ladders.time_waiting_messages() == 1
    [first] = legs()
    assert timedelta(minutes=29) < first.escalate_at - now() <= timedelta(minutes=30)
    let_time_end(first)
    first, second = legs()
    assert (first.status, second.channel) == ("canceled", "sms")


def test_broken_connection_is_passed_over_while_another_sends() -> None:
    set_connection_state(connection_of("whatsapp").id, ConnectionState.BROKEN)
    post()
    [first] = legs()
    assert (first.channel, first.status) == ("sms", "queued")


def test_message_stored_for_a_broken_connection_has_a_time() -> None:
    set_route(("whatsapp", None, None), ("sms", "delivered", 30))
    for channel in ("whatsapp", "sms"):
        set_connection_state(connection_of(channel).id, ConnectionState.BROKEN)
    post()
    [first] = legs()
    assert (first.channel, first.status) == ("whatsapp", "queued")
    assert first.escalate_at is not None


def test_message_keeps_waiting_if_no_other_step_can_be_taken() -> None:
    set_route(("whatsapp", None, None), ("email", "delivered", 30))
    post(signers=[eric(email=None)])
    set_connection_state(connection_of("whatsapp").id, ConnectionState.BROKEN)
    ladders.time_waiting_messages()
    let_time_end(legs()[0])
    [first] = legs()
    assert first.status == "queued"
    assert "skipped" in status_words(first.id)


def test_repaired_connection_sends_the_waiting_message_itself() -> None:
    post()
    whatsapp = connection_of("whatsapp").id
    set_connection_state(whatsapp, ConnectionState.BROKEN)
    ladders.time_waiting_messages()
    end_time(legs()[0])
    set_connection_state(whatsapp, ConnectionState.ENABLED)
    escalate()
    [first] = legs()
    assert (first.status, first.escalate_at) == ("queued", None)


def test_step_of_a_disabled_connection_is_skipped_and_the_next_follows_at_once() -> None:
    invite()
    set_connection_state(connection_of("sms").id, ConnectionState.DISABLED)
    report_status(legs()[0], Status.UNDELIVERED)
    escalate()
    assert channels() == ["whatsapp", "email"]
    fact = db.session.scalars(
        select(StatusEvent).where(StatusEvent.provider_status == "skipped")
    ).one()
    assert fact.code == "no_connection"
    assert fact.reason.startswith("SMS: No enabled connection")


# ── Robustness ────────────────────────────────────────────────────────────────────────────────────
def test_route_that_was_edited_continues_with_its_version() -> None:
    invite()
    set_route(("email", None, None))
    let_time_end(legs()[0])
    assert channels() == ["whatsapp", "sms"]


def test_same_connection_and_address_are_not_tried_twice() -> None:
    invite(("sms", None, None), ("sms", "delivered", 30), ("email", "delivered", 30))
    let_time_end(legs()[0])
    assert channels() == ["sms", "email"]


def test_next_step_uses_the_address_of_today() -> None:
    invite()
    post(signers=[eric(mobile_number="+442071234567")])
    let_time_end(legs()[0])
    assert legs()[-1].contact.address == "+442071234567"


def test_defective_row_delays_no_other_ladder(monkeypatch: pytest.MonkeyPatch) -> None:
    invite()
    update_message(legs()[0].id, step_id=None, escalate_at=now() - timedelta(seconds=1))
    assert escalate() == 1
    assert legs()[0].escalate_at is None
