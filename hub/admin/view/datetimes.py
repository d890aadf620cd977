"""Times as a person reads them: relative in the text, exact on hover, both in the reader's zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from babel.dates import format_date
from flask import g, has_request_context, request

from hub.db.types import BadTime

UNREADABLE = "unreadable time"
LOCALE = "en"  # of all pages
ZONE_COOKIE = "tz"  # set by static/js/zone.js


@lru_cache(maxsize=1)
def zone_names() -> tuple[str, ...]:
    """Return every zone a reader may choose, sorted; the bare abbreviations that tzdata keeps for
    old programs are left out.
    """
    return (
        *sorted(
            name for name in available_timezones() if "/" in name and not name.startswith("Etc/")
        ),
        "UTC",
    )


def choose_zone(*names: str | None) -> ZoneInfo:
    """Return the first of these zones that exists, or UTC; the names may come from a stranger's
    cookie.
    """
    known = available_zones()
    return ZoneInfo(next((name for name in names if name in known), "UTC"))


@lru_cache(maxsize=1)
def available_zones() -> frozenset[str]:
    """Return every zone name there is; read once, for it walks a folder."""
    return frozenset(available_timezones())


def reader_zone() -> ZoneInfo:
    """Return the zone of whoever reads this page: `g.zone` where sign-in set it, else the
    browser's, else UTC.
    """
    if not has_request_context():
        return choose_zone()
    if "zone" not in g:
        g.zone = choose_zone(request.cookies.get(ZONE_COOKIE))
    zone: ZoneInfo = g.zone
    return zone


def local(moment: datetime) -> datetime:
    """Return an aware time in the reader's zone."""
    return moment.astimezone(reader_zone())


def ago(moment: datetime, now: datetime | None = None) -> str:
    """Say how long ago, or how soon: `just now`, `4 min ago`, `yesterday`, `3 Nov`, `in 2 h`."""
    if isinstance(moment, BadTime):
        return UNREADABLE
    now = now or datetime.now(UTC)
    passed = now - moment
    distance = abs(passed)
    if distance < timedelta(minutes=1):
        return "just now" if passed >= timedelta(0) else "in a moment"
    if distance < timedelta(hours=1):
        return _told(f"{distance // timedelta(minutes=1)} min", passed)
    days = (local(now).date() - local(moment).date()).days
    if days == 0 or distance < timedelta(hours=6):
        return _told(f"{distance // timedelta(hours=1)} h", passed)
    if days in (1, -1):
        return "yesterday" if days == 1 else "tomorrow"
    return day(moment, now)


def _told(distance: str, passed: timedelta) -> str:
    return f"{distance} ago" if passed > timedelta(0) else f"in {distance}"


def day(moment: datetime | date, now: datetime | None = None) -> str:
    """Write the day, with its year unless it is this one: `3 Nov`, `28 Dec 2025`."""
    if isinstance(moment, BadTime):
        return UNREADABLE
    on = local(moment).date() if isinstance(moment, datetime) else moment
    this_year = local(now or datetime.now(UTC)).year
    return write_date(on, "d MMM" if on.year == this_year else "d MMM y")


@lru_cache(maxsize=1024)  # a list shows the same days again and again
def write_date(on: date, pattern: str) -> str:
    """Write a day by a pattern of Unicode (CLDR), such as `d MMM y`."""
    return str(format_date(on, pattern, locale=LOCALE))


def exact(moment: datetime, *, milliseconds: bool = False) -> str:
    """Write the whole time with its zone: `21 Nov 2026, 10:41:22 CET`."""
    if isinstance(moment, BadTime):
        return UNREADABLE
    at = local(moment)
    return (
        f"{write_date(at.date(), 'd MMM y')}, {clock(moment) if milliseconds else f'{at:%H:%M:%S}'}"
        f" {zone_title(at)}"
    )


def clock(moment: datetime) -> str:
    """Write the time of day to the millisecond: `10:40:57.912`."""
    if isinstance(moment, BadTime):
        return UNREADABLE
    at = local(moment)
    return f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}"


def zone_title(moment: datetime | None = None) -> str:
    """Return the reader's zone at a time: `CET`, or `UTC-03` for zones without letters."""
    name = local(moment or datetime.now(UTC)).tzname() or "UTC"
    return name if name[:1].isalpha() else f"UTC{name}"


def machine(moment: datetime) -> str:
    """Write a time for `<time datetime>`: RFC 3339 in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
