"""Store the destination of each connection as its integration writes it, at every start."""

from __future__ import annotations

import structlog
from sqlalchemy import select

from hub import integrations
from hub.connections.connection_tests import readable_settings
from hub.core.errors import NotFound
from hub.db.engine import db
from hub.db.store import transaction
from hub.models import Connection

log = structlog.get_logger(__name__)


@transaction
def refresh_destinations() -> int:
    """Store each destination as its integration derives it now; return how many changed.

    A new version of an integration may write destinations in another form, and refuses posts to
    the previous one. A destination that an invitation link set stays as it is.
    """
    query = select(Connection).where(Connection.destination != "", Connection.archived_at.is_(None))
    changed = 0
    for connection in db.session.scalars(query.order_by(Connection.id)).all():
        destination = _derived_destination(connection)
        if destination and destination != connection.destination:
            log.info("connection.destination_refreshed", connection=connection.slug)
            connection.destination = destination
            changed += 1
    return changed


def _derived_destination(connection: Connection) -> str:
    """Return the destination in the settings, or "" if it cannot be derived from them."""
    try:
        cls = integrations.get(connection.integration)
    except NotFound:
        return ""
    settings, unreadable = readable_settings(connection)
    if unreadable is not None or cls.supports("invite"):
        return ""
    return cls.destination_of(settings)
