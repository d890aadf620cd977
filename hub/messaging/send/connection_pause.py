"""Pause a connection that its provider refuses, until an admin has fixed it."""

from __future__ import annotations

from datetime import datetime

import structlog
from sqlalchemy import bindparam, or_, update

from hub.core.vocabulary import ConnectionState
from hub.db.engine import db
from hub.db.store import transaction, wake
from hub.db.types import now
from hub.endpoints.catalog import CONNECTION_BROKEN
from hub.endpoints.platform_events import NewEvent, sources_with_endpoints, store_events
from hub.models import Connection
from hub.shared import audit

log = structlog.get_logger(__name__)


@transaction
def pause_connection(
    connection_id: str, reason: str, *, attempt_started_at: datetime | None = None
) -> None:
    """Pause a connection until an admin has fixed it. Its messages wait.

    `attempt_started_at` is the start of the attempt that revealed the problem. An attempt from
    before the connection was enabled or passed its last test changes nothing.
    """
    values = {"key": connection_id, "new_reason": reason, "new_state_at": now()}
    result = (
        db.session.execute(_BREAK, values)
        if attempt_started_at is None
        else db.session.execute(_BREAK_LATER, {**values, "began": attempt_started_at})
    )
    if result.rowcount:  # type: ignore[attr-defined]
        db.session.expire_all()
        connection = db.session.get_one(Connection, connection_id)
        audit.record("connection.broke", connection.id, connection.title, why=reason)
        report_broken_connection(connection)
        wake("chores")  # the time of waiting messages until their next step begins
        log.warning("connection.broken", connection=connection.slug, why=reason)


def report_broken_connection(connection: Connection) -> None:
    """Report a broken connection to the apps of all sources, because each may send over it.

    Inside a transaction. The reason, which may quote the provider, is shown to admins only.
    """
    sources = sorted(sources_with_endpoints(test=connection.test))
    moment = now()
    store_events([_broken_event(connection, source_id, moment) for source_id in [*sources, None]])


def _broken_event(connection: Connection, source_id: str | None, moment: datetime) -> NewEvent:
    """Return the event for the app of a source, or that for handlers, which belongs to none."""
    reader = source_id or "handlers"
    return NewEvent(
        cause=f"{connection.id}:{CONNECTION_BROKEN}:{reader}:{moment.isoformat()}",
        type=CONNECTION_BROKEN,
        source_id=source_id,
        test=connection.test,
        at=moment,
        payload={"connection": connection.id, "channel": connection.channel},
        to_endpoints=source_id is not None,
        to_handlers=source_id is None,
    )


_BREAK = (
    update(Connection)
    .where(Connection.id == bindparam("key"), Connection.state == ConnectionState.ENABLED)
    .values(
        state=ConnectionState.BROKEN.value,
        state_reason=bindparam("new_reason"),
        state_at=bindparam("new_state_at"),
    )
)
_BEGAN = bindparam("began", type_=Connection.state_at.type)
_BREAK_LATER = _BREAK.where(
    Connection.state_at <= _BEGAN,
    or_(
        Connection.checked_at.is_(None),
        Connection.checked_ok.is_not(True),
        Connection.checked_at <= _BEGAN,
    ),
)
