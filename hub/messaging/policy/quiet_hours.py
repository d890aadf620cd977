"""Compute quiet hours in the recipient's own time zone, and when they end."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hub.integrations.product import Product
from hub.lib import phones
from hub.lib.wall_clock import read_zone

# the search for an allowed time ends here: zones around the whole world may leave no common hour
AHEAD = timedelta(days=3)


@dataclass(frozen=True)
class QuietHours:
    """The start and end of quiet hours by the recipient's clock, such as 21:00 and 08:00.

    They include midnight if the start is later than the end. `quiet_days` are quiet all day, Monday
    being 0.
    """

    start: str
    end: str
    quiet_days: tuple[int, ...] = ()

    def contains(self, at: datetime, zone: ZoneInfo) -> bool:
        """Return whether a time is within the quiet hours of a zone."""
        local = at.astimezone(zone)
        return local.weekday() in self.quiet_days or self._is_quiet(local.time())

    def __str__(self) -> str:
        return f"{self.start} to {self.end}" + (" and on Sundays" if self.quiet_days else "")

    def to_list(self) -> list[Any]:
        """Return the hours for JSON, in the form of version 0.2.0 if no day is quiet."""
        return [self.start, self.end, *([list(self.quiet_days)] if self.quiet_days else [])]

    @classmethod
    def from_list(cls, values: Sequence[Any]) -> QuietHours:
        """Return the hours of `to_list`. Raises ValueError, TypeError."""
        start, end, *days = values
        return cls(start, end, *map(tuple, days))

    def _is_quiet(self, clock: time) -> bool:
        start = time.fromisoformat(self.start)
        end = time.fromisoformat(self.end)
        if start < end:
            return start <= clock < end
        return clock >= start or clock < end

    def next_allowed(
        self, at: datetime, zones: Collection[str], *, ahead: timedelta = AHEAD
    ) -> datetime | None:
        """Return the first time outside the quiet hours of all zones, or None if that is now.

        If there is none within `ahead`, the end of that time is returned.
        """
        known = [zone for name in zones if (zone := read_zone(name)) is not None]
        allowed = at
        while quiet := next((zone for zone in known if self.contains(allowed, zone)), None):
            allowed = self._end(allowed, quiet)
            if allowed - at > ahead:
                return at + ahead
        return None if allowed == at else allowed

    def _end(self, at: datetime, zone: ZoneInfo) -> datetime:
        """Return a time after `at`, at most the end of the quiet hours of a zone that contain it.

        That end may be in another quiet hour or on a quiet day.
        """
        local = at.astimezone(zone)
        if local.weekday() in self.quiet_days:
            midnight = datetime.combine(local.date() + timedelta(days=1), time(), zone)
            return max(midnight.astimezone(UTC), at + timedelta(minutes=1))
        end_time = time.fromisoformat(self.end)
        for day in range(3):
            # A clock that is set forward skips some times, and one that is set back shows some
            # twice. The first of two counts, unless it has passed.
            wall_time = datetime.combine(local.date() + timedelta(days=day), end_time, zone)
            for fold in (0, 1):
                end = wall_time.replace(fold=fold).astimezone(UTC)
                if end > at and not self._is_quiet(end.astimezone(zone).time()):
                    return end
        # the clock skipped the end, so the search continues a minute later
        return at + timedelta(minutes=1)


SUNDAY = 6
# by name: title and hours, of laws about advertising and not about messages that people expect
PRESETS = {
    "us": ("United States: 8:00 to 21:00", QuietHours("21:00", "08:00")),
    "us_strict": (
        "United States, stricter states such as Florida: 8:00 to 20:00",
        QuietHours("20:00", "08:00"),
    ),
    "fr": ("France: 8:00 to 22:00, not on Sundays", QuietHours("22:00", "08:00", (SUNDAY,))),
    "in": ("India: 10:00 to 21:00", QuietHours("21:00", "10:00")),
}


def fixed_hours(integration_class: type[Product] | None) -> tuple[QuietHours, ...]:
    """Return the hours at which an integration never sends: one pair of times, or none."""
    hours = integration_class.never_between if integration_class else ()
    return (QuietHours(hours[0], hours[1]),) if hours else ()


def first_allowed(
    hours: Sequence[QuietHours], at: datetime, zones: Collection[str]
) -> datetime | None:
    """Return the first time outside several quiet hours in all zones, or None if that is now."""
    allowed = at
    while moved := next((end for one in hours if (end := one.next_allowed(allowed, zones))), None):
        allowed = moved
        if allowed - at > AHEAD:
            break
    return None if allowed == at else allowed


def recipient_zones(time_zone: str, address: str) -> tuple[str, ...]:
    """Return the recipient's possible time zones: the stored zone, or the zones of the number."""
    return (time_zone,) if read_zone(time_zone) else phones.time_zones(address)


def parse_time_of_day(text: str) -> str:
    """Parse a time of day, and return it as HH:MM. Raises ValueError."""
    return time.fromisoformat(text.strip()).strftime("%H:%M")
