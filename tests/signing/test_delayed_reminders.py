"""An automatic reminder whose sending is delayed into the night waits until the morning."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.types import now
from hub.messaging.policy import night
from hub.messaging.policy.quiet_hours import QuietHours
from hub.messaging.send import claims
from hub.models import Event, Message, SigningRequest
from hub.shared import clock_check
from hub.signing import reminders
from tests.conftest import POSTGRES
from tests.hub_fixtures import SigningApp, make_due, message, update_message
from tests.signing.reminder_steps import DAY, check, daytime, let_pass, post, send, zone_at_noon

NUMBER = "+13175551234"
HOURS = QuietHours(*night.NIGHT)


def reminder() -> Message:
    """Return the newest reminder."""
    db.session.rollback()
    query = select(Message).join(Event, Event.id == Message.event_id)
    newest = query.where(Event.type == "request.reminder").order_by(Message.id.desc()).limit(1)
    return db.session.scalars(newest).one()


def remind_automatically(app: SigningApp) -> Message:
    send(app, daytime("Eric", NUMBER))
    let_pass(3 * DAY)
    assert check() == 1
    return reminder()


def move(row: Message, hours: int, **columns: object) -> None:
    """Let a reminder be sent when it is noon, and some hours later, for its recipient."""
    stored = night.store_night(HOURS, [zone_at_noon(hours)])
    update_message(row.id, night=stored, **columns)


def claim(row: Message) -> Message:
    make_due(row.id)
    claims.record_and_claim([], {row.connection_id: 8})
    return message(row.id)


def test_reminder_by_day_is_sent(signing_app: SigningApp) -> None:
    assert claim(remind_automatically(signing_app)).status == Status.SENDING


def test_reminder_that_was_delayed_into_the_night_waits(signing_app: SigningApp) -> None:
    row = remind_automatically(signing_app)
    move(row, 12)
    delayed = claim(row)
    assert (delayed.status, delayed.code, delayed.tries) == (Status.QUEUED, "quiet_hours", 0)
    assert delayed.due_at is not None
    assert delayed.due_at.astimezone(ZoneInfo(zone_at_noon(12))).hour == 8
    move(row, 0)  # the morning has come
    assert claim(row).status == Status.SENDING


def test_reminder_that_would_expire_before_the_morning_is_not_sent(signing_app: SigningApp) -> None:
    row = remind_automatically(signing_app)
    move(row, 12, expires_at=now() + timedelta(hours=1))
    ended = claim(row)
    assert (ended.status, ended.code, ended.tries) == (Status.SUPPRESSED, "quiet_hours", 0)


@pytest.mark.parametrize("by_app", [False, True], ids=["by hand", "by the app"])
def test_reminder_that_somebody_sends_has_no_night(
    signing_app: SigningApp, *, by_app: bool
) -> None:
    send(signing_app, daytime("Eric", NUMBER))
    if by_app:
        post(signing_app, "reminder", id="r1")
    else:
        reminders.remind(db.session.scalars(select(SigningRequest.id)).one())
    assert reminder().night is None


def test_night_is_that_of_the_signer(signing_app: SigningApp) -> None:
    hours, zones = json.loads(remind_automatically(signing_app).night or "")
    assert (hours, zones) == (["21:00", "08:00"], [zone_at_noon()])


def test_corrected_address_keeps_the_night(signing_app: SigningApp) -> None:
    row = remind_automatically(signing_app)
    signer = {"id": "eric", "mobile_number": "+13175550100"}
    post(signing_app, "viewed", signer=signer)
    assert reminder().id != row.id
    assert reminder().night == row.night


@pytest.mark.parametrize(
    "stored", ["", "x", "[]", "{}", "null", '[["25:00", "x"], ["UTC"]]', "[1]"]
)
def test_damaged_night_delays_nothing(stored: str) -> None:
    assert night.end_of_night(stored, now()) is None


ZONES = ["America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Europe/Paris", "UTC"]


@given(
    minutes=st.integers(0, 2 * 366 * 24 * 60),
    zones=st.lists(st.sampled_from(ZONES), min_size=1, max_size=3, unique=True),
    days=st.sampled_from([(), (5, 6), (4, 5)]),
)
def test_end_of_the_night_is_by_day_and_the_first_such_time(
    minutes: int, zones: list[str], days: tuple[int, ...]
) -> None:
    hours = QuietHours(*night.NIGHT, days)
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)

    def is_allowed(moment: datetime, names: list[str]) -> bool:
        return not any(hours.contains(moment, ZoneInfo(name)) for name in names)

    end = night.end_of_night(night.store_night(hours, zones), at)
    moment = end or at
    assert end is None or end > at
    assert is_allowed(moment, zones) or is_allowed(moment, zones[:1])
    if len(zones) == 1:
        steps = int((moment - at) / timedelta(minutes=30))
        assert not any(
            is_allowed(at + timedelta(minutes=30) * step, zones) for step in range(steps)
        )


# ── Weekends ──────────────────────────────────────────────────────────────────────────────────────
FRIDAY = datetime(2027, 1, 15, 12, tzinfo=UTC)
MONDAY = FRIDAY + 3 * DAY


def remind_on_friday(app: SigningApp, **request: object) -> Message:
    """Remind a signer at noon of a Friday, by a schedule with working days only."""
    db.session.rollback()
    clock_check.confirm()
    send(app, daytime("Eric", NUMBER), reminders={"working_days": True}, **request)
    let_pass(3 * DAY)
    assert check() == 1
    return reminder()


@pytest.mark.skipif(bool(POSTGRES), reason="PostgreSQL has its own clock")
@pytest.mark.parametrize("hours", [1, 20, 26, 40, 60, 68, 71])
def test_reminder_of_friday_that_is_delayed_into_the_weekend_is_sent_on_monday(
    signing_app: SigningApp, hours: int
) -> None:
    with time_machine.travel(FRIDAY, tick=False) as clock:
        row = remind_on_friday(signing_app)
        clock.move_to(FRIDAY + timedelta(hours=hours))
        delayed = claim(row)
        is_friday = hours == 1
        if not is_friday and delayed.status != Status.SENDING:
            assert (delayed.status, delayed.code) == (Status.QUEUED, "quiet_hours")
            assert delayed.due_at == MONDAY.replace(hour=8)
            clock.move_to(MONDAY.replace(hour=9))
            delayed = claim(row)
        assert delayed.status == Status.SENDING


@pytest.mark.skipif(bool(POSTGRES), reason="PostgreSQL has its own clock")
def test_reminder_of_friday_is_not_sent_after_monday(signing_app: SigningApp) -> None:
    with time_machine.travel(FRIDAY, tick=False) as clock:
        row = remind_on_friday(signing_app)
        clock.move_to(MONDAY + timedelta(hours=12))
        assert claim(row).status == Status.EXPIRED


@pytest.mark.skipif(bool(POSTGRES), reason="PostgreSQL has its own clock")
def test_reminder_of_friday_is_not_sent_after_the_request_expired(signing_app: SigningApp) -> None:
    with time_machine.travel(FRIDAY, tick=False) as clock:
        expires_at = (FRIDAY + timedelta(days=5)).isoformat()
        row = remind_on_friday(signing_app, expires_at=expires_at)
        assert row.expires_at is not None
        assert row.expires_at <= FRIDAY + timedelta(days=2)  # as `let_pass` moved the expiry
        clock.move_to(FRIDAY + timedelta(hours=30))
        assert claim(row).status == Status.SUPPRESSED


@given(
    minutes=st.integers(0, 2 * 366 * 24 * 60),
    zones=st.lists(st.sampled_from(ZONES), min_size=1, max_size=3, unique=True),
    days=st.sampled_from([(), (5, 6), (4, 5)]),
)
def test_prolonged_expiry_leaves_time_by_day(
    minutes: int, zones: list[str], days: tuple[int, ...]
) -> None:
    stored = night.store_night(QuietHours(*night.NIGHT, days), zones)
    expires_at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    prolonged = night.prolong(stored, expires_at)
    morning = night.end_of_night(stored, expires_at)
    assert prolonged == (expires_at if morning is None else morning + night.TIME_BY_DAY)
    assert prolonged >= expires_at
