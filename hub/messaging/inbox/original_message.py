"""Find the message that a received message replies to, and the source it belongs to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, or_, select

from hub.core.vocabulary import Status
from hub.db.compiled_sql import Statement
from hub.db.store import list_param, read
from hub.db.types import first_id_at
from hub.models import Attempt, Connection, ConnectionInfo, Message


@dataclass(frozen=True)
class OriginalMessage:
    """The message that was replied to, if known, and its source.

    A received message without a source is shown to admins only.
    """

    message_id: str | None = None
    request_id: str | None = None
    source_id: str | None = None


def find_original_message(
    name: str,
    receiver: ConnectionInfo,
    connection_ids: Collection[str],
    contact_id: str | None,
    at: datetime,
) -> OriginalMessage:
    """Find the message that a received message replies to, by its provider ID `name`, if given.

    Otherwise only the source is found: the last one that sent the contact a message from the
    receiver's sender before `at`.
    """
    rows = read(_ORIGINAL, connections=list(connection_ids), name=name) if name else []
    if rows:
        return OriginalMessage(*rows[0])
    if contact_id is None:
        return OriginalMessage()
    sender = {"channel": receiver.channel, "sender": receiver.sender, "connection": receiver.id}
    sources = read(_LAST_SOURCE, contact=contact_id, before=first_id_at("msg", at), **sender)
    return OriginalMessage(source_id=sources[0][0] if sources else None)


_ORIGINAL = Statement(
    select(Message.id, Message.request_id, Message.source_id)
    .join(Attempt, Attempt.message_id == Message.id)
    .where(
        Attempt.connection_id.in_(list_param("connections")),
        Attempt.provider_id == bindparam("name"),
    )
    .limit(1)
)
# statuses of messages that the contact may have received
_MAY_BE_RECEIVED = [
    status.value
    for status in (
        Status.SENDING,
        Status.UNKNOWN,
        Status.ACCEPTED,
        Status.SENT,
        Status.UNDELIVERED,
        Status.DELIVERED,
        Status.READ,
    )
]
_LAST_SOURCE = Statement(
    select(Message.source_id)
    .join(Connection, Connection.id == Message.connection_id)
    .where(
        Message.contact_id == bindparam("contact"),
        Message.id < bindparam("before"),
        Message.source_id.is_not(None),
        Message.status.in_(_MAY_BE_RECEIVED),
        Connection.channel == bindparam("channel"),
        Connection.sender == bindparam("sender"),
        or_(Connection.sender != "", Connection.id == bindparam("connection")),
    )
    .order_by(Message.id.desc())
    .limit(1)
)
