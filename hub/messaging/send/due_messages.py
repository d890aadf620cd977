"""Read connections with due messages, and their next messages."""

from __future__ import annotations

from collections.abc import Sequence
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
from hub.messaging.send.calls import DueMessage
from hub.messaging.send.concurrency_limit import postpone_people_on_calls
from hub.messaging.send.recipient_pacing import BATCH_SIZE, RecipientPacing
from hub.messaging.send.thread_order import postpone_blocked_by_thread
from hub.messaging.send.throttle_gate import MAX_PAUSE
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


def find_due_connections() -> list[str]:
    """Return the IDs of enabled connections that may send due messages, longest wait first.

    Reads only.
    """
    current_time = now()
    rows = read(_DUE, now=current_time, far=current_time + MAX_PAUSE)
    return [
        connection_id
        for (connection_id,) in rows
        if not integration_instances.instances().is_suspended(connection_id)
    ]


def _is_due_in(lane: Lane) -> Any:
    return (
        Message.connection_id == Connection.id,
        Message.status == Status.QUEUED,
        Message.lane == lane,
        Message.due_at <= bindparam("now"),
    )


def _has_due(lane: Lane) -> Any:
    return exists().where(*_is_due_in(lane))


def _earliest_due(lane: Lane) -> Any:
    return (
        select(Message.due_at)
        .where(*_is_due_in(lane))
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
        # a pause of days comes from a wrong clock, and the claim corrects it
        or_(
            Throttle.ready_at.is_(None),
            Throttle.ready_at <= CLOCK,
            Throttle.ready_at > bindparam("far"),
        ),
        or_(
            _has_due(Lane.NOW),
            and_(
                or_(
                    Throttle.bulk_ready_at.is_(None),
                    Throttle.bulk_ready_at <= CLOCK,
                    Throttle.bulk_ready_at > bindparam("far"),
                ),
                _has_due(Lane.BULK),
            ),
        ),
    )
    .order_by(func.coalesce(_earliest_due(Lane.NOW), _earliest_due(Lane.BULK)))
    .limit(500)
)


def read_enabled(connection_id: str) -> tuple[ConnectionInfo, datetime] | None:
    """Return a connection and the time of the database's clock; None unless it is enabled."""
    for *columns, current_time in read(_ENABLED, id=connection_id, now=now()):
        return ConnectionInfo(*columns), current_time
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
    limit: int,
    pacing: RecipientPacing | None,
    batch: MessageBatch,
    message_id: str,
    chosen_before: Sequence[DueMessage] = (),
) -> list[DueMessage]:
    """Return the messages of a lane that can be sent now, at most `limit`, and lock them.

    `chosen_before` are the messages of the other lane in the same turn.
    """
    batch_size = max(limit, BATCH_SIZE) if pacing else limit
    parameters = {"connection": connection_id, "lane": lane, "now": now(), "limit": batch_size}
    width = len(COLUMNS)
    due_messages: list[DueMessage] = []
    for values in (
        read(_CHOOSE_ONE, only=message_id, **parameters)
        if message_id
        else read(_CHOOSE, **parameters)
    ):
        row = MessageRow(*values[:width])
        address, address_key, zone, erased_at, content, request_expires_at, after_id = values[
            width:
        ]
        due = DueMessage(
            row,
            Recipient(row.contact_id, address, address_key, zone),
            erased=erased_at is not None,
            content=content,
            bulk=lane == Lane.BULK,
            request_expires_at=request_expires_at,
            after_id=after_id,
        )
        due_messages.append(due)
    due_messages = destinations.postpone_paused(
        connection_id, postpone_blocked_by_thread(due_messages, batch), batch
    )
    due_messages = postpone_people_on_calls(due_messages, batch, chosen_before)
    return pacing.choose_messages(due_messages, limit, batch) if pacing else due_messages


_WAITING = (
    select(
        *COLUMNS,
        Contact.address,
        Contact.address_key,
        Contact.time_zone,
        Contact.erased_at,
        MessageBody._content,
        SigningRequest.expires_at.label("request_expires_at"),
        Message.after_id,
    )
    .join(Contact, Contact.id == Message.contact_id)
    .outerjoin(MessageBody, MessageBody.owner_id == Message.id)
    # the expiry of the request may have changed since planning; team posts ask no signer
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
        Message.due_at <= bindparam("now"),
    )
    .order_by(Message.due_at)
    .limit(bindparam("limit"))
    .with_for_update(of=message_table, skip_locked=True)
)
_CHOOSE = Statement(_WAITING)
_CHOOSE_ONE = Statement(_WAITING.where(Message.id == bindparam("only")))


def replaced_content(message_id: str) -> bytes | None:
    """Return the stored content of a message, which an edit may have replaced."""
    return next((content for (content,) in read(_BODY, id=message_id)), None)


_BODY = Statement(select(MessageBody._content).where(MessageBody.owner_id == bindparam("id")))
