"""Find connections whose messages failed lately because of the sender's own setup."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select

from hub import integrations
from hub.core.errors import NotFound
from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.types import creation_time, first_id_at, now
from hub.models import Connection, Message

LOOK_BACK = timedelta(hours=24)
COUNT_TO = 1000  # messages of all connections
FAILED = (Status.FAILED, Status.UNDELIVERED)


@dataclass(frozen=True)
class SenderFault:
    """The newest of a connection's codes that name the sender's setup, and its frequency."""

    code: str
    count: int


def find_sender_faults(connections: Iterable[Connection]) -> Mapping[str, SenderFault]:
    """Return the fault of each connection that has one since its last test, by connection ID."""
    codes_of = {connection: _codes_of(connection) for connection in connections}
    concerned = {connection.id: connection for connection, known in codes_of.items() if known}
    if not concerned:
        return {}
    query = (
        select(Message.connection_id, Message.code, Message.id)
        .where(
            Message.connection_id.in_(concerned),
            Message.status.in_(FAILED),
            Message.id > first_id_at("msg", now() - LOOK_BACK),
            Message.code.in_(set().union(*codes_of.values())),
        )
        .order_by(Message.id.desc())
        .limit(COUNT_TO)
    )
    failed: dict[str, list[str]] = {}
    for connection_id, code, message_id in db.session.execute(query):
        checked_at = concerned[connection_id].checked_at
        if checked_at is None or creation_time(message_id) > checked_at:
            failed.setdefault(connection_id, []).append(code)
    return {
        connection_id: SenderFault(codes[0], codes.count(codes[0]))
        for connection_id, codes in failed.items()
    }


def _codes_of(connection: Connection) -> frozenset[str]:
    try:
        return integrations.get(connection.integration).sender_faults
    except NotFound:
        return frozenset()
