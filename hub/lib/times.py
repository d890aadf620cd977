"""Check times from outside: one range for the API, files, commands and providers.

The range leaves enough room that neither a time zone nor added days exceed the types of Python and
the databases.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from hub.core.errors import Refused

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
RANGE = "From 2000-01-01T00:00:00Z to 2099-12-31T23:59:59Z."
OUT_OF_RANGE = f"This time is out of range. Use a time {RANGE[0].lower()}{RANGE[1:]}"
MAX_CLOCK_AHEAD = timedelta(minutes=10)  # of another machine's clock
MAX_PAUSE = 86_400.0  # seconds that a provider may ask for; waiting messages have expired by then


def in_range(time: datetime) -> bool:
    """Return whether a time with a time zone is in the accepted range."""
    return EARLIEST <= time < LATEST


def parse(text: str, *, field: str) -> datetime:
    """Parse a time from a file or a command and return it in UTC, which is also the default zone.

    Raises Refused with the field and the range.
    """
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError:
        reason = "This is not a time. Use the format 2026-11-21T09:30:00Z."
        raise Refused("bad_time", reason, field=field) from None
    time = time.replace(tzinfo=UTC) if time.tzinfo is None else time
    if not in_range(time):
        raise Refused("out_of_range", OUT_OF_RANGE, field=field)
    return time.astimezone(UTC)


def parse_utc(text: Any) -> datetime | None:
    """Return the time that a provider writes, in UTC if it names no zone, or None for anything
    else.

    Reads ISO 8601 with a blank or a T, such as `2026-01-01 12:00:00 +0000`.
    """
    joined = re.sub(r"\s+(?=[+-][0-9]{2}:?[0-9]{2}$)", "", str(text).strip())
    try:
        time = datetime.fromisoformat(joined)
    except ValueError:
        return None
    time = time.replace(tzinfo=UTC) if time.tzinfo is None else time
    return time.astimezone(UTC) if in_range(time) else None


def past_time(time: datetime, now: datetime, *, field: str) -> datetime:
    """Return the time of a past event. A time slightly in the future becomes the current time.

    Raises Refused for a time out of range, or further ahead than MAX_CLOCK_AHEAD.
    """
    if not in_range(time):
        raise Refused("out_of_range", OUT_OF_RANGE, field=field)
    if time > now + MAX_CLOCK_AHEAD:
        minutes = int(MAX_CLOCK_AHEAD.total_seconds() // 60)
        reason = f"This time is in the future. Use a time at most {minutes} minutes ahead."
        raise Refused("in_the_future", reason, field=field)
    return min(time.astimezone(UTC), now)


def limit_ahead(time: datetime, received_at: datetime) -> datetime:
    """Return the reported time of an event, or the time of the report if it is far ahead of that.

    An event with a time of next year would make every real event after it look outdated.
    """
    return received_at if time > received_at + MAX_CLOCK_AHEAD else time


def clamp_reported(time: datetime | None, received_at: datetime) -> datetime:
    """Return the time of an event that a provider reports, or the time of the report.

    The provider's time is used only if it is in range and not after the report.
    """
    if time is None or not in_range(time) or time > received_at + MAX_CLOCK_AHEAD:
        return received_at
    return min(time, received_at)


def from_unix(seconds: Any) -> datetime | None:
    """Return the time that a provider gives as Unix seconds, or None if it is invalid."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    if not EARLIEST.timestamp() <= seconds < LATEST.timestamp():  # also false for NaN
        return None
    return datetime.fromtimestamp(seconds, UTC)


def format_time(time: datetime) -> str:
    """Return a time in the API's form: RFC 3339 with Z, to the millisecond."""
    text = time.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def pause(seconds: float | None) -> float:
    """Return a pause that a provider asks for, limited to 0 seconds up to a day."""
    if seconds is None or seconds != seconds:  # NaN; an int may be too large for a float
        return 0.0
    return float(min(max(seconds, 0), MAX_PAUSE))


def days(count: int) -> timedelta:
    """Return days of a setting as a time span of at most 100 years, that fits in a date."""
    return timedelta(days=min(count, 36_500))
