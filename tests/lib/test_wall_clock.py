"""Days are added on the wall clock, also across changes of the clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.lib import wall_clock

ZONES = ("America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/Santiago", "UTC")


def local(text: str, zone: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.mark.parametrize(
    ("at", "days", "zone", "shown"),
    [
        ("2026-03-06T09:00", 3, "America/New_York", "2026-03-09T09:00-04:00"),
        ("2026-10-30T09:00", 3, "America/New_York", "2026-11-02T09:00-05:00"),
        ("2026-10-02T09:00", 3, "Australia/Sydney", "2026-10-05T09:00+11:00"),
        ("2026-04-03T09:00", 3, "Australia/Sydney", "2026-04-06T09:00+10:00"),
        ("2026-03-05T02:30", 3, "America/New_York", "2026-03-08T03:00-04:00"),
        ("2026-03-26T02:30", 3, "Europe/Berlin", "2026-03-29T03:00+02:00"),
        ("2026-10-29T01:30", 3, "America/New_York", "2026-11-01T01:30-04:00"),
        ("2026-11-04T01:30", -3, "America/New_York", "2026-11-01T01:30-04:00"),
        ("2011-12-27T10:00", 3, "Pacific/Apia", "2011-12-31T00:00+14:00"),
    ],
)
def test_time_of_day_stays_across_changes_of_the_clocks(
    at: str, days: int, zone: str, shown: str
) -> None:
    moved = wall_clock.add_days(local(at, zone), days, ZoneInfo(zone))
    assert moved.astimezone(ZoneInfo(zone)).isoformat(timespec="minutes") == shown


@given(
    st.integers(0, 5 * 365 * 24 * 60),
    st.integers(-30, 30),
    st.sampled_from(ZONES),
)
def test_added_days_keep_the_time_of_day_unless_it_is_skipped(
    minutes: int, days: int, name: str
) -> None:
    zone = ZoneInfo(name)
    expected = datetime.fromisoformat("2024-01-01T00:00") + timedelta(days=days, minutes=minutes)
    moved = wall_clock.resolve(expected, zone)
    shown = moved.astimezone(zone).replace(tzinfo=None, fold=0)
    assert expected <= shown <= expected + timedelta(hours=1)
    if shown != expected:
        minute_before = moved - timedelta(minutes=1)
        assert minute_before.astimezone(zone).replace(tzinfo=None, fold=0) < expected


def test_unknown_zone_is_no_zone() -> None:
    assert wall_clock.read_zone("Mars/Olympus") is None
    assert wall_clock.read_zone("../etc/passwd") is None
