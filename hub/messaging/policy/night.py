"""The night of a recipient, in which automatic reminders wait, whatever the connection's rules."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from hub.lib.wall_clock import read_zone
from hub.messaging.policy.quiet_hours import QuietHours

NIGHT = ("21:00", "08:00")
# the longest wait for a time that is allowed in all zones of a number: a night and a weekend around
# the whole world
MAX_WAIT = timedelta(days=6)
TIME_BY_DAY = timedelta(hours=12)  # in which a reminder is sent after a night or a weekend


def store_night(hours: QuietHours, zones: Sequence[str]) -> str:
    """Return a night in the time zones of a recipient as it is stored with a message."""
    return json.dumps([hours.to_list(), list(zones)])


def end_of_night(stored: str | None, at: datetime) -> datetime | None:
    """Return when a message with a stored night may be sent, or None if it may be sent at `at`.

    A damaged value delays nothing.
    """
    if stored is None:
        return None
    try:
        values, zones = json.loads(stored)
        allowed_at = first_allowed(QuietHours.from_list(values), [str(zone) for zone in zones], at)
    except (ValueError, TypeError):
        return None
    return None if allowed_at == at else allowed_at


def prolong(stored: str | None, expires_at: datetime) -> datetime:
    """Return until when a message with a stored night may be sent.

    A message that would expire in the night or at a weekend may be sent on the day after it.
    """
    morning = end_of_night(stored, expires_at)
    return expires_at if morning is None else morning + TIME_BY_DAY


def first_allowed(hours: QuietHours, zones: Sequence[str], at: datetime) -> datetime | None:
    """Return the first time from `at` on that is outside the hours in all zones.

    Zones around the whole world may leave no common hour. Then the first zone alone counts.
    """
    for names in (zones, zones[:1]):
        moved = hours.next_allowed(at, names, ahead=MAX_WAIT) or at
        known = [zone for name in names if (zone := read_zone(name)) is not None]
        if not any(hours.contains(moved, zone) for zone in known):
            return moved
    return None
