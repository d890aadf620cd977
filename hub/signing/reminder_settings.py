"""The settings of automatic reminders: of a route, a source and a request.

Who reminds is stored apart for live and for test requests of a source, so that an app that is
tested with a test key changes nothing for people.

A setting of a request takes precedence over that of its source, and that over the one of the route
of reminders. Each field is inherited separately.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import or_, select, update

from hub.core.vocabulary import Audience, EventType, RemindedBy
from hub.db.engine import db
from hub.db.store import cached, transaction
from hub.messaging.state.database_clock import read_clock
from hub.models import Route, Source
from hub.shared import audit
from hub.signing import reminder_rechecks
from hub.signing.reminder_schedule import Schedule


@dataclass(frozen=True)
class SourceReminders:
    """The reminders of the live or the test requests of a source, with those of its route."""

    by_hub: bool
    since: datetime | None  # when Signpost began to remind
    time_zone: str  # of signers whose zone is unknown
    settings: tuple[Mapping[str, Any], ...]  # the most specific first

    def schedule(self, request_settings: str | None) -> Schedule:
        """Return the schedule of a request with these stored settings."""
        if not request_settings:
            return self._own_schedule
        return Schedule.from_settings(parse_settings(request_settings), *self.settings)

    @cached_property
    def _own_schedule(self) -> Schedule:
        """The schedule of requests without settings, which every event needs."""
        return Schedule.from_settings(*self.settings)


def parse_settings(stored: str | None) -> Mapping[str, Any]:
    """Return stored settings of a schedule, empty for none and for damaged ones."""
    try:
        settings = json.loads(stored or "{}")
    except ValueError:
        return {}
    return settings if isinstance(settings, dict) else {}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def store_settings(settings: Mapping[str, Any] | None) -> str | None:
    """Return settings of a schedule as they are stored."""
    return None if settings is None else json.dumps(settings, sort_keys=True)


def source_reminders(source_id: str, *, test: bool) -> SourceReminders:
    """Return the reminders of a source from a short-lived cache."""
    return cached(
        ("reminders", source_id, str(test)), lambda: read_source_reminders(source_id, test=test)
    )


def read_source_reminders(source_id: str, *, test: bool) -> SourceReminders:
    """Return the reminders of a source for its test requests, or for the live ones."""
    sender = Source.test_reminded_by if test else Source.reminded_by
    since = Source.test_reminders_since if test else Source.reminders_since
    columns = (sender.label("sender"), since.label("since"), Source.time_zone, Source.reminders)
    row = db.session.execute(select(*columns).where(Source.id == source_id)).one()
    return SourceReminders(
        row.sender == RemindedBy.HUB,
        row.since,
        row.time_zone,
        (parse_settings(row.reminders), _route_settings(source_id)),
    )


def _route_settings(source_id: str) -> Mapping[str, Any]:
    """Return the schedule of the route of reminders: the source's own route, or the general one."""
    routes = select(Route.schedule).where(
        Route.event_type == EventType.REMINDER.value,
        Route.audience == Audience.SIGNER.value,
        Route.replaced_at.is_(None),
        or_(Route.source_id.is_(None), Route.source_id == source_id),
    )
    own_first = routes.order_by(Route.source_id.is_(None)).limit(1)
    schedule = db.session.scalar(own_first)
    return schedule if isinstance(schedule, dict) else {}


# ── Changes ───────────────────────────────────────────────────────────────────────────────────────
@transaction
def save_source(
    source_id: str,
    *,
    reminded_by: RemindedBy,
    test_reminded_by: RemindedBy,
    settings: Mapping[str, Any],
    time_zone: str,
) -> None:
    """Store who reminds the signers of a source, and when.

    `test_reminded_by`: who reminds those of test requests. Reminders that are switched on count
    from now for requests that are open. A changed schedule is applied to them, too.
    """
    source = db.session.get_one(Source, source_id, with_for_update=True)
    before = _values(source)
    if source.reminded_by != reminded_by and reminded_by == RemindedBy.HUB:
        source.reminders_since = read_clock()
    if source.test_reminded_by != test_reminded_by and test_reminded_by == RemindedBy.HUB:
        source.test_reminders_since = read_clock()
    source.reminded_by = reminded_by.value
    source.test_reminded_by = test_reminded_by.value
    inherited = asdict(Schedule.from_settings(_route_settings(source.id)))
    own = {name: value for name, value in settings.items() if value != _plain(inherited[name])}
    source.reminders = store_settings(own)
    source.time_zone = time_zone
    if before == _values(source):
        return
    audit.record(
        "source.reminders_changed",
        source.id,
        source.name,
        reminded_by=reminded_by.value,
        test_reminded_by=test_reminded_by.value,
    )
    db.session.flush()
    reminder_rechecks.begin(source.id)


def _values(source: Source) -> tuple[str | None, ...]:
    return source.reminded_by, source.test_reminded_by, source.reminders, source.time_zone


@transaction
def leave_to_app(source_id: str, *, test: bool) -> None:
    """Pause the reminders of Signpost, because the app has posted one of its own.

    A reminder of a test key pauses those of test requests only, and one of a live key the others.
    """
    if not source_reminders(source_id, test=test).by_hub:
        return
    sender = Source.test_reminded_by if test else Source.reminded_by
    changed = (
        update(Source)
        .where(Source.id == source_id, sender == RemindedBy.HUB.value)
        .values({sender: RemindedBy.APP.value})
        .returning(Source.name)
    )
    name = db.session.scalar(changed.execution_options(synchronize_session=False))
    if name is not None:
        details = {sender.key: RemindedBy.APP.value}
        audit.record("source.reminders_changed", source_id, name, **details)
