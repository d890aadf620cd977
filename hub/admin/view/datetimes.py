"""Format times for people in their own time zone: relative, exact, or only the day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from importlib import resources
from zoneinfo import ZoneInfo, available_timezones

from flask import g, has_request_context, request

from hub.db.types import BadTime
from hub.lib.localized import format_date

UNREADABLE = "unreadable time"
ZONE_COOKIE = "tz"  # set by static/js/zone.js


@lru_cache(maxsize=1)
def zone_names() -> tuple[str, ...]:
    """Return the zones that a user can choose, sorted: the current name of each, and UTC.

    tzdata lists the current names, without earlier ones such as Asia/Calcutta, in `zone.tab`.
    """
    table = resources.files("tzdata").joinpath("zoneinfo/zone.tab").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in table.splitlines() if not line.startswith("#"))
    return (*sorted(row[2] for row in rows), "UTC")


def choose_zone(*names: str | None) -> ZoneInfo:
    """Return the first valid zone of `names`, or UTC. The names may come from a cookie."""
    available = available_zones()
    return ZoneInfo(next((name for name in names if name in available), "UTC"))


@lru_cache(maxsize=1)
def available_zones() -> frozenset[str]:
    """Return all zone names. They are cached, because reading the time zone files is slow."""
    return frozenset(available_timezones())


def reader_zone() -> ZoneInfo:
    """Return the reader's time zone: the account's (`g.zone`), the browser's, or UTC."""
    if not has_request_context():
        return choose_zone()
    if "zone" not in g:
        g.zone = choose_zone(request.cookies.get(ZONE_COOKIE))
    zone: ZoneInfo = g.zone
    return zone


def local(time: datetime) -> datetime:
    """Return an aware time in the reader's zone."""
    return time.astimezone(reader_zone())


def format_relative(time: datetime, now: datetime | None = None) -> str:
    """Format a relative time: `just now`, `4 min ago`, `yesterday`, `Nov 3`, `in 2 h`."""
    if isinstance(time, BadTime):
        return UNREADABLE
    now = now or datetime.now(UTC)
    elapsed = now - time
    distance = abs(elapsed)
    if distance < timedelta(minutes=1):
        return "just now" if elapsed >= timedelta(0) else "in a moment"
    if distance < timedelta(hours=1):
        return _relative(f"{distance // timedelta(minutes=1)} min", elapsed)
    days = (local(now).date() - local(time).date()).days
    if days == 0 or distance < timedelta(hours=6):
        return _relative(f"{distance // timedelta(hours=1)} h", elapsed)
    if days in (1, -1):
        return "yesterday" if days == 1 else "tomorrow"
    return format_day(time, now)


def format_next_attempt(time: datetime | None, now: datetime | None = None) -> str:
    """Return a sentence about the next attempt, whose time may have passed; None: none is due."""
    if time is None:
        return "It is tried again with the next event."
    if isinstance(time, BadTime):
        return "The time of the next attempt cannot be read."
    now = now or datetime.now(UTC)
    words = format_relative(time, now)
    if time > now:
        return f"The next attempt is {'on ' if words[0].isupper() else ''}{words}."
    if now - time < timedelta(minutes=1):
        return "The next attempt is due now."
    distance = words.removesuffix(" ago")
    return f"The next attempt has been due {'since' if distance == words else 'for'} {distance}."


def _relative(distance: str, passed: timedelta) -> str:
    return f"{distance} ago" if passed > timedelta(0) else f"in {distance}"


def format_day(time: datetime | date, now: datetime | None = None) -> str:
    """Format a day, with the year unless it is the current one: `Nov 3`, `Dec 28, 2025`."""
    if isinstance(time, BadTime):
        return UNREADABLE
    local_day = local(time).date() if isinstance(time, datetime) else time
    this_year = local(now or datetime.now(UTC)).year
    return format_date(local_day, "MMM d" if local_day.year == this_year else "MMM d, y")


def format_datetime(time: datetime, *, milliseconds: bool = False) -> str:
    """Format a time with its day and zone: `Nov 21, 2026, 10:41:22 CET`."""
    if isinstance(time, BadTime):
        return UNREADABLE
    at = local(time)
    time_of_day = format_time(time) if milliseconds else f"{at:%H:%M:%S}"
    return f"{format_date(at.date(), 'MMM d, y')}, {time_of_day} {zone_title(at)}"


def format_time(time: datetime) -> str:
    """Format the time of day to the millisecond: `10:40:57.912`."""
    if isinstance(time, BadTime):
        return UNREADABLE
    at = local(time)
    return f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}"


def format_short(time: datetime, now: datetime | None = None) -> str:
    """Format a time of today as `14:32`, and another one with its day: `Nov 3, 14:32`."""
    if isinstance(time, BadTime):
        return UNREADABLE
    at = local(time)
    is_today = at.date() == local(now or datetime.now(UTC)).date()
    return f"{at:%H:%M}" if is_today else f"{format_day(time, now)}, {at:%H:%M}"


def zone_title(time: datetime | None = None) -> str:
    """Return the name of the reader's zone at a time: `CET`, or `UTC-03` if it has no name."""
    name = local(time or datetime.now(UTC)).tzname() or "UTC"
    return name if name[:1].isalpha() else f"UTC{name}"


def format_iso(time: datetime) -> str:
    """Format a time for `<time datetime>`: RFC 3339 in UTC."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
