"""Check the clock before anything is deleted by age.

If the clock jumps a year ahead, all data seems old enough to be deleted. The time that has really
passed is known from the machine's uptime or, after a restart, from the time of the last check. The
first check uses the newest rows. The clock of a hub that was off for a long time is trusted again
after a week without jumps, or when an admin confirms it. A clock that is more than 60 days
ahead needs the admin.
"""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import select

from hub.core.errors import DecryptionError
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import creation_time, now
from hub.models import AuditEntry, Event, InboundMessage, Message, ProviderCallback, Setting
from hub.shared import audit

log = structlog.get_logger(__name__)

SETTING = "clock"
TOLERANCE = timedelta(days=1).total_seconds()
STEP = timedelta(hours=1).total_seconds()  # a usual correction of a clock
MAX_DOWNTIME = timedelta(days=4).total_seconds()  # a long weekend: trusted after a restart
STEADY = timedelta(days=7).total_seconds()
MAX_OUTAGE = timedelta(
    days=60
).total_seconds()  # without the hub; a clock that is further ahead is wrong
WRITE_EVERY = timedelta(minutes=5).total_seconds()
DAMAGED = "The stored time of the last check cannot be read."
CHECKED_MODELS = (Message, ProviderCallback, Event, InboundMessage, AuditEntry)


@dataclass(frozen=True)
class ClockReading:
    """A time on the clock, and the machine's uptime in seconds (of `source`) at that time."""

    wall: float
    source: str
    uptime: float

    def elapsed(self, later_reading: ClockReading) -> float | None:
        """Return the seconds until a later mark, or None if they are not known."""
        if self.source == later_reading.source and later_reading.uptime >= self.uptime:
            return later_reading.uptime - self.uptime
        elapsed_seconds = later_reading.wall - self.wall
        return elapsed_seconds if 0 <= elapsed_seconds <= MAX_DOWNTIME else None


@dataclass(frozen=True)
class State:
    """The last trusted time, the last check, and the seconds without a jump."""

    anchor: ClockReading
    last: ClockReading
    steady: float = 0.0

    def seconds_ahead(self, mark: ClockReading) -> float:
        """Return by how many seconds the clock is ahead; negative if it is behind."""
        return mark.wall - self.anchor.wall - (self.anchor.elapsed(mark) or 0.0)

    def trusts_clock(self, mark: ClockReading) -> bool:
        return abs(self.seconds_ahead(mark)) <= TOLERANCE

    def after(self, mark: ClockReading) -> State:
        """Return the state after a check at this time."""
        elapsed = self.last.elapsed(mark)
        has_jumped = elapsed is None or abs(mark.wall - self.last.wall - elapsed) > STEP
        steady_seconds = 0.0 if has_jumped else self.steady + (elapsed or 0.0)
        # after a restart, the steady time is part of the difference
        if steady_seconds >= STEADY and self.seconds_ahead(mark) <= MAX_OUTAGE + STEADY:
            return State(mark, mark)
        anchor = self.anchor
        if self.trusts_clock(mark):
            # it advances with the uptime, so that many small jumps do not add up unnoticed
            anchor = replace(mark, wall=self.anchor.wall + (self.anchor.elapsed(mark) or 0.0))
        return State(anchor, mark, steady_seconds)


def is_trusted() -> bool:
    """Return whether the clock can be trusted. Call it before anything is deleted by age.

    It is False while the stored state cannot be read.
    """
    mark = _current_mark()
    try:
        state = _read_state()
    except DecryptionError:
        log.warning("clock.untrusted", why=DAMAGED, remedy="Confirm the clock.")
        return False
    if state is None:
        state = _initial_state(mark)
        _save_state(state.after(mark))
    elif _needs_write(state, mark):
        _save_state(state.after(mark))
    trusted = state.trusts_clock(mark) or state.after(mark).trusts_clock(mark)
    if not trusted:
        days = round(state.seconds_ahead(mark) / 86400)
        log.warning("clock.untrusted", days=days, remedy="Set the clock, or confirm it.")
    return trusted


def problem() -> str:
    """Return the problem of the clock, or "". It only reads."""
    mark = _current_mark()
    try:
        state = _read_state() or _initial_state(mark)
    except DecryptionError:
        return DAMAGED
    if state.trusts_clock(mark):
        return ""
    days = max(1, round(abs(state.seconds_ahead(mark)) / 86400))
    direction = "ahead of" if state.seconds_ahead(mark) > 0 else "behind"
    return (
        f"The clock is {days} {'day' if days == 1 else 'days'} {direction} the time that Signpost"
        " expects."
    )


@transaction
def confirm() -> None:
    """Trust the current clock, because an admin has checked it."""
    mark = _current_mark()
    former_problem = problem()
    _store_state(State(mark, mark))
    audit.record("clock.confirmed", why=former_problem)


def _needs_write(state: State, mark: ClockReading) -> bool:
    """Return whether to store a check: every few minutes, and when the result changes."""
    elapsed = state.last.elapsed(mark)
    if elapsed is None or elapsed >= WRITE_EVERY:
        return True
    return state.trusts_clock(mark) != state.trusts_clock(state.last)


def _initial_state(mark: ClockReading) -> State:
    """Return a state from the newest rows, which were created when the clock was last used."""
    creation_times = [creation_time(row_id) for row_id in map(_newest_id, CHECKED_MODELS) if row_id]
    wall = max(creation_times).timestamp() if creation_times else mark.wall
    return State(replace(mark, wall=wall), mark)


def _newest_id(model: Any) -> str | None:
    return db.session.scalar(select(model.id).order_by(model.id.desc()).limit(1))


# ── Stored state ───────────────────────────────────────────────────────────────────────────────
def _read_state() -> State | None:
    row = db.session.get(Setting, SETTING, populate_existing=True)
    if row is None:
        return None
    value = row.value
    return State(ClockReading(**value["anchor"]), ClockReading(**value["last"]), value["steady"])


@transaction
def _save_state(state: State) -> None:
    _store_state(state)


def _store_state(state: State) -> None:
    row = db.session.get(Setting, SETTING) or Setting(name=SETTING)
    row.value = asdict(state)
    db.session.add(row)


# ── The current time ────────────────────────────────────────────────────────────────────────────
def _current_mark() -> ClockReading:
    source, uptime = _uptime()
    return ClockReading(now().timestamp(), source, uptime)


def _uptime() -> tuple[str, float]:
    """Return the source of the uptime, and its seconds: since boot if known, otherwise of this
    process.
    """
    try:
        # read from a file, because tools that fake the clock also fake clock_gettime
        return _boot_id(), float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return f"process {os.getpid()} {_STARTED}", time.monotonic()


@cache
def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


_STARTED = datetime.now(UTC).isoformat()
