"""Read the mailboxes of connections, and store what they received."""

from __future__ import annotations

import time
from contextlib import suppress

import structlog
from sqlalchemy import select

from hub import integrations
from hub.core.errors import HubError, Refused
from hub.core.vocabulary import ConnectionState
from hub.db.engine import db
from hub.intake import inbound_mail
from hub.lib.shutdown import ShutdownSignal
from hub.models import Connection
from hub.shared import integration_instances

log = structlog.get_logger(__name__)

READ_EVERY = 60.0  # seconds
_last = {"asked": -READ_EVERY}  # by this process's monotonic clock


def is_due() -> bool:
    """Return whether a mailbox should be read now. Queries the database once a minute."""
    if time.monotonic() - _last["asked"] < READ_EVERY:
        return False
    _last["asked"] = time.monotonic()
    return bool(_connections())


def read_mailboxes(stopping: ShutdownSignal) -> int:
    """Store the unread emails of every mailbox; return how many there were.

    Raises HubError after the last mailbox if one of them could not be read.
    """
    handled = 0
    failed: list[str] = []
    for connection_id in _connections():
        if stopping.is_due:
            break
        connection = db.session.get_one(Connection, connection_id)
        title = connection.title
        slug = connection.slug
        try:
            instance = integration_instances.instance(connection)
            db.session.rollback()  # no transaction stays open during a call

            def store(content: bytes, slug: str = slug) -> None:
                with suppress(Refused):  # too large: it is not read again
                    inbound_mail.store(slug, content)

            handled += instance.read_mailbox(store)
        except HubError as error:
            log.warning("mailbox.unreadable", connection=slug, problem=type(error).__name__)
            failed.append(f"The mailbox of {title} could not be read. {error}")
    if failed:
        raise HubError(failed[0])
    return handled


def _connections() -> list[str]:
    """Return the enabled connections whose integration can read a mailbox."""
    names = [
        name
        for name, integration_class in integrations.registry().items()
        if integration_class.supports("read_mailbox")
    ]
    query = select(Connection.id).where(
        Connection.integration.in_(names),
        Connection.state == ConnectionState.ENABLED,
        Connection.archived_at.is_(None),
    )
    found = list(db.session.scalars(query.order_by(Connection.id)))
    db.session.rollback()
    return found
