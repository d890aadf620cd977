"""Send the posts of a thread one at a time, oldest first, and edit earlier posts.

`Message.thread` is the subject: the ID of a signing request. The provider's thread ID is known once
its first message is accepted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select

from hub.core.vocabulary import Status
from hub.db.compiled_sql import Statement, get_table
from hub.db.store import list_param, read
from hub.db.types import now
from hub.messaging.send.calls import DueMessage
from hub.messaging.state.message_batch import MessageBatch, MessageRow
from hub.messaging.state.message_batch import messages as message_table
from hub.models import Thread

RECHECK_INTERVAL = timedelta(
    milliseconds=200
)  # until the next check whether the running call has ended
NEVER_SENT = (Status.SUPPRESSED, Status.CANCELED, Status.EXPIRED, Status.FAILED)


def postpone_blocked_by_thread(
    due_messages: Sequence[DueMessage], batch: MessageBatch
) -> list[DueMessage]:
    """Return the messages that can be sent now, and postpone those with an older unfinished message
    in their thread.
    """
    waiting = [due.row for due in due_messages if due.row.thread]
    if not waiting:
        return list(due_messages)
    subjects = {(row.connection_id, row.thread) for row in waiting}
    oldest_by_thread: dict[tuple[str, str], tuple[str, str, datetime | None]] = {}
    for connection_id in {row.connection_id for row in waiting}:
        threads = [thread for connection, thread in subjects if connection == connection_id]
        for thread, message_id, status, due_at in read(
            _UNFINISHED, connection=connection_id, threads=threads
        ):
            oldest_by_thread.setdefault((connection_id, thread), (message_id, status, due_at))
    sendable_messages: list[DueMessage] = []
    for due in due_messages:
        row = due.row
        oldest = oldest_by_thread.get((row.connection_id, row.thread)) if row.thread else None
        if oldest is None or oldest[0] == row.id:
            sendable_messages.append(due)
        else:
            next_check_at = now() + RECHECK_INTERVAL
            # a running call may end at any time
            oldest_due_at = oldest[2] if oldest[1] == Status.QUEUED else None
            batch.add_row(row).due_at = (
                max(next_check_at, oldest_due_at) if oldest_due_at else next_check_at
            )
    return sendable_messages


_UNFINISHED = Statement(
    select(*message_table.c["thread", "id", "status", "due_at"])
    .where(
        message_table.c.connection_id == bindparam("connection"),
        message_table.c.thread.in_(list_param("threads")),
        message_table.c.thread != "",
        message_table.c.status.in_([Status.QUEUED.value, Status.SENDING.value]),
    )
    .order_by(message_table.c.id)
)


def find_provider_thread(row: MessageRow) -> str:
    """Return the provider's ID of the thread that a message belongs to, or '' for the first
    message.
    """
    if not row.thread or row.edits_id is not None:
        return ""
    rows = read(_THREAD, connection=row.connection_id, subject=row.thread, contact=row.contact_id)
    return rows[0][0] if rows else ""


_threads = get_table(Thread)
_THREAD = Statement(
    select(_threads.c.provider_thread)
    .join(message_table, message_table.c.id == _threads.c.message_id)
    .where(
        _threads.c.connection_id == bindparam("connection"),
        _threads.c.subject == bindparam("subject"),
        # the team's destination may have changed
        message_table.c.contact_id == bindparam("contact"),
    )
)


def find_edited_post_id(row: MessageRow) -> str:
    """Return the provider's ID of the message to edit, or '' if it was never sent."""
    rows = read(_EDITED, id=row.edits_id) if row.edits_id else []
    return (rows[0][0] or "") if rows else ""


_EDITED = Statement(
    select(message_table.c.provider_id).where(message_table.c.id == bindparam("id"))
)
