"""Limit how many messages a provider has in progress at once, such as the calls of a connection.

The throttle of the sender is locked during the check, so two workers never use the same free line.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, func, select

from hub.core.vocabulary import Channel, Status
from hub.db.engine import db
from hub.db.types import now
from hub.integrations.base import Integration
from hub.messaging.send.calls import DueMessage
from hub.messaging.send.throttle_gate import ThrottleGate
from hub.messaging.state.message_batch import MessageBatch
from hub.models import Contact, Message

# a call without a report for longer has ended, and its last callback was lost
MAX_DURATION = timedelta(minutes=10)
CHECK_AFTER = timedelta(seconds=2)  # until the next check for a free line
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
    due_messages: Sequence[DueMessage], batch: MessageBatch, chosen_before: Sequence[DueMessage]
) -> list[DueMessage]:
    """Return the calls that can be made now; postpone those to people who are on a call.

    `chosen_before` are messages of the other lane, whose calls begin in the same turn.
    """
    called = {due.row.contact_id for due in due_messages if due.row.channel == Channel.VOICE}
    if not called:
        return list(due_messages)
    free = _lock_free_people(called) - {due.row.contact_id for due in chosen_before}
    chosen = []
    for due in due_messages:
        if due.row.channel == Channel.VOICE:
            if due.row.contact_id not in free:
                batch.add_row(due.row).due_at = now() + CHECK_AFTER
                continue
            free.remove(due.row.contact_id)
        chosen.append(due)
    return chosen


def _lock_free_people(contact_ids: Collection[str]) -> set[str]:
    """Lock and return the people who are on no call.

    Another connection may be about to call a person in a separate transaction. It has locked the
    person then, and the person counts as busy. So no two transactions wait for each other.
    """
    locked = set(db.session.scalars(_LOCK.where(Contact.id.in_(contact_ids))))
    # a separate statement, which sees what was committed before the lock
    on_call = select(Message.contact_id).where(
        Message.contact_id.in_(locked), Message.channel == Channel.VOICE.value, *_is_active()
    )
    return locked - set(db.session.scalars(on_call))


_LOCK = select(Contact.id).with_for_update(key_share=True, skip_locked=True)


def _is_active() -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of messages that their provider has in progress."""
    return Message.status.in_(IN_PROGRESS), Message.changed_at > now() - MAX_DURATION
