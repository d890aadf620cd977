"""Find connections whose messages failed lately because of the sender's own setup."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select

from hub import integrations
from hub.core.errors import NotFound
from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.types import creation_time, first_id_at, now
from hub.models import Connection, Message

LOOK_BACK = timedelta(hours=24)
FAILED = (Status.FAILED, Status.UNDELIVERED)


@dataclass(frozen=True)
class SenderFault:
    """The newest of a connection's codes that name the sender's setup, and how often it came."""

    code: str
    count: int


def find_sender_faults(connections: Iterable[Connection]) -> Mapping[str, SenderFault]:
    """Return the fault of each connection that has one since its last test, by connection ID."""
    codes = {connection: _codes_of(connection) for connection in connections}
    concerned = {connection.id: connection for connection, known in codes.items() if known}
    if not concerned:
        return {}
    query = (
        select(Message.connection_id, Message.code, func.count(), func.max(Message.id))
        .where(
            Message.connection_id.in_(concerned),
            Message.status.in_(FAILED),
            Message.id > first_id_at("msg", now() - LOOK_BACK),
            Message.code.in_(set().union(*codes.values())),
        )
        .group_by(Message.connection_id, Message.code)
        .order_by(func.max(Message.id))
    )
    faults = {}
    for connection_id, code, count, newest in db.session.execute(query):
        checked_at = concerned[connection_id].checked_at
        if checked_at is None or creation_time(newest) > checked_at:
            faults[connection_id] = SenderFault(code, count)
    return faults


def _codes_of(connection: Connection) -> frozenset[str]:
    try:
        return integrations.get(connection.integration).sender_faults
    except NotFound:
        return frozenset()
