"""Times from outside: the range that the hub accepts, in one place for pages, API and webhooks.

The range leaves so much room on both sides that neither a time zone nor the days that the hub adds
can lead out of what Python and the databases hold.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hub.core.errors import Refused

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
RANGE = "From 2000-01-01T00:00:00Z to 2099-12-31T23:59:59Z."
OUT_OF_RANGE = f"This time is out of range. Use a time {RANGE[0].lower()}{RANGE[1:]}"
AHEAD = timedelta(minutes=10)  # as much as the clock of another machine may be ahead of this one
LONGEST_PAUSE = 86_400.0  # seconds that a provider may ask for; what waits has expired by then


def in_range(moment: datetime) -> bool:
    """Return whether an aware time lies in the range that is accepted."""
    return EARLIEST <= moment < LATEST


def parse(text: str, *, field: str) -> datetime:
    """Read a time from a file or a command, in UTC; without an offset it is UTC.

    Raises Refused, which names the field and the range.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        why = "This is not a time. Use the format 2026-11-21T09:30:00Z."
        raise Refused("bad_time", why, field=field) from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    if not in_range(moment):
        raise Refused("out_of_range", OUT_OF_RANGE, field=field)
    return moment.astimezone(UTC)


def is_past(moment: datetime, now: datetime, *, field: str) -> datetime:
    """Return the time of something that has happened: one a little ahead of our clock is now.

    Raises Refused for a time out of range, and for one further ahead than AHEAD.
    """
    if not in_range(moment):
        raise Refused("out_of_range", OUT_OF_RANGE, field=field)
    if moment > now + AHEAD:
        minutes = int(AHEAD.total_seconds() // 60)
        why = f"This time is in the future. Use a time at most {minutes} minutes ahead."
        raise Refused("in_the_future", why, field=field)
    return min(moment.astimezone(UTC), now)


def clamp_reported(moment: datetime | None, received_at: datetime) -> datetime:
    """Return when something happened of which a provider says when, or when we received it.

    What a provider says counts only where it can be true: in range, and not after its report.
    """
    if moment is None or not in_range(moment) or moment > received_at + AHEAD:
        return received_at
    return min(moment, received_at)


def from_unix(seconds: Any) -> datetime | None:
    """Return the time that a provider gives in seconds since 1970; None for what is not one."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    if not EARLIEST.timestamp() <= seconds < LATEST.timestamp():  # NaN compares false, too
        return None
    return datetime.fromtimestamp(seconds, UTC)


def pause(seconds: float | None) -> float:
    """Return how many seconds to wait that a provider asks for: from 0 to a day."""
    if seconds is None or seconds != seconds:  # NaN; an int may be too large for a float
        return 0.0
    return float(min(max(seconds, 0), LONGEST_PAUSE))


def days(count: int) -> timedelta:
    """Return days of a setting as a span that can be added to and taken from today: at most 100
    years.
    """
    return timedelta(days=min(count, 36_500))
