"""Record worker jobs that fail as a whole, so that the web server can show them.

A record contains the class of the error and no stored values.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, select

from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.models import Setting

RECENT = timedelta(seconds=90)  # a failed job is retried every second
RECENT_CHORE = timedelta(minutes=25)  # chores are due every 10 minutes
PREFIX = "failed_job."
CHORES = "chores."  # prefix of the name of a chore; the queue of all chores has no prefix


@transaction
def record_failure(queue: str, problem: Exception) -> None:
    """Record that the job of a queue, or one of its chores, has just failed."""
    name = f"{PREFIX}{queue}"
    row = db.session.get(Setting, name) or Setting(name=name)
    row.value = type(problem).__name__
    row.changed_at = now()
    db.session.add(row)


def clear_failure(queue: str) -> None:
    """Delete the record of a failure, because the job of the queue has succeeded."""
    name = f"{PREFIX}{queue}"
    if db.session.scalar(select(Setting.name).where(Setting.name == name)) is not None:
        _delete_record(name)


@transaction
def _delete_record(name: str) -> None:
    db.session.execute(delete(Setting).where(Setting.name == name))


def recent_failures() -> dict[str, str]:
    """Return the error class of each job and chore that failed recently. Reads only."""
    current_time = now()
    is_recent = (Setting.changed_at > current_time - RECENT) | (
        Setting.name.startswith(f"{PREFIX}{CHORES}")
        & (Setting.changed_at > current_time - RECENT_CHORE)
    )
    query = select(Setting).where(Setting.name.startswith(PREFIX), is_recent)
    return {row.name.removeprefix(PREFIX): str(row.value) for row in db.session.scalars(query)}
