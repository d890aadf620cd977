"""Find messages that are due, by the index of connection, status, lane and due time."""

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

_HAS_DUE_MESSAGE = exists().where(
    messages.c.connection_id == Connection.id,
    messages.c.status.in_(list_param("statuses")),
    messages.c.lane.in_(list_param("lanes")),
    messages.c.due_at <= bindparam("now", type_=messages.c.due_at.type),
)
_CONNECTIONS = select(Connection.id).where(_HAS_DUE_MESSAGE).order_by(Connection.id)
_ENABLED_CONNECTIONS = _CONNECTIONS.where(
    and_(Connection.state == ConnectionState.ENABLED.value, Connection.archived_at.is_(None))
)
# for one status and one lane, because only then the index returns the oldest without a sort
_OLDEST = (
    select(messages.c.due_at, messages.c.id)
    .where(
        messages.c.connection_id == bindparam("connection_id", type_=messages.c.connection_id.type),
        messages.c.status == bindparam("status"),
        messages.c.lane == bindparam("lane"),
        messages.c.due_at <= bindparam("now", type_=messages.c.due_at.type),
    )
    .order_by(messages.c.due_at)
    .limit(bindparam("limit"))
)


def overdue_connections(statuses: Sequence[Status], *, enabled_only: bool = False) -> list[str]:
    """Return the IDs of the connections with due messages in these statuses. Reads only.

    `enabled_only`: only connections that are enabled and not archived.
    """
    parameters = {
        "statuses": [status.value for status in statuses],
        "lanes": LANES,
        "now": now(),
    }
    query = _ENABLED_CONNECTIONS if enabled_only else _CONNECTIONS
    return list(db.session.scalars(query, parameters))


def oldest_overdue(connection_id: str, statuses: Sequence[Status], limit: int) -> list[str]:
    """Return the IDs of the `limit` messages of a connection that have been due for longest.

    Reads only.
    """
    due: list[tuple[datetime, str]] = []
    for status in statuses:
        for lane in LANES:
            parameters = {
                "connection_id": connection_id,
                "status": status.value,
                "lane": lane,
                "now": now(),
                "limit": limit,
            }
            due += [
                (due_at, message_id)
                for due_at, message_id in db.session.execute(_OLDEST, parameters)
            ]
    return [message_id for _, message_id in sorted(due)[:limit]]
