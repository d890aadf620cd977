"""Correct times that a clock ahead of the right one has put off.

A process writes when a row must be acted on by its own clock. If that was hours ahead, and be it
for a minute until it was set right, messages would wait for hours. Such a row gives itself away: it
was written in the future.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast

import structlog
from sqlalchemy import Table, bindparam, select, update

from hub.core.vocabulary import Lane, Status
from hub.db.engine import db
from hub.db.store import list_param, transaction, wake
from hub.db.types import now
from hub.messaging.state.database_clock import CLOCK
from hub.models import Connection, Message, ProviderCallback

log = structlog.get_logger(__name__)

APART = timedelta(minutes=1)  # as much as clocks may differ
FAR = timedelta(minutes=15)  # longer than any pause of ours, so that few rows are looked at
MOST = 500  # at once

_messages = cast(Table, Message.__table__)
_callbacks = cast(Table, ProviderCallback.__table__)
# not what is being sent: a lease that seems too long is better than one that ends under a call
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
    .limit(bindparam("most"))
)
_LATE_CALLBACKS = (
    select(_callbacks.c.id, _callbacks.c.due_at, _callbacks.c.received_at)
    .where(
        _callbacks.c.due_at > bindparam("far", type_=_callbacks.c.due_at.type),
        _callbacks.c.received_at > bindparam("soon", type_=_callbacks.c.received_at.type),
    )
    .order_by(_callbacks.c.id)
    .limit(bindparam("most"))
)
_NEW: dict[str, Any] = {"due_at": bindparam("new_due_at")}
_MESSAGE = (
    update(_messages)
    .where(_messages.c.id == bindparam("key"))
    .values(**_NEW, changed_at=bindparam("moment"))
)
_CALLBACK = update(_callbacks).where(_callbacks.c.id == bindparam("key")).values(**_NEW)


def is_due() -> bool:
    """Tell whether something was put off by a wrong clock. Reads only."""
    moment = _moment()
    return any(
        db.session.execute(query, _wanted(moment, 1)).first()
        for query in (_LATE_MESSAGES, _LATE_CALLBACKS)
    )


@transaction
def correct_times() -> int:
    """Bring back what was put off, with the pause that was meant; return how many rows, a bounded
    number at once.
    """
    moment = _moment()
    brought = 0
    for query, change, queue in (
        (_LATE_MESSAGES, _MESSAGE, "deliver"),
        (_LATE_CALLBACKS, _CALLBACK, "settle"),
    ):
        late = db.session.execute(
            query.with_for_update(skip_locked=True), _wanted(moment, MOST)
        ).all()
        if late:
            rows = [
                {"key": key, "new_due_at": moment + (due_at - written), "moment": moment}
                for key, due_at, written in late
            ]
            db.session.execute(change, rows)
            wake(queue)
            brought += len(rows)
    if brought:
        log.warning("clock.was_ahead", rows=brought)
    return brought


def _moment() -> datetime:
    """Return the time on the clock that all share: the database's."""
    return db.session.execute(select(CLOCK), {"moment": now()}).scalar_one()


def _wanted(moment: datetime, most: int) -> dict[str, Any]:
    return {
        "far": moment + FAR,
        "soon": moment + APART,
        "most": most,
        "lanes": [lane.value for lane in Lane],
        "statuses": [Status.QUEUED.value, Status.UNKNOWN.value],
    }
