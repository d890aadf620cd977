"""Calls: statuses in any order, pressed keys, retries, calling hours and free lines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from hub.core.errors import OutcomeUnknown
from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import new_id, now
from hub.messaging.contacts import consents
from hub.messaging.contacts.consents import ConsentEntry
from hub.messaging.policy import quiet_hours
from hub.messaging.policy.quiet_hours import QuietHours
from hub.messaging.send import claims
from hub.messaging.send.dispatcher import call_provider
from hub.messaging.track import reconcile
from hub.models import Attempt, Connection, Contact, PlatformEvent, Suppression
from tests.hub_fixtures import (
    clear_throttle,
    message,
    process_pending_callbacks,
    queue_text,
    status,
    update_message,
)
from tests.messaging.policy.policy_steps import post_message, save_rules, status_and_code
from tests.messaging.voice_steps import (
    ENDS,
    LONDON,
    PROGRESS,
    call_events,
    calls,
    claim_calls,
    post_form,
    press,
    queue_call,
    report,
    settle,
    start_call,
    successor,
)

SID = "CA" + "1" * 32


@pytest.fixture
def voice(hub_demo: Flask) -> Connection:
    return calls(hub_demo)


def spoken(document: bytes) -> list[str]:
    """Return the sentences in TwiML."""
    root = ElementTree.fromstring(document)  # noqa: S314 - the hub's own
    return [say.text or "" for say in root.iter("Say")]


# ── Statuses ──────────────────────────────────────────────────────────────────────────────────────
@st.composite
def shuffled_reports(draw: st.DrawFn) -> tuple[list[str], str, bool]:
    """Return the reports of one call in any order, some of them twice, its end and a key."""
    progress = draw(st.lists(st.sampled_from(PROGRESS), max_size=6))
    end = draw(st.sampled_from(ENDS))
    is_heard = draw(st.booleans())
    keys = ["key"] if is_heard else []
    return draw(st.permutations([*progress, *progress, end, end, *keys])), end, is_heard


@given(shuffled_reports())
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_statuses_in_any_order_give_one_result(
    hub_demo: Flask, case: tuple[list[str], str, bool]
) -> None:
    reports, _, is_heard = case
    voice = calls(hub_demo)
    sid = f"CA{new_id('msg')[-32:].replace('-', '0')}"
    message_id = start_call(voice, sid)
    for number, name in enumerate(reports):
        if name == "key":
            assert press(hub_demo, "2", message=message_id, sid=sid).status_code == 200
        else:
            assert report(hub_demo, name, message=message_id, sid=sid, number=number).json == {
                "success": True,
                "processed": 1,
            }
        if number % 2:
            settle()
    settle()
    assert status(message_id) == ("delivered" if is_heard else "undelivered")
    expected = {"call_queued", *(f"call_{name.replace('-', '_')}" for name in reports)}
    expected -= {"call_key"}
    expected |= {"call_delivered"} if is_heard else set()
    assert call_events(message_id) == sorted(expected)


@given(st.permutations([*PROGRESS, *ENDS]))
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_all_nine_statuses_in_any_order_end_undelivered(
    hub_demo: Flask, order: Sequence[str]
) -> None:
    voice = calls(hub_demo)
    sid = f"CA{new_id('msg')[-32:].replace('-', '0')}"
    message_id = start_call(voice, sid)
    for name in order:
        report(hub_demo, name, message=message_id, sid=sid)
    settle()
    assert status(message_id) == "undelivered"
    assert len(call_events(message_id)) == 9


def test_voicemail_is_not_delivered(hub_demo: Flask, voice: Connection) -> None:
    message_id = start_call(voice)
    for name in ("initiated", "ringing", "in-progress", "completed"):
        report(hub_demo, name, message=message_id, sid=SID)
    settle()
    assert (status(message_id), message(message_id).code) == ("undelivered", "no_key")
    assert successor(message_id) is None


def test_status_of_a_foreign_call_is_reported_without_a_message(
    hub_demo: Flask, voice: Connection
) -> None:
    report(hub_demo, "busy", sid="CA" + "9" * 32)
    report(hub_demo, "busy", sid="CA" + "9" * 32)
    settle()
    [event] = db.session.scalars(select(PlatformEvent)).all()
    assert (event.type, event.message_id) == ("call_busy", None)
    assert event.payload["connection"] == voice.id


def test_unsigned_webhook_is_refused(hub_demo: Flask) -> None:
    answer = hub_demo.test_client().post(
        "/api/rpc/webhooks/twilio/voice",
        data={"CallSid": SID, "CallStatus": "ringing"},
        headers={"X-Twilio-Signature": "AAAA"},
    )
    assert answer.status_code == 403
    assert process_pending_callbacks() == 0


# ── Keys ──────────────────────────────────────────────────────────────────────────────────────────
def test_key_repeats_the_text_three_times_at_most(hub_demo: Flask, voice: Connection) -> None:
    message_id = start_call(voice, text="A document waits for you.")
    second = press(hub_demo, "1", message=message_id, sid=SID, reading=1)
    third = press(hub_demo, "1", message=message_id, sid=SID, reading=2)
    last = press(hub_demo, "1", message=message_id, sid=SID, reading=3)
    assert "A document waits for you." in spoken(second.data)
    assert "reading=2" in second.text
    assert "A document waits for you." in spoken(third.data)
    assert "hear it again" not in third.text
    assert spoken(last.data) == ["Thank you. Goodbye."]


def test_key_is_answered_by_a_server_that_has_just_started(
    hub_demo: Flask, voice: Connection
) -> None:
    message_id = start_call(voice, text="A document waits for you.")
    hub_demo.extensions.pop("hub.webhook_accounts", None)
    answer = press(hub_demo, "1", message=message_id, sid=SID)
    assert answer.content_type.startswith("text/xml")
    assert "A document waits for you." in spoken(answer.data)


def test_nine_opts_out_of_calls_only(hub_demo: Flask, voice: Connection) -> None:
    message_id = start_call(voice)
    answer = press(hub_demo, "9", message=message_id, sid=SID)
    settle()
    assert "no more calls" in answer.text
    assert status(message_id) == "delivered"
    assert "call_unsubscribed" in call_events(message_id)
    later = queue_call()
    assert status(later) == "suppressed"
    assert status(queue_text(LONDON)) == "queued"


def test_person_who_calls_back_hears_who_called_and_may_opt_out(
    hub_demo: Flask, voice: Connection
) -> None:
    form = {
        "CallSid": "CA" + "5" * 32,
        "CallStatus": "ringing",
        "Direction": "inbound",
        "From": LONDON,
        "To": voice.sender,
    }
    answer = post_form(hub_demo, form)
    assert "You have reached Acme Contracts" in spoken(answer.data)[0]
    answer = post_form(hub_demo, {**form, "CallStatus": "in-progress", "Digits": "9"})
    assert "no more calls" in answer.text
    settle()
    [row] = db.session.scalars(select(Suppression)).all()
    assert (row.channel, row.reason) == ("voice", "keyword")
    assert status(queue_call()) == "suppressed"


# ── Retries ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("end", ["busy", "no-answer"])
def test_busy_line_is_called_again_after_the_waits(
    hub_demo: Flask, voice: Connection, end: str
) -> None:
    message_id = start_call(voice)
    for wait in (5, 30):
        report(hub_demo, end, message=message_id, sid=message(message_id).provider_id or "")
        settle()
        following = successor(message_id)
        assert following is not None
        assert following.due_at is not None
        pause = following.due_at - now()
        assert timedelta(minutes=wait - 1) < pause <= timedelta(minutes=wait) or following.code
        message_id = following.id
        update_message(message_id, status="accepted", tries=1, provider_id=f"CA{wait:032d}")
        add_attempt(message_id, voice.id, f"CA{wait:032d}")
    report(hub_demo, end, message=message_id, sid=message(message_id).provider_id or "")
    settle()
    assert status(message_id) == "undelivered"
    assert successor(message_id) is None


@transaction
def add_attempt(message_id: str, connection_id: str, sid: str) -> None:
    db.session.add(
        Attempt(
            message_id=message_id,
            number=1,
            connection_id=connection_id,
            started_at=now(),
            provider_id=sid,
            outcome="accepted",
        )
    )


@pytest.mark.parametrize("end", ["failed", "canceled", "completed"])
def test_other_ends_are_not_called_again(hub_demo: Flask, voice: Connection, end: str) -> None:
    message_id = start_call(voice)
    report(hub_demo, end, message=message_id, sid=SID)
    settle()
    assert status(message_id) == "undelivered"
    assert successor(message_id) is None


def test_repeated_busy_status_adds_one_call(hub_demo: Flask, voice: Connection) -> None:
    message_id = start_call(voice)
    for number in range(3):
        report(hub_demo, "busy", message=message_id, sid=SID, number=number, ErrorCode="")
        settle()
    following = successor(message_id)
    assert following is not None
    assert successor(following.id) is None


def test_no_call_is_added_when_the_next_step_comes_first(
    hub_demo: Flask, voice: Connection
) -> None:
    message_id = start_call(voice)
    update_message(
        message_id,
        fallback_goal="delivered",
        fallback_minutes=3,
        escalate_at=now() + timedelta(minutes=3),
    )
    report(hub_demo, "busy", message=message_id, sid=SID)
    settle()
    assert successor(message_id) is None


# ── Unknown outcomes ──────────────────────────────────────────────────────────────────────────────
def test_lost_response_makes_no_second_call(
    hub_demo: Flask, voice: Connection, simulator: Any
) -> None:
    message_id = queue_call(to="+15005550058")
    clear_throttle(voice)
    [claim] = claim_calls(voice)
    outcome = call_provider(claim)
    assert isinstance(outcome.error, OutcomeUnknown)
    claims.record_and_claim([outcome], {})
    assert status(message_id) == "unknown"
    reconcile.look_up_message(message_id)
    row = message(message_id)
    assert row.status in ("accepted", "sent", "delivered")
    assert row.provider_id
    assert len(simulator.extensions["simulator"].calls.all()) == 1


def test_call_that_was_never_made_is_made_again(
    hub_demo: Flask, voice: Connection, simulator: Any
) -> None:
    message_id = queue_call(to="+15005550051")
    clear_throttle(voice)
    simulator.extensions["simulator"].faults.set(fail=1)
    [claim] = claim_calls(voice)
    claims.record_and_claim([call_provider(claim)], {})
    assert status(message_id) == "unknown"
    reconcile.look_up_message(message_id)
    assert status(message_id) == "queued"
    assert not simulator.extensions["simulator"].calls.all()


# ── Lines and hours ───────────────────────────────────────────────────────────────────────────────
def test_one_call_at_a_time(voice: Connection) -> None:
    first = queue_call()
    second = queue_call(to="+442071838751")
    clear_throttle(voice)
    assert [claim.message_id for claim in claim_calls(voice)] == [first]
    clear_throttle(voice)
    assert not claim_calls(voice)
    update_message(first, status="undelivered")
    clear_throttle(voice)
    assert [claim.message_id for claim in claim_calls(voice)] == [second]


def test_person_gets_one_call_at_a_time_on_several_lines(voice: Connection) -> None:
    set_lines(voice, 5)
    first = queue_call()
    second = queue_call(text="Another document waits.")
    clear_throttle(voice)
    assert [claim.message_id for claim in claim_calls(voice)] == [first]
    update_message(second, due_at=now())
    clear_throttle(voice)
    assert not claim_calls(voice)
    assert status(second) == "queued"


@transaction
def set_lines(connection: Connection, lines: int) -> None:
    row = db.session.get_one(Connection, connection.id)
    row.settings = {**row.settings, "lines": lines}
    row.settings_version += 1


def test_call_waits_for_the_morning(voice: Connection) -> None:
    message_id = queue_call()
    night = QuietHours("20:00", "08:00")
    move_to_night(message_id)
    clear_throttle(voice)
    assert not claim_calls(voice)
    row = message(message_id)
    assert (row.status, row.code) == (Status.QUEUED, "quiet_hours")
    zone = quiet_hours.read_zone(row.contact.time_zone)
    assert zone is not None
    assert row.due_at is not None
    assert not night.contains(row.due_at, zone)


def test_call_that_expires_in_the_night_is_not_made(voice: Connection) -> None:
    message_id = queue_call()
    update_message(message_id, expires_at=now() + timedelta(minutes=30))
    move_to_night(message_id)
    clear_throttle(voice)
    assert not claim_calls(voice)
    assert status(message_id) == "suppressed"


@transaction
def move_to_night(message_id: str) -> None:
    """Move the recipient to a time zone in which it is about midnight."""
    row = message(message_id)
    contact = db.session.get_one(Contact, row.contact_id)
    hour = now().hour
    offset = -hour if hour <= 12 else 24 - hour
    contact.time_zone = f"Etc/GMT{'-' if offset >= 0 else '+'}{abs(offset)}" if offset else "UTC"


# ── Rules ─────────────────────────────────────────────────────────────────────────────────────────
def test_new_connection_calls_only_people_who_consented(voice: Connection) -> None:
    use_default_rules(voice)
    assert status_and_code(post_call()) == ("suppressed", "consent_missing")
    consent = ConsentEntry(LONDON, True, "voice")
    consents.record_consent(consent, source="api", test=True)
    assert status(post_call(text="Another document waits.")) == "queued"


def post_call(text: str = "A document waits.") -> str:
    return post_message(LONDON, text, channel="voice")


@transaction
def use_default_rules(connection: Connection) -> None:
    """Give a connection the rules with which admins create one."""
    db.session.get_one(Connection, connection.id).rules = ""


def test_spending_limit_counts_the_minutes_of_the_longest_call(voice: Connection) -> None:
    save_rules(voice, prices={"": Decimal("0.5")}, spend_day=Decimal("0.4"))
    assert status_and_code(post_call()) == ("suppressed", "spend_day")
