"""Compute quiet hours in the recipient's own time zone, and when they end."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hub.lib import phones

# the search for an allowed time ends here: zones around the whole world may leave no common hour
AHEAD = timedelta(days=3)


@dataclass(frozen=True)
class QuietHours:
    """The start and end of quiet hours by the recipient's clock, such as 21:00 and 08:00.

    They include midnight if the start is later than the end.
    """

    start: str
    end: str

    def contains(self, at: datetime, zone: ZoneInfo) -> bool:
        """Return whether a time is within the quiet hours of a zone."""
        clock = at.astimezone(zone).time()
        start = time.fromisoformat(self.start)
        end = time.fromisoformat(self.end)
        if start < end:
            return start <= clock < end
        return clock >= start or clock < end

    def next_allowed(self, at: datetime, zones: Collection[str]) -> datetime | None:
        """Return the first time outside the quiet hours of all zones, or None if that is now.

        If there is none within AHEAD, the end of that time is returned.
        """
        known = [zone for name in zones if (zone := _zone(name)) is not None]
        allowed = at
        while quiet := next((zone for zone in known if self.contains(allowed, zone)), None):
            allowed = self._end(allowed, quiet)
            if allowed - at > AHEAD:
                return at + AHEAD
        return None if allowed == at else allowed

    def _end(self, at: datetime, zone: ZoneInfo) -> datetime:
        """Return the next end of the quiet hours of a zone that contain `at`."""
        local = at.astimezone(zone)
        end_time = time.fromisoformat(self.end)
        for day in range(3):
            # A clock that is set forward skips some times, and one that is set back shows some
            # twice. The first of two counts, unless it has passed.
            wall_time = datetime.combine(local.date() + timedelta(days=day), end_time, zone)
            for fold in (0, 1):
                end = wall_time.replace(fold=fold).astimezone(UTC)
                if end > at and not self.contains(end, zone):
                    return end
        # the clock skipped the end, so the search continues a minute later
        return at + timedelta(minutes=1)


def recipient_zones(time_zone: str, address: str) -> tuple[str, ...]:
    """Return the recipient's possible time zones: the stored zone, or the zones of the number."""
    return (time_zone,) if _zone(time_zone) else phones.time_zones(address)


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        # this machine's time zones are older than those of libphonenumber
        return None


def parse_time_of_day(text: str) -> str:
    """Parse a time of day, and return it as HH:MM. Raises ValueError."""
    return time.fromisoformat(text.strip()).strftime("%H:%M")
