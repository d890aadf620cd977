"""Add days by the wall clock of a time zone with daylight saving time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


@lru_cache(maxsize=1024)
def read_zone(name: str) -> ZoneInfo | None:
    """Return a time zone, or None if this machine does not know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def add_days(at: datetime, days: int, zone: ZoneInfo) -> datetime:
    """Return the same local time a number of days later or earlier, in UTC.

    A time that the clocks skip becomes the first time after the gap. Of a time that they show
    twice, the first counts.
    """
    local = at.astimezone(zone)
    return resolve(local.replace(tzinfo=None, fold=0) + timedelta(days=days), zone)


def resolve(wall_time: datetime, zone: ZoneInfo) -> datetime:
    """Return the first moment at or after which the clocks of a zone show a time, in UTC."""
    moment = wall_time.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None, fold=0) == wall_time:
        return moment
    return _end_of_gap(wall_time.replace(tzinfo=zone, fold=1).astimezone(UTC), moment, zone)


def _end_of_gap(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment between two others at which a zone's clocks were set forward."""
    earlier_offset = before.astimezone(zone).utcoffset()
    low = int(before.timestamp())
    high = int(after.timestamp()) + 1
    while high - low > 1:
        middle = (low + high) // 2
        offset = datetime.fromtimestamp(middle, UTC).astimezone(zone).utcoffset()
        if offset == earlier_offset:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)
