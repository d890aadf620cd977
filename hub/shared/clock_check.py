"""Check the clock before anything is deleted by age.

A clock that leaps a year ahead makes everything look old enough to be deleted. The time that has
really passed is known from the machine's uptime or, after a restart, from the time of the last
check. On the first check the newest rows count. The clock of a hub that was off for long is trusted
again once it has run steadily for a week, or when an admin confirms it. One that is more than about
60 days ahead needs the admin.
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
from hub.db.types import now, time_of
from hub.models import AuditEntry, Event, InboundMessage, Message, ProviderCallback, Setting
from hub.shared import audit

log = structlog.get_logger(__name__)

SETTING = "clock"
TOLERANCE = timedelta(days=1).total_seconds()
STEP = timedelta(hours=1).total_seconds()  # what setting a clock right may change
LONGEST_OFF = timedelta(days=4).total_seconds()  # a long weekend: believed after a restart
STEADY = timedelta(days=7).total_seconds()
LONGEST_BREAK = timedelta(days=60).total_seconds()  # of a hub; a clock further ahead is wrong
WRITE_EVERY = timedelta(minutes=5).total_seconds()
DAMAGED = "The stored time of the last check cannot be read."
NEWEST_OF = (Message, ProviderCallback, Event, InboundMessage, AuditEntry)


@dataclass(frozen=True)
class Mark:
    """A moment on the clock, and the uptime in seconds of the machine (`source`) then."""

    wall: float
    source: str
    uptime: float

    def elapsed(self, later: Mark) -> float | None:
        """Return the seconds to a later mark; None if they are not known."""
        if self.source == later.source and later.uptime >= self.uptime:
            return later.uptime - self.uptime
        passed = later.wall - self.wall
        return passed if 0 <= passed <= LONGEST_OFF else None


@dataclass(frozen=True)
class State:
    """The last moment that was believed, the last check, and the time without a leap."""

    anchor: Mark
    last: Mark
    steady: float = 0.0

    def off_by(self, here: Mark) -> float:
        """Return by how many seconds the clock is ahead (behind: less than 0)."""
        return here.wall - self.anchor.wall - (self.anchor.elapsed(here) or 0.0)

    def believes(self, here: Mark) -> bool:
        return abs(self.off_by(here)) <= TOLERANCE

    def after(self, here: Mark) -> State:
        """Return the state after a check at this moment."""
        passed = self.last.elapsed(here)
        leapt = passed is None or abs(here.wall - self.last.wall - passed) > STEP
        steady = 0.0 if leapt else self.steady + (passed or 0.0)
        # after a restart, the steady time counts as a part of the difference
        if steady >= STEADY and self.off_by(here) <= LONGEST_BREAK + STEADY:
            return State(here, here)
        anchor = self.anchor
        if self.believes(here):
            # its time runs on with the uptime, so that many small leaps do not add up unnoticed
            anchor = replace(here, wall=self.anchor.wall + (self.anchor.elapsed(here) or 0.0))
        return State(anchor, here, steady)


def is_right() -> bool:
    """Check whether the clock can be believed; call it before anything is deleted by age.

    A clock is not believed while the last check cannot be read.
    """
    here = _here()
    try:
        state = _read()
    except DecryptionError:
        log.warning("clock.not_believed", why=DAMAGED, remedy="Confirm the clock.")
        return False
    if state is None:
        state = _first(here)
        _write(state.after(here))
    elif _worth_writing(state, here):
        _write(state.after(here))
    right = state.believes(here) or state.after(here).believes(here)
    if not right:
        days = round(state.off_by(here) / 86400)
        log.warning("clock.not_believed", days=days, remedy="Set the clock, or confirm it.")
    return right


def problem() -> str:
    """Say what is wrong with the clock, or ""; reads only."""
    here = _here()
    try:
        state = _read() or _first(here)
    except DecryptionError:
        return DAMAGED
    if state.believes(here):
        return ""
    days = max(1, round(abs(state.off_by(here)) / 86400))
    direction = "ahead of" if state.off_by(here) > 0 else "behind"
    return (
        f"The clock is {days} {'day' if days == 1 else 'days'} {direction} the time that Signpost"
        " expects."
    )


@transaction
def confirm() -> None:
    """Believe the clock as it is now, because an admin has checked it."""
    here = _here()
    before = problem()
    _put(State(here, here))
    audit.record("clock.confirmed", why=before)


def _worth_writing(state: State, here: Mark) -> bool:
    """Tell whether a check is worth a write: now and then, and when the verdict changes."""
    passed = state.last.elapsed(here)
    if passed is None or passed >= WRITE_EVERY:
        return True
    return state.believes(here) != state.believes(state.last)


def _first(here: Mark) -> State:
    """Begin with the newest rows: they were made when the clock was last used."""
    newest = [time_of(row_id) for row_id in map(_newest, NEWEST_OF) if row_id]
    wall = max(newest).timestamp() if newest else here.wall
    return State(replace(here, wall=wall), here)


def _newest(model: Any) -> str | None:
    return db.session.scalar(select(model.id).order_by(model.id.desc()).limit(1))


# ── Where the state is kept ─────────────────────────────────────────────────────────────────────
def _read() -> State | None:
    row = db.session.get(Setting, SETTING, populate_existing=True)
    if row is None:
        return None
    value = row.value
    return State(Mark(**value["anchor"]), Mark(**value["last"]), value["steady"])


@transaction
def _write(state: State) -> None:
    _put(state)


def _put(state: State) -> None:
    row = db.session.get(Setting, SETTING) or Setting(name=SETTING)
    row.value = asdict(state)
    db.session.add(row)


# ── This moment ─────────────────────────────────────────────────────────────────────────────────
def _here() -> Mark:
    source, uptime = _uptime()
    return Mark(now().timestamp(), source, uptime)


def _uptime() -> tuple[str, float]:
    """Return what counts the seconds, and their number: the machine's since boot if known."""
    try:
        # read from the file: what fakes the clock for a process fakes clock_gettime as well
        return _boot_id(), float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return f"process {os.getpid()} {_STARTED}", time.monotonic()


@cache
def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


_STARTED = datetime.now(UTC).isoformat()
