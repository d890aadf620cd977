"""Quiet hours in the recipient's own time: whether now is one of them, and when they end. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hub.lib import phones

# how far the end is looked for: zones that are all of the world's leave an hour or two, or none
AHEAD = timedelta(days=3)


@dataclass(frozen=True)
class QuietHours:
    """From when to when, by the recipient's clock, as 21:00 and 08:00; over midnight where the
    first is later.
    """

    begins: str
    ends: str

    def holds(self, moment: datetime, zone: ZoneInfo) -> bool:
        """Tell whether a moment lies in the quiet hours of a zone."""
        clock = moment.astimezone(zone).time()
        begins = time.fromisoformat(self.begins)
        ends = time.fromisoformat(self.ends)
        return begins <= clock < ends if begins < ends else clock >= begins or clock < ends

    def until(self, moment: datetime, zones: Collection[str]) -> datetime | None:
        """Return when a message may go to somebody who is in one of these zones: None when it may
        now.

        It has to be allowed in all of them. Where that is at no moment within AHEAD, the end of the
        search is returned.
        """
        known = [zone for name in zones if (zone := _zone(name)) is not None]
        free = moment
        while (
            holding := next((zone for zone in known if self.holds(free, zone)), None)
        ) is not None:
            free = self._end(free, holding)
            if free - moment > AHEAD:
                return moment + AHEAD
        return None if free == moment else free

    def _end(self, moment: datetime, zone: ZoneInfo) -> datetime:
        """Return the next end of the quiet hours of a zone, in which the moment lies."""
        local = moment.astimezone(zone)
        ends = time.fromisoformat(self.ends)
        for day in range(3):
            # a wall clock that is put forward passes by some times, and one that is put back shows
            # some twice: the first counts, unless it is over
            wall = datetime.combine(local.date() + timedelta(days=day), ends, zone)
            for fold in (0, 1):
                end = wall.replace(fold=fold).astimezone(UTC)
                if end > moment and not self.holds(end, zone):
                    return end
        # an end that a clock has skipped: the minutes after it are looked at
        return moment + timedelta(minutes=1)


def zones(time_zone: str, address: str) -> tuple[str, ...]:
    """Return the zones that a recipient may be in: the one that was given, else those of the
    number; none where nothing is known.
    """
    return (time_zone,) if _zone(time_zone) else phones.time_zones(address)


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (
        ZoneInfoNotFoundError,
        ValueError,
    ):  # this machine's table is older than libphonenumber's
        return None


def clock(text: str) -> str:
    """Read a time of day. Raises ValueError."""
    return time.fromisoformat(text.strip()).strftime("%H:%M")
