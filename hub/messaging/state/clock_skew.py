"""Correct due times that a process wrote while its clock was ahead.

A process computes due times with its own clock. If that clock is hours ahead, even for a minute,
messages wait for hours. The time at which such a row was written is in the future.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast

import structlog
from sqlalchemy import Table, bindparam, select, update

from hub.core.vocabulary import Lane, Status
from hub.db.engine import db
from hub.db.store import list_param, transaction, wake
from hub.messaging.state.database_clock import read_clock
from hub.models import Connection, Message, ProviderCallback

log = structlog.get_logger(__name__)

TOLERANCE = timedelta(minutes=1)  # between clocks
FAR = timedelta(minutes=15)  # longer than most pauses, so that few rows are checked
BATCH = 500

_messages = cast(Table, Message.__table__)
_callbacks = cast(Table, ProviderCallback.__table__)
# leases are not shortened: a long lease is better than one that expires during a call
_LATE_MESSAGES = (
    select(_messages.c.id, _messages.c.due_at, _messages.c.changed_at)
    .where(
        _messages.c.connection_id.in_(select(Connection.id)),
        _messages.c.status.in_(list_param("statuses")),
        _messages.c.lane.in_(list_param("lanes")),
        _messages.c.due_at > bindparam("far", type_=_messages.c.due_at.type),
        _messages.c.changed_at > bindparam("soon", type_=_messages.c.changed_at.type),
    )
    .order_by(_messages.c.id)
    .limit(bindparam("limit"))
)
_LATE_CALLBACKS = (
    select(_callbacks.c.id, _callbacks.c.due_at, _callbacks.c.received_at)
    .where(
        _callbacks.c.due_at > bindparam("far", type_=_callbacks.c.due_at.type),
        _callbacks.c.received_at > bindparam("soon", type_=_callbacks.c.received_at.type),
    )
    .order_by(_callbacks.c.id)
    .limit(bindparam("limit"))
)
_LATE_TIMERS = (
    select(_messages.c.id, _messages.c.escalate_at, _messages.c.changed_at)
    .where(
        # without a range of `escalate_at`, so that the index of `changed_at` is used
        _messages.c.escalate_at.is_not(None),
        _messages.c.changed_at > bindparam("soon", type_=_messages.c.changed_at.type),
    )
    .order_by(_messages.c.changed_at)
    .limit(bindparam("limit"))
)
_DUE_TIME: dict[str, Any] = {"due_at": bindparam("new_due_at")}
_CORRECT_MESSAGE = (
    update(_messages)
    .where(_messages.c.id == bindparam("key"))
    .values(**_DUE_TIME, changed_at=bindparam("now"))
)
_CORRECT_TIMER = (
    update(_messages)
    .where(_messages.c.id == bindparam("key"))
    .values(escalate_at=bindparam("new_due_at"), changed_at=bindparam("now"))
)
_CORRECT_CALLBACK = (
    update(_callbacks).where(_callbacks.c.id == bindparam("key")).values(**_DUE_TIME)
)


def is_due() -> bool:
    """Return whether a row has a due time that was written while a clock was ahead. Reads only."""
    current_time = read_clock()
    return any(
        db.session.execute(query, _parameters(current_time, 1)).first()
        for query in (_LATE_MESSAGES, _LATE_CALLBACKS, _LATE_TIMERS)
    )


@transaction
def correct_times() -> int:
    """Correct the due times of at most BATCH rows of each kind; return the number of rows.

    Each row keeps the pause between the time it was written and the time it was due.
    """
    current_time = read_clock()
    corrected = 0
    for query, change, queue in (
        (_LATE_MESSAGES, _CORRECT_MESSAGE, "deliver"),
        (_LATE_CALLBACKS, _CORRECT_CALLBACK, "settle"),
        (_LATE_TIMERS, _CORRECT_TIMER, "chores"),
    ):
        rows = db.session.execute(
            query.with_for_update(skip_locked=True), _parameters(current_time, BATCH)
        ).all()
        if rows:
            changes = [
                {
                    "key": row_id,
                    "new_due_at": current_time + (due_at - written_at),
                    "now": current_time,
                }
                for row_id, due_at, written_at in rows
            ]
            db.session.execute(change, changes)
            wake(queue)
            corrected += len(rows)
    if corrected:
        log.warning("clock.due_times_corrected", rows=corrected)
    return corrected


def _parameters(current_time: datetime, limit: int) -> dict[str, Any]:
    return {
        "far": current_time + FAR,
        "soon": current_time + TOLERANCE,
        "limit": limit,
        "lanes": [lane.value for lane in Lane],
        "statuses": [Status.QUEUED.value, Status.UNKNOWN.value],
    }
