"""Read connections as ConnectionInfo, for planning, rules, sending and the inbox."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import bindparam, select

from hub.core.vocabulary import ConnectionState
from hub.db.compiled_sql import Statement
from hub.db.store import list_param, read
from hub.models import Connection, ConnectionInfo

# in the order of the fields of ConnectionInfo
CONNECTION_COLUMNS = (
    Connection.id,
    Connection.integration,
    Connection.channel,
    Connection.sender,
    Connection.account,
    Connection.destination,
    Connection.rules,
    Connection.test,
    Connection.state,
    Connection.archived_at.is_not(None),
    Connection.settings_version,
)


def read_connections(connection_ids: Collection[str]) -> list[ConnectionInfo]:
    """Return connections in the order of their IDs, archived ones last."""
    if not connection_ids:
        return []
    return [ConnectionInfo(*row) for row in read(_BY_ID, ids=list(connection_ids))]


def read_available_connections(*, test: bool) -> list[ConnectionInfo]:
    """Return the connections that accept messages: enabled ones, then broken ones.

    Messages of a broken connection wait until it works again.
    """
    connections = [ConnectionInfo(*row) for row in read(_AVAILABLE, test=test)]
    connections.sort(key=lambda connection: not connection.enabled)
    return connections


_BY_ID = Statement(
    select(*CONNECTION_COLUMNS)
    .where(Connection.id.in_(list_param("ids")))
    .order_by(Connection.archived_at.is_not(None), Connection.id)
)
_AVAILABLE = Statement(
    select(*CONNECTION_COLUMNS)
    .where(
        Connection.test == bindparam("test"),
        Connection.archived_at.is_(None),
        Connection.source_id.is_(None),
        Connection.state.in_([ConnectionState.ENABLED.value, ConnectionState.BROKEN.value]),
    )
    .order_by(Connection.id)
)
