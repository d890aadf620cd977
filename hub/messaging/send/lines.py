"""Limit how many messages a provider has in progress at once, such as the calls of a connection.

The throttle of the sender is locked meanwhile, so two workers never use the same free line.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, func, select

from hub.core.vocabulary import Channel, Status
from hub.db.engine import db
from hub.db.types import now
from hub.integrations.base import Integration
from hub.messaging.send.calls import DueMessage
from hub.messaging.send.throttle_gate import ThrottleGate
from hub.messaging.state.message_batch import MessageBatch
from hub.models import Message

# a call without a report for longer has ended, and its last callback was lost
MAX_DURATION = timedelta(minutes=10)
CHECK_AFTER = timedelta(seconds=2)  # until a free line is looked for again
IN_PROGRESS = [
    status.value for status in (Status.SENDING, Status.UNKNOWN, Status.ACCEPTED, Status.SENT)
]


def limit_to_free_lines(
    connection_id: str, integration: Integration, threads: int, gate: ThrottleGate
) -> int:
    """Return how many messages may be claimed: at most one for each free line of a connection."""
    limit = integration.max_in_progress()
    if not limit:
        return threads
    in_progress = select(func.count()).where(Message.connection_id == connection_id, *_is_active())
    free = max(limit - (db.session.scalar(in_progress) or 0), 0)
    if not free and gate.state is not None:
        gate.state.postpone_claims(gate.now + CHECK_AFTER)
    return min(threads, free)


def postpone_people_on_calls(
    due_messages: Sequence[DueMessage], batch: MessageBatch
) -> list[DueMessage]:
    """Return the calls that can be made now; postpone those to people who are on a call."""
    called = {due.row.contact_id for due in due_messages if due.row.channel == Channel.VOICE}
    if not called:
        return list(due_messages)
    on_call = select(Message.contact_id).where(
        Message.contact_id.in_(called), Message.channel == Channel.VOICE.value, *_is_active()
    )
    busy = set(db.session.scalars(on_call))
    chosen = []
    for due in due_messages:
        if due.row.contact_id in busy:
            batch.add_row(due.row).due_at = now() + CHECK_AFTER
            continue
        chosen.append(due)
        if due.row.channel == Channel.VOICE:
            busy.add(due.row.contact_id)
    return chosen


def _is_active() -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of messages that their provider has in progress."""
    return Message.status.in_(IN_PROGRESS), Message.changed_at > now() - MAX_DURATION
