"""Plan scheduled events when they are due, each exactly once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import select, update

from hub.core.vocabulary import EventType, PersonRole
from hub.db.engine import db
from hub.db.store import transaction
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.state import database_clock, unreadable_rows
from hub.models import Event
from hub.signing import late_notices, requests, scheduled_events
from hub.signing.accept import notify_posted
from hub.signing.message_texts import EventRecord

log = structlog.get_logger(__name__)

BATCH = 100
PAUSE = timedelta(hours=1)  # until an event whose row cannot be read is tried again


def is_due() -> bool:
    """Return whether a scheduled event is due. Reads only."""
    return bool(_due_ids(1))


def plan_due(stopping: ShutdownSignal) -> int:
    """Plan the scheduled events that are due, the oldest first; return their number."""
    planned = 0
    tried: set[str] = set()
    while ids := [event_id for event_id in _due_ids(BATCH) if event_id not in tried]:
        db.session.rollback()
        for event_id in ids:
            if stopping.is_due:
                return planned
            planned += _plan_or_postpone(event_id)
            tried.add(event_id)
    return planned


def _due_ids(limit: int) -> Sequence[str]:
    # PostgreSQL uses no index for a comparison with the clock itself, which changes meanwhile
    current_time = database_clock.read_clock()
    due = select(Event.id).where(Event.due_at <= current_time)
    return db.session.scalars(due.order_by(Event.due_at, Event.id).limit(limit)).all()


def _plan_or_postpone(event_id: str) -> bool:
    """Plan an event, or try it again later if it cannot be read. Others are not delayed."""
    try:
        return plan_event(event_id)
    except Exception as error:
        db.session.rollback()
        if unreadable_rows.is_transient(error):
            raise
        log.exception("event.not_planned", scheduled_event=event_id)
        _postpone(event_id, error)
    return False


@transaction
def plan_event(event_id: str) -> bool:
    """Create the messages of a scheduled event; return False if it is no longer due.

    Its row is locked, so another worker waits and then finds that it is not due.
    """
    locked = scheduled_events.lock_event(event_id)
    if locked is None:
        return False
    request, event = locked
    if event.due_at is None or event.due_at > database_clock.read_clock():
        return False
    payload: dict[str, Any] = event.payload or {}
    signer = payload.get("signer")
    signer_id = signer.get("id") if isinstance(signer, dict) else signer
    actor = request.person(PersonRole.SIGNER, signer_id) if signer_id else None
    event_type = EventType(event.type)
    if event_type == EventType.SENT:
        requests.send_out(request, event.occurred_at)
    record = EventRecord(
        event.id,
        event.external_id,
        event_type,
        event.occurred_at,
        payload,
        is_stored=True,
        outdated=requests.is_outdated(request, event_type, event.occurred_at),
        overtaken=late_notices.is_overtaken(request, event_type, event.occurred_at),
    )
    notify_posted(record, request, actor)
    return True


@transaction
def _postpone(event_id: str, problem: Exception) -> None:
    later = database_clock.read_clock() + PAUSE
    waiting = update(Event).where(Event.id == event_id, Event.due_at.is_not(None))
    db.session.execute(waiting.values(due_at=later))
    unreadable_rows.record_unreadable_row(Event.__tablename__, event_id, problem)
