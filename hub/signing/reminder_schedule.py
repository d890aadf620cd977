"""Compute when a signer is reminded next. These functions are pure: they read and write nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hub.lib import wall_clock
from hub.lib.times import LATEST
from hub.messaging.policy import night
from hub.messaging.policy.quiet_hours import QuietHours

MAX_DAYS = 365
MAX_TIMES = 10  # days of a schedule, of each kind
MAX_REMINDERS = 10
BETWEEN_REMINDERS = timedelta(hours=1)  # of any kind
BETWEEN_AUTOMATIC = timedelta(hours=20)  # from any other reminder to an automatic one
FRIDAY_AND_SATURDAY = (4, 5)
SATURDAY_AND_SUNDAY = (5, 6)
# ISO 3166, from the weeks of Unicode's CLDR, and Bangladesh, the Maldives and Palestine
_COUNTRIES = "AF BD BH DZ EG IL IQ IR JO KW LY MV OM PS QA SA SD SY YE"
WORKING_ON_SUNDAYS = frozenset(_COUNTRIES.split())
STEP_BACK = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The automatic reminders of a request. Days are counted by the signer's clock."""

    enabled: bool = True
    days: tuple[int, ...] = (3, 7, 14)  # after the invitation
    days_before_expiry: tuple[int, ...] = (1,)
    most: int = 5  # including reminders that a person or the app sends
    working_days: bool = False  # only on working days

    @classmethod
    def from_settings(cls, *levels: Mapping[str, Any] | None) -> Schedule:
        """Return the schedule of settings, the most specific first. A missing field is inherited.

        Fields that are unknown or damaged are ignored, so that they stop no event.
        """
        values: dict[str, Any] = {}
        for level in reversed(levels):
            values |= {
                name: value for name, value in (level or {}).items() if _is_valid(name, value)
            }
        for name in LISTS:
            if name in values:
                values[name] = tuple(values[name])
        return cls(**values)


LISTS = ("days", "days_before_expiry")


def _is_valid(name: str, value: Any) -> bool:
    """Return whether a stored setting of a schedule is known and can be used."""
    if name in LISTS:
        days = value if isinstance(value, list) else [None]
        return all(type(day) is int and 1 <= day <= MAX_DAYS for day in days)
    if name == "most":
        return type(value) is int and 0 <= value <= MAX_REMINDERS
    return name in ("enabled", "working_days") and isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class SignerTimes:
    """The facts about a signer on which the next reminder depends."""

    counted_from: datetime  # the invitation, or when reminders were switched on, if later
    expires_at: datetime | None = None
    reminders: int = 0  # that were sent, of any kind
    reminded_at: datetime | None = None  # the last one
    handled_until: datetime | None = None  # automatic reminders that were due before are done
    snoozed_until: datetime | None = None
    zones: tuple[str, ...] = ()  # in which the signer may be; the first one counts the days
    country: str = ""  # ISO 3166, for the working days


def next_reminder(schedule: Schedule, signer: SignerTimes, now: datetime) -> datetime | None:
    """Return when the next automatic reminder is due, or None if there is none.

    It is `now` if one is due: also if several were missed, which become one. It is never in the
    night, within BETWEEN_AUTOMATIC of another reminder or of the invitation, or after the request
    expires.
    """
    if not schedule.enabled or signer.reminders >= schedule.most:
        return None
    end = signer.expires_at or LATEST
    handled_until = _handled_until(signer)
    pending = [at for at in sorted(_due_times(schedule, signer)) if handled_until < at < end]
    earliest = _earliest(signer, now)
    for at in pending:
        moved = first_allowed(schedule, signer, max(at, earliest))
        if moved is not None and moved < end:
            return moved
    return _evening_before(schedule, signer, pending[-1], earliest) if pending else None


def earliest_check(schedule: Schedule, signer: SignerTimes) -> datetime | None:
    """Return a time before which no automatic reminder is due, or None if there is none.

    It is computed without time zones, which take long to read.
    """
    if not schedule.enabled or signer.reminders >= schedule.most:
        return None
    # the evening before, or the last working day before a weekend
    margin = timedelta(days=5 if schedule.working_days else 2)
    due = []
    if schedule.days:
        due.append(signer.counted_from + timedelta(days=min(schedule.days)))
    if schedule.days_before_expiry and signer.expires_at is not None:
        due.append(signer.expires_at - timedelta(days=max(schedule.days_before_expiry)))
    return max(min(due) - margin, signer.counted_from) if due else None


# ── Due times ─────────────────────────────────────────────────────────────────────────────────────
def _due_times(schedule: Schedule, signer: SignerTimes) -> Iterator[datetime]:
    """Yield when reminders are due by the schedule alone."""
    zone = _zones(signer)[0]
    for days in schedule.days:
        yield wall_clock.add_days(signer.counted_from, days, zone)
    if signer.expires_at is not None:
        for days in schedule.days_before_expiry:
            yield wall_clock.add_days(signer.expires_at, -days, zone)


def _handled_until(signer: SignerTimes) -> datetime:
    times = (signer.counted_from, signer.reminded_at, signer.handled_until)
    return max(at for at in times if at is not None)


def _earliest(signer: SignerTimes, now: datetime) -> datetime:
    earliest = [now, signer.counted_from + BETWEEN_AUTOMATIC]
    if signer.reminded_at is not None:
        earliest.append(signer.reminded_at + BETWEEN_AUTOMATIC)
    if signer.snoozed_until is not None:
        earliest.append(signer.snoozed_until)
    return max(earliest)


# ── Nights and working days ───────────────────────────────────────────────────────────────────────
def _hours(schedule: Schedule, signer: SignerTimes) -> QuietHours:
    """Return the night, with the days without reminders."""
    return QuietHours(*night.NIGHT, weekend(signer.country) if schedule.working_days else ())


def first_allowed(schedule: Schedule, signer: SignerTimes, at: datetime) -> datetime | None:
    """Return the first time from `at` on that is allowed in all zones of a signer."""
    return night.first_allowed(_hours(schedule, signer), _zone_names(signer), at)


def stored_night(schedule: Schedule, signer: SignerTimes) -> str:
    """Return the night of a signer as a reminder stores it, in case its sending is delayed."""
    return night.store_night(_hours(schedule, signer), _zone_names(signer))


def _zone_names(signer: SignerTimes) -> list[str]:
    return [zone.key for zone in _zones(signer)]


def _evening_before(
    schedule: Schedule, signer: SignerTimes, at: datetime, earliest: datetime
) -> datetime | None:
    """Return the last allowed time before `at`, in steps of an hour, or None if there is none."""
    hours = _hours(schedule, signer)
    before = at
    while before >= earliest:
        if _is_allowed(hours, signer, before):
            return before
        before -= STEP_BACK
    return None


def _is_allowed(hours: QuietHours, signer: SignerTimes, at: datetime) -> bool:
    return not any(hours.contains(at, zone) for zone in _zones(signer))


def _zones(signer: SignerTimes) -> Sequence[ZoneInfo]:
    known = [zone for name in signer.zones if (zone := wall_clock.read_zone(name)) is not None]
    return known or [ZoneInfo("UTC")]


def weekend(country: str) -> tuple[int, ...]:
    """Return the days without work of a country, Monday being 0."""
    return FRIDAY_AND_SATURDAY if country in WORKING_ON_SUNDAYS else SATURDAY_AND_SUNDAY
