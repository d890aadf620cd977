"""Reminders are due by the signer's clock: never at night, and never too close to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hub.lib import phones
from hub.signing.reminder_schedule import (
    BETWEEN_AUTOMATIC,
    Schedule,
    SignerTimes,
    earliest_check,
    next_reminder,
    weekend,
)

NEW_YORK = ("America/New_York",)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def local(text: str, zone: str = NEW_YORK[0]) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def shown(at: datetime | None, zone: str = NEW_YORK[0]) -> str:
    return "" if at is None else f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%dT%H:%M}"


def invited(text: str = "2026-05-04T10:15", **facts: object) -> SignerTimes:
    return SignerTimes(local(text), zones=NEW_YORK, **facts)  # type: ignore[arg-type]


def simulate(
    schedule: Schedule, signer: SignerTimes, *, checks: Sequence[timedelta] = ()
) -> list[datetime]:
    """Return the automatic reminders of a signer who never signs.

    `checks`: how late each check is, as after an outage. By default, all are on time.
    """
    delays = iter(checks)
    sent = []
    at = signer.counted_from
    while (due_at := next_reminder(schedule, signer, at)) is not None:
        at = due_at + next(delays, timedelta())
        if at != due_at and next_reminder(schedule, signer, at) != at:
            continue  # by now it is night
        sent.append(at)
        signer = replace(signer, reminders=signer.reminders + 1, reminded_at=at, handled_until=at)
        assert len(sent) < 100
    return sent


# ── The schedule ──────────────────────────────────────────────────────────────────────────────────
def test_reminders_follow_the_invitation_and_precede_the_expiry() -> None:
    signer = invited(expires_at=local("2026-06-03T17:00"))
    assert [shown(at) for at in simulate(Schedule(), signer)] == [
        "2026-05-07T10:15",
        "2026-05-11T10:15",
        "2026-05-18T10:15",
        "2026-06-02T17:00",
    ]


def test_at_most_five_reminders_are_sent_including_manual_ones() -> None:
    schedule = Schedule(days=tuple(range(1, 20)))
    assert len(simulate(schedule, invited())) == 5
    assert len(simulate(schedule, invited(reminders=3))) == 2
    assert simulate(schedule, invited(reminders=5)) == []


@pytest.mark.parametrize(
    "schedule",
    [Schedule(enabled=False), Schedule(most=0), Schedule(days=(), days_before_expiry=())],
)
def test_schedule_that_is_off_sends_nothing(schedule: Schedule) -> None:
    signer = invited(expires_at=local("2026-06-03T17:00"))
    assert simulate(schedule, signer) == []
    assert earliest_check(schedule, signer) is None


def test_settings_are_inherited_field_by_field() -> None:
    assert Schedule.from_settings(None, {}) == Schedule()
    assert Schedule.from_settings(
        {"most": 2}, {"days": [1, 2], "most": 9}, {"working_days": True, "a_newer_field": 1}
    ) == Schedule(days=(1, 2), most=2, working_days=True)


@pytest.mark.parametrize(
    "damaged",
    [
        {"days": "3"},
        {"days": [None]},
        {"days": [True]},
        {"days": [10**9]},
        {"days_before_expiry": 1},
        {"most": "many"},
        {"most": -1},
        {"working_days": 1},
        {"enabled": None},
    ],
)
def test_damaged_settings_are_ignored(damaged: dict[str, Any]) -> None:
    assert Schedule.from_settings(damaged, {"days": [2]}) == Schedule(days=(2,))


# ── Clocks ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("zone", "invited_at", "reminded"),
    [
        ("America/New_York", "2026-02-27T09:00", ["03-02", "03-06", "03-13"]),
        ("America/New_York", "2026-10-26T09:00", ["10-29", "11-02", "11-09"]),
        ("Australia/Sydney", "2026-03-30T09:00", ["04-02", "04-06", "04-13"]),
        ("Australia/Sydney", "2026-09-28T09:00", ["10-01", "10-05", "10-12"]),
        ("America/Santiago", "2026-08-31T09:00", ["09-03", "09-07", "09-14"]),
    ],
)
def test_time_of_day_stays_in_a_month_in_which_clocks_change(
    zone: str, invited_at: str, reminded: list[str]
) -> None:
    at = local(invited_at, zone)
    signer = SignerTimes(at, at + 30 * DAY, zones=(zone,))
    times = [shown(time, zone)[5:] for time in simulate(Schedule(), signer)]
    assert times[:3] == [f"{day}T09:00" for day in reminded]
    assert len(times) == 4


def test_time_that_the_clocks_skip_becomes_the_first_that_exists() -> None:
    zone = "Pacific/Apia"  # had no December 30, 2011
    at = local("2011-12-27T10:00", zone)
    due_at = next_reminder(Schedule(), SignerTimes(at, zones=(zone,)), at)
    assert shown(due_at, zone) == "2011-12-31T08:00", "the first moment of the 31st is at night"


def test_reminder_due_at_night_waits_for_the_morning() -> None:
    signer = invited("2026-05-04T23:40")
    assert shown(next_reminder(Schedule(), signer, signer.counted_from)) == "2026-05-08T08:00"


def test_morning_after_the_expiry_is_left_out_unless_it_is_the_last_reminder() -> None:
    night = invited("2026-05-04T23:40", expires_at=local("2026-05-08T03:00"))
    schedule = Schedule(days=(3,), days_before_expiry=())
    assert shown(next_reminder(schedule, night, night.counted_from)) == "2026-05-07T20:40"
    earlier = replace(schedule, days=(2, 3))
    assert [shown(at) for at in simulate(earlier, night)] == ["2026-05-07T08:00"], (
        "the evening before would be within 20 hours"
    )


def test_evening_that_has_passed_is_left_out() -> None:
    signer = invited("2026-05-04T23:40", expires_at=local("2026-05-08T03:00"))
    schedule = Schedule(days=(3,), days_before_expiry=())
    assert next_reminder(schedule, signer, local("2026-05-07T23:50")) is None


def test_number_in_several_zones_is_reminded_when_all_allow_it() -> None:
    zones = phones.time_zones("+18005551234")
    assert {"Pacific/Honolulu", "America/New_York", "Pacific/Guam"} <= {*zones}
    at = datetime(2026, 5, 4, 12, tzinfo=UTC)
    for reminder in simulate(Schedule(), SignerTimes(at, at + 30 * DAY, zones=zones)):
        assert all(8 <= reminder.astimezone(ZoneInfo(zone)).hour < 21 for zone in zones)


def test_zones_without_a_common_hour_follow_the_first() -> None:
    zones = ("Europe/London", "Asia/Tokyo", "America/Los_Angeles")
    at = local("2026-05-04T22:00", zones[0])
    due_at = next_reminder(Schedule(), SignerTimes(at, zones=zones), at)
    assert due_at is not None
    assert 8 <= due_at.astimezone(ZoneInfo(zones[0])).hour < 21


def test_signer_without_a_zone_is_reminded_by_utc() -> None:
    at = datetime(2026, 5, 4, 23, tzinfo=UTC)
    due_at = next_reminder(Schedule(), SignerTimes(at, zones=("Mars/Olympus",)), at)
    assert due_at == datetime(2026, 5, 8, 8, tzinfo=UTC)


# ── Working days ──────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("country", "zone", "invited_on", "reminded_on"),
    [
        ("US", "America/New_York", "2026-05-06", ["2026-05-11", "2026-05-13", "2026-05-20"]),
        ("IL", "Asia/Jerusalem", "2026-05-05", ["2026-05-10", "2026-05-12", "2026-05-19"]),
        ("", "Europe/Paris", "2026-05-07", ["2026-05-11", "2026-05-14", "2026-05-21"]),
    ],
)
def test_working_days_are_those_of_the_country(
    country: str, zone: str, invited_on: str, reminded_on: list[str]
) -> None:
    at = local(f"{invited_on}T10:00", zone)
    signer = SignerTimes(at, zones=(zone,), country=country)
    times = simulate(Schedule(working_days=True), signer)
    assert [shown(time, zone)[:10] for time in times] == reminded_on
    assert not any(time.astimezone(ZoneInfo(zone)).weekday() in weekend(country) for time in times)


def test_last_reminder_before_a_weekend_expiry_is_sent_on_friday() -> None:
    signer = invited("2026-05-04T10:00", expires_at=local("2026-05-10T12:00"))
    schedule = Schedule(days=(), working_days=True)
    assert shown(next_reminder(schedule, signer, signer.counted_from)) == "2026-05-08T20:00"


# ── Other reminders, snoozes and outages ──────────────────────────────────────────────────────────
def test_missed_reminders_become_one() -> None:
    signer = invited(expires_at=local("2026-06-03T17:00"))
    late = local("2026-05-12T11:00")  # after the reminders of days 3 and 7
    assert next_reminder(Schedule(), signer, late) == late
    signer = replace(signer, reminders=1, reminded_at=late, handled_until=late)
    assert shown(next_reminder(Schedule(), signer, late)) == "2026-05-18T10:15"


def test_manual_reminder_moves_the_automatic_one_by_twenty_hours() -> None:
    reminded_at = local("2026-05-07T08:00")  # day 2.9
    signer = invited(reminders=1, reminded_at=reminded_at)
    due_at = next_reminder(Schedule(), signer, reminded_at)
    assert shown(due_at) == "2026-05-08T08:00", "20 hours later it is night"


def test_manual_reminder_takes_the_place_of_one_that_waits_for_the_morning() -> None:
    signer = invited("2026-05-04T22:00", reminders=1, reminded_at=local("2026-05-07T23:00"))
    assert shown(next_reminder(Schedule(), signer, local("2026-05-08T07:00"))) == "2026-05-12T08:00"


def test_reminder_due_while_snoozed_is_sent_once_when_the_snooze_ends() -> None:
    until = local("2026-05-12T15:00")  # after days 3 and 7
    signer = invited(snoozed_until=until)
    assert [shown(at) for at in simulate(Schedule(), signer)] == [
        "2026-05-12T15:00",
        "2026-05-18T10:15",
    ]


def test_reminders_switched_on_later_count_from_that_moment() -> None:
    signer = SignerTimes(local("2026-05-20T10:15"), zones=NEW_YORK)  # invited in April
    assert shown(next_reminder(Schedule(), signer, signer.counted_from)) == "2026-05-23T10:15"


def test_prolonged_expiry_moves_the_reminder_before_it() -> None:
    signer = invited(expires_at=local("2026-05-20T17:00"))
    sent = simulate(Schedule(), signer)
    assert shown(sent[-1]) == "2026-05-19T17:00"
    prolonged = replace(
        signer,
        expires_at=local("2026-06-20T17:00"),
        reminders=len(sent),
        reminded_at=sent[-1],
        handled_until=sent[-1],
    )
    assert [shown(at) for at in simulate(Schedule(), prolonged)] == ["2026-06-19T17:00"]


def test_request_that_expires_soon_is_not_followed_by_a_reminder_at_once() -> None:
    signer = invited("2026-05-04T10:00", expires_at=local("2026-05-05T11:00"))
    assert simulate(Schedule(), signer) == [local("2026-05-05T08:00")], "1 day before is too soon"


# ── Properties ────────────────────────────────────────────────────────────────────────────────────
NUMBERS = ("+13175551234", "+18005551234", "+442071234567", "+79161234567", "+972501234567", "")
ZONES = ("America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Santiago", "UTC")
schedules = st.builds(
    Schedule,
    days=st.lists(st.integers(1, 40), max_size=6, unique=True).map(tuple),
    days_before_expiry=st.lists(st.integers(1, 20), max_size=3, unique=True).map(tuple),
    most=st.integers(0, 5),
    working_days=st.booleans(),
)
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
moments = st.integers(0, 2 * 365 * 24 * 60).map(lambda n: FIRST + timedelta(minutes=n))
delays = st.lists(st.integers(0, 5 * 24 * 60).map(lambda n: timedelta(minutes=n)), max_size=6)


@st.composite
def signers(draw: st.DrawFn) -> SignerTimes:
    number = draw(st.sampled_from(NUMBERS))
    zones = phones.time_zones(number) if number else (draw(st.sampled_from(ZONES)),)
    counted_from = draw(moments)
    lifetime = draw(st.none() | st.integers(1, 60 * 24 * 60).map(lambda n: timedelta(minutes=n)))
    snooze = draw(st.none() | st.integers(1, 40 * 24 * 60).map(lambda n: timedelta(minutes=n)))
    return SignerTimes(
        counted_from,
        expires_at=counted_from + lifetime if lifetime else None,
        snoozed_until=counted_from + snooze if snooze else None,
        zones=zones,
        country=phones.country(number) if number else "",
    )


@given(schedules, signers(), delays)
def test_no_schedule_disturbs_a_signer(
    schedule: Schedule, signer: SignerTimes, late: list[timedelta]
) -> None:
    sent = simulate(schedule, signer, checks=late)
    assert len(sent) <= schedule.most <= 5
    for zone in map(ZoneInfo, signer.zones):
        for at in sent:
            assert 8 <= at.astimezone(zone).hour < 21, "at night"
            if schedule.working_days:
                assert at.astimezone(zone).weekday() not in weekend(signer.country)
    for earlier, later in zip([signer.counted_from, *sent], sent, strict=False):
        assert later - earlier >= BETWEEN_AUTOMATIC
    assert signer.expires_at is None or all(at < signer.expires_at for at in sent)
    assert signer.snoozed_until is None or all(at >= signer.snoozed_until for at in sent)


@given(schedules, signers(), st.integers(0, 60 * 24 * 60).map(lambda n: timedelta(minutes=n)))
def test_check_is_never_later_than_the_reminder(
    schedule: Schedule, signer: SignerTimes, passed: timedelta
) -> None:
    now = signer.counted_from + passed
    due_at = next_reminder(schedule, signer, now)
    check_at = earliest_check(schedule, signer)
    assume(due_at is not None)
    assert check_at is not None
    assert check_at <= due_at  # type: ignore[operator]
