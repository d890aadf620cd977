"""Messages whose time has come: found through the index of connection, status, lane and time,
however many messages there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, bindparam, exists, select

from hub.core.vocabulary import ConnectionState, Lane, Status
from hub.db.engine import db
from hub.db.store import list_param
from hub.db.types import now
from hub.messaging.state.message_batch import messages
from hub.models import Connection

LANES = [lane.value for lane in Lane]

_WAITS = exists().where(
    messages.c.connection_id == Connection.id,
    messages.c.status.in_(list_param("statuses")),
    messages.c.lane.in_(list_param("lanes")),
    messages.c.due_at <= bindparam("moment", type_=messages.c.due_at.type),
)
_ANY = select(Connection.id).where(_WAITS).order_by(Connection.id)
_THAT_SEND = _ANY.where(
    and_(Connection.state == ConnectionState.ENABLED.value, Connection.archived_at.is_(None))
)
# one status and one lane at a time: only then the index gives the oldest without reading the others
_OLDEST = (
    select(messages.c.due_at, messages.c.id)
    .where(
        messages.c.connection_id == bindparam("connection_id", type_=messages.c.connection_id.type),
        messages.c.status == bindparam("status"),
        messages.c.lane == bindparam("lane"),
        messages.c.due_at <= bindparam("moment", type_=messages.c.due_at.type),
    )
    .order_by(messages.c.due_at)
    .limit(bindparam("most"))
)


def overdue_connections(statuses: Sequence[Status], *, that_send: bool = False) -> list[str]:
    """Return the ids of connections that have messages of these statuses to act on; only those that
    send, if asked. Reads only.
    """
    wanted = {"statuses": [status.value for status in statuses], "lanes": LANES, "moment": now()}
    return list(db.session.scalars(_THAT_SEND if that_send else _ANY, wanted))


def oldest_overdue(connection_id: str, statuses: Sequence[Status], most: int) -> list[str]:
    """Return the ids of up to `most` messages of a connection that wait longest to be acted on.

    Reads only.
    """
    found: list[tuple[datetime, str]] = []
    for status in statuses:
        for lane in LANES:
            wanted = {
                "connection_id": connection_id,
                "status": status.value,
                "lane": lane,
                "moment": now(),
                "most": most,
            }
            found += [
                (due_at, message_id) for due_at, message_id in db.session.execute(_OLDEST, wanted)
            ]
    return [message_id for _, message_id in sorted(found)[:most]]
