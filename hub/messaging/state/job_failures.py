"""Jobs of the workers that fail as a whole: noted in the database, where the web server sees it.

A note holds the kind of the error and nothing that was stored.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, select

from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.models import Setting

RECENT = timedelta(seconds=90)  # a job that fails is tried again every second
RECENT_CHORE = timedelta(minutes=25)  # chores are due every 10 minutes
PREFIX = "failed_job."
CHORES = "chores."  # prefix of a chore's name; the queue of all chores has none


@transaction
def note_failure(queue: str, problem: Exception) -> None:
    """Note that the job of a queue, or one of its chores, failed just now."""
    name = f"{PREFIX}{queue}"
    row = db.session.get(Setting, name) or Setting(name=name)
    row.value = type(problem).__name__
    row.changed_at = now()
    db.session.add(row)


def clear_failure(queue: str) -> None:
    """Note that the job of a queue works."""
    name = f"{PREFIX}{queue}"
    if db.session.scalar(select(Setting.name).where(Setting.name == name)) is not None:
        _clear(name)


@transaction
def _clear(name: str) -> None:
    db.session.execute(delete(Setting).where(Setting.name == name))


def recent_failures() -> dict[str, str]:
    """Return the jobs and chores that failed last, with the kind of the error. Reads only."""
    moment = now()
    newest = (Setting.changed_at > moment - RECENT) | (
        Setting.name.startswith(f"{PREFIX}{CHORES}") & (Setting.changed_at > moment - RECENT_CHORE)
    )
    kept = select(Setting).where(Setting.name.startswith(PREFIX), newest)
    return {row.name.removeprefix(PREFIX): str(row.value) for row in db.session.scalars(kept)}
