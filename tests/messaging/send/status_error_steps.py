"""Messages of a connection whose status contains an error."""

from __future__ import annotations

from typing import Any

from hub.db.engine import db
from hub.db.types import now
from hub.integrations.base import Accepted
from hub.messaging.send import calls
from hub.messaging.send import claims as delivery
from hub.models import Connection, Throttle
from tests.hub_fixtures import queue_text


def queue_and_accept(connection: Connection, sid: str = "SM" + "1" * 32, **options: Any) -> str:
    """Return a message that the provider has accepted."""
    db.session.rollback()
    message_id = queue_text(channel="", connection_slug=connection.slug, **options)
    [claim] = [
        claimed
        for claimed in delivery.record_and_claim([], {connection.id: 10})
        if claimed.message_id == message_id
    ]
    delivery.record_and_claim([calls.Outcome(claim, Accepted(sid), None, now(), 12, 201)], {})
    return message_id


def connection_of(connection: Connection) -> Connection:
    db.session.rollback()
    return db.session.get_one(Connection, connection.id)


def paused_until(connection_id: str) -> float:
    """Return the remaining pause of a connection's sender in seconds."""
    db.session.rollback()
    row = db.session.get(Throttle, db.session.get_one(Connection, connection_id).throttle)
    return (row.paused_until - now()).total_seconds() if row and row.paused_until else 0
