"""Retry a message that did not reach its recipient, by the rule of its connection.

A message is never sent again after its provider accepted it, so each retry is a new
message that follows the previous one.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile

from sqlalchemy import select

from hub import integrations
from hub.core.errors import DecryptionError, NotFound
from hub.core.vocabulary import Lane
from hub.db.engine import db
from hub.db.types import now
from hub.messaging.compose import outbox, resend
from hub.messaging.state.message_batch import MessageBatch, MessageRow
from hub.models import Connection, Message, MessageBody

MAX_TRIES = 50


def try_again(row: MessageRow, batch: MessageBatch) -> None:
    """Add the next try of a message that was just reported as not delivered, if one is allowed.

    None is added after the last wait, after the message was stopped or has expired, or when the
    next step of its route is due before.
    """
    if row.stop_reason or _has_successor(row.id):
        return
    message = db.session.get_one(Message, row.id)
    waits = _waits(row.connection_id)
    number = _count_tries(message)
    if number > len(waits):
        return
    due_at = now() + waits[number - 1]
    minutes = _minutes_left(row, due_at)
    is_late = row.expires_at is not None and due_at >= row.expires_at
    if is_late or (minutes is not None and minutes <= 0):
        return
    successor_id = _add(message, due_at, minutes)
    if successor_id:
        batch.record_fact(row, "tried again", reason=f"by {successor_id}")


def _waits(connection_id: str) -> list[timedelta]:
    connection = db.session.get_one(Connection, connection_id)
    try:
        integration_class = integrations.get(connection.integration)
        return list(integration_class.waits_before_retries(connection.settings_or_none() or {}))
    except (NotFound, DecryptionError):
        return []


def _count_tries(message: Message) -> int:
    """Return how many messages of the same step over the same connection led to this one."""
    chain: list[tuple[str, str | None, str]] = []
    current: Message | None = message
    while current is not None and len(chain) < MAX_TRIES:
        chain.append((current.connection_id, current.step_id, current.contact_id))
        current = db.session.get(Message, current.after_id) if current.after_id else None
    return len(list(takewhile(lambda key: key == chain[0], chain)))


def _minutes_left(row: MessageRow, due_at: datetime) -> int | None:
    """Return the minutes that the next try has for the goal; None: only its failure counts."""
    if row.fallback_minutes is None or row.escalate_at is None:
        return row.fallback_minutes
    return int((row.escalate_at - due_at).total_seconds() // 60)


def _add(message: Message, due_at: datetime, minutes: int | None) -> str:
    body = db.session.get(MessageBody, message.id.partition("_")[2])
    if message.contact.erased_at is not None or body is None:
        return ""
    return outbox.add_message(
        replace(
            resend.copy_message(message, body.content),
            lane=Lane(message.lane),
            after_failure=True,
            fallback_minutes=minutes,
            expires_at=message.expires_at,
            night=message.night,
            not_before=due_at,
            wait_fact="waits for retry",
        )
    )


def _has_successor(message_id: str) -> bool:
    successor = select(Message.id).where(Message.after_id == message_id)
    return db.session.scalar(successor.limit(1)) is not None
