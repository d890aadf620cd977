"""Read what is due: connections that have something to send, and their next messages."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, exists, func, or_, select

from hub.core.vocabulary import ConnectionState, Lane, Status
from hub.db.compiled_sql import Statement
from hub.db.store import read
from hub.db.types import now
from hub.messaging.compose.outbox import ASKING
from hub.messaging.policy.connection_info import CONNECTION_COLUMNS
from hub.messaging.send import destinations
from hub.messaging.send.outbound import SendDetails
from hub.messaging.send.recipient_pacing import LOOKED_AT, RecipientPacing
from hub.messaging.send.thread_order import is_next_in_thread
from hub.messaging.send.throttle_gate import LONGEST_REST
from hub.messaging.state.database_clock import CLOCK
from hub.messaging.state.message_batch import COLUMNS, MessageBatch, MessageRow
from hub.messaging.state.message_batch import messages as message_table
from hub.models import (
    Connection,
    ConnectionInfo,
    Contact,
    Event,
    Message,
    MessageBody,
    Recipient,
    SigningRequest,
    Throttle,
)
from hub.shared import integration_instances


def is_due() -> list[str]:
    """Return the ids of enabled connections that have something to send now, and whose sender may;
    who waits longest comes first.

    Reads only.
    """
    moment = now()
    found = read(_DUE, moment=moment, far=moment + LONGEST_REST)
    return [
        connection_id
        for (connection_id,) in found
        if not integration_instances.instances().is_aside(connection_id)
    ]


def _waiting(lane: Lane) -> Any:
    return (
        Message.connection_id == Connection.id,
        Message.status == Status.QUEUED,
        Message.lane == lane,
        Message.due_at <= bindparam("moment"),
    )


def _waits(lane: Lane) -> Any:
    return exists().where(*_waiting(lane))


def _since(lane: Lane) -> Any:
    return (
        select(Message.due_at)
        .where(*_waiting(lane))
        .order_by(Message.due_at)
        .limit(1)
        .correlate(Connection)
        .scalar_subquery()
    )


_DUE = Statement(
    select(Connection.id)
    .outerjoin(Throttle, Throttle.name == Connection.throttle)
    .where(
        Connection.state == ConnectionState.ENABLED,
        Connection.archived_at.is_(None),
        # one that rests for days is due too: the claim puts that right
        or_(
            Throttle.ready_at.is_(None),
            Throttle.ready_at <= CLOCK,
            Throttle.ready_at > bindparam("far"),
        ),
        or_(
            _waits(Lane.NOW),
            and_(
                or_(
                    Throttle.bulk_ready_at.is_(None),
                    Throttle.bulk_ready_at <= CLOCK,
                    Throttle.bulk_ready_at > bindparam("far"),
                ),
                _waits(Lane.BULK),
            ),
        ),
    )
    .order_by(func.coalesce(_since(Lane.NOW), _since(Lane.BULK)))
    .limit(500)
)


def read_enabled(connection_id: str) -> tuple[ConnectionInfo, datetime] | None:
    """Return a connection and the moment by the database's clock; None unless it is enabled."""
    for *columns, moment in read(_ENABLED, id=connection_id, moment=now()):
        return ConnectionInfo(*columns), moment
    return None


_ENABLED = Statement(
    select(*CONNECTION_COLUMNS, CLOCK).where(
        Connection.id == bindparam("id"),
        Connection.state == ConnectionState.ENABLED,
        Connection.archived_at.is_(None),
    )
)


def choose_messages(
    connection_id: str,
    lane: Lane,
    most: int,
    spacing: RecipientPacing | None,
    ledger: MessageBatch,
    only: str,
) -> list[tuple[MessageRow, SendDetails]]:
    looked_at = max(most, LOOKED_AT) if spacing else most
    asked = {"connection": connection_id, "lane": lane, "moment": now(), "most": looked_at}
    width = len(COLUMNS)
    found: list[tuple[MessageRow, SendDetails]] = []
    for values in read(_CHOOSE_ONE, only=only, **asked) if only else read(_CHOOSE, **asked):
        row = MessageRow(*values[:width])
        address, address_key, zone, erased_at, content, asks_until = values[width:]
        details = SendDetails(
            Recipient(row.contact_id, address, address_key, zone),
            erased=erased_at is not None,
            content=content,
            bulk=lane == Lane.BULK,
            asks_until=asks_until,
        )
        found.append((row, details))
    found = destinations.hold_back(connection_id, is_next_in_thread(found, ledger), ledger)
    return spacing.choose(found, most, ledger) if spacing else found


_WAITING = (
    select(
        *COLUMNS,
        Contact.address,
        Contact.address_key,
        Contact.time_zone,
        Contact.erased_at,
        MessageBody._content,
        SigningRequest.expires_at.label("asks_until"),
    )
    .join(Contact, Contact.id == Message.contact_id)
    .outerjoin(MessageBody, MessageBody.owner_id == Message.id)
    # the request's end may have changed since the message was planned; posts to a team ask nobody
    .outerjoin(
        Event,
        and_(
            Event.id == Message.event_id,
            Event.type.in_(ASKING),
            Message.thread == "",
        ),
    )
    .outerjoin(SigningRequest, SigningRequest.id == Event.request_id)
    .where(
        Message.connection_id == bindparam("connection"),
        Message.status == Status.QUEUED,
        Message.lane == bindparam("lane"),
        Message.due_at <= bindparam("moment"),
    )
    .order_by(Message.due_at)
    .limit(bindparam("most"))
    .with_for_update(of=message_table, skip_locked=True)
)
_CHOOSE = Statement(_WAITING)
_CHOOSE_ONE = Statement(_WAITING.where(Message.id == bindparam("only")))


def replaced_content(message_id: str) -> bytes | None:
    """Return a message's content as it is stored now; an edit may have replaced it."""
    return next((content for (content,) in read(_BODY, id=message_id)), None)


_BODY = Statement(select(MessageBody._content).where(MessageBody.owner_id == bindparam("id")))
