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
    first: dict[tuple[str, str], tuple[str, str, datetime | None]] = {}
    for connection_id in {row.connection_id for row in waiting}:
        threads = [thread for connection, thread in subjects if connection == connection_id]
        for thread, message_id, status, due_at in read(
            _UNFINISHED, connection=connection_id, threads=threads
        ):
            first.setdefault((connection_id, thread), (message_id, status, due_at))
    going: list[DueMessage] = []
    for due in due_messages:
        row = due.row
        ahead = first.get((row.connection_id, row.thread)) if row.thread else None
        if ahead is None or ahead[0] == row.id:
            going.append(due)
        else:
            moment = now() + RECHECK_INTERVAL
            # a running call may end at any time
            later = ahead[2] if ahead[1] == Status.QUEUED else None
            batch.add_row(row).due_at = max(moment, later) if later else moment
    return going


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
    found = read(_THREAD, connection=row.connection_id, subject=row.thread, contact=row.contact_id)
    return found[0][0] if found else ""


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
    found = read(_EDITED, id=row.edits_id) if row.edits_id else []
    return (found[0][0] or "") if found else ""


_EDITED = Statement(
    select(message_table.c.provider_id).where(message_table.c.id == bindparam("id"))
)
