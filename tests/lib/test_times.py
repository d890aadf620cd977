"""Times from outside: those in the accepted range are safe everywhere, and others are refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.errors import Refused
from hub.lib import times

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(
    lambda minutes: timezone(timedelta(minutes=minutes))
)
ZONES = [
    ZoneInfo(name)
    for name in (
        "Pacific/Kiritimati",
        "Pacific/Pago_Pago",
        "Asia/Kathmandu",
        "America/St_Johns",
        "UTC",
    )
]
ANY = st.datetimes(timezones=OFFSETS)
EDGES = [times.EARLIEST, times.LATEST - timedelta(microseconds=1)]


@given(ANY)
def test_time_is_refused_or_safe_in_every_zone(moment: datetime) -> None:
    if not times.in_range(moment):
        with pytest.raises(Refused, match="2000-01-01") as refusal:
            times.parse(moment.isoformat(), field="at")
        assert refusal.value.field == "at"
        assert times.clamp_reported(moment, NOW) == NOW
        return
    read = times.parse(moment.isoformat(), field="at")
    assert read == moment
    for zone in ZONES:
        assert read.astimezone(zone) + timedelta(days=36_500) > read - timedelta(days=36_500)


@pytest.mark.parametrize("moment", EDGES)
def test_limits_of_the_range_are_accepted(moment: datetime) -> None:
    assert times.parse(moment.isoformat(), field="at") == moment


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-13-01", "2026-01-01T25:00Z", "9" * 400, "1e9", "२०२६-०१-०१"]
)
def test_value_that_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="not a time"):
        times.parse(text, field="since")


@given(st.timedeltas(timedelta(0), times.MAX_CLOCK_AHEAD))
def test_event_slightly_in_the_future_is_dated_now(ahead: timedelta) -> None:
    assert times.past_time(NOW + ahead, NOW, field="at") == NOW
    assert times.clamp_reported(NOW + ahead, NOW) == NOW


@given(st.timedeltas(times.MAX_CLOCK_AHEAD + timedelta(microseconds=1), timedelta(days=20_000)))
def test_consent_in_the_future_is_refused(ahead: timedelta) -> None:
    with pytest.raises(Refused, match="future"):
        times.past_time(NOW + ahead, NOW, field="at")
    assert times.clamp_reported(NOW + ahead, NOW) == NOW


@given(st.one_of(st.integers(), st.floats(), st.text(), st.booleans(), st.none()))
def test_provider_timestamp_is_a_time_or_none(seconds: object) -> None:
    converted = times.from_unix(seconds)
    assert converted is None or times.in_range(converted)


@given(st.one_of(st.integers(), st.floats(), st.none()))
def test_provider_pause_is_limited_to_a_day(seconds: float | None) -> None:
    assert timedelta(0) <= timedelta(seconds=times.pause(seconds)) <= timedelta(days=1)
