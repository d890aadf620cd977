"""Space out messages to one recipient as the provider requires, without delaying other recipients.

Messages that have to wait are postponed, so that they are not claimed again too early.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Table, bindparam, delete, select, update

from hub.db.compiled_sql import Statement
from hub.db.engine import db
from hub.db.store import list_param, transaction, write
from hub.db.types import now
from hub.messaging.send.calls import DueMessage
from hub.messaging.send.senders import Sender
from hub.messaging.state.message_batch import MessageBatch
from hub.models import RecipientPace
from hub.shared import clock_check

# messages read at once, so that many messages to one recipient do not block the others
BATCH_SIZE = 200
RETENTION = timedelta(minutes=10)  # how long rows are kept after `next_at` has passed


class RecipientPacing:
    """The pacing of one sender's recipients, inside a claiming transaction that has locked its
    throttle.
    """

    def __init__(self, sender: Sender, current_time: datetime) -> None:
        self._name = sender.name
        self._current_time = current_time
        self._gap = timedelta(seconds=1 / sender.per_recipient)
        self._next: dict[str, datetime] = {}
        self._gone: set[str] = set()

    def choose_messages(
        self, due_messages: Sequence[DueMessage], limit: int, batch: MessageBatch
    ) -> list[DueMessage]:
        """Return up to `limit` messages that can be sent now, and postpone the others to the same
        recipients.
        """
        self._read({due.row.contact_id for due in due_messages} - self._next.keys())
        chosen_messages: list[DueMessage] = []
        # due times use the local clock, `_current_time` the database's
        clock_offset = now() - self._current_time
        # of messages due at the same time, the oldest first
        for due in sorted(
            due_messages, key=lambda due: (due.row.due_at or self._current_time, due.row.id)
        ):
            row = due.row
            next_at = self._next.get(row.contact_id, self._current_time)
            if next_at > self._current_time:
                batch.add_row(row).due_at = next_at + clock_offset
            elif len(chosen_messages) < limit:
                chosen_messages.append(due)
                self._gone.add(row.contact_id)
            else:
                continue
            self._next[row.contact_id] = next_at + self._gap
        return chosen_messages

    def write(self) -> None:
        """Store the next allowed send time of each recipient that was chosen."""
        if self._gone:
            rows = [
                {"name": self._name, "contact_id": key, "next_at": self._current_time + self._gap}
                for key in sorted(self._gone)
            ]
            write(_INSERT, rows)
            write(
                _UPDATE,
                [
                    {
                        "key_name": row["name"],
                        "key_contact": row["contact_id"],
                        "new_next_at": row["next_at"],
                    }
                    for row in rows
                ],
            )

    def _read(self, contact_ids: set[str]) -> None:
        if contact_ids:
            for contact_id, next_at in db.session.execute(
                _READ, {"name": self._name, "contacts": list(contact_ids)}
            ):
                self._next[contact_id] = max(next_at, self._current_time)


def pause_recipient(sender_name: str, contact_id: str, until: datetime) -> None:
    """Pause messages from a sender to a recipient until `until`. Call it with the throttle
    locked.
    """
    write(_INSERT, {"name": sender_name, "contact_id": contact_id, "next_at": until})
    write(_POSTPONE, {"key_name": sender_name, "key_contact": contact_id, "new_next_at": until})


def delete_old_paces() -> int:
    """Delete expired paces; return the number of rows."""
    return _delete_old_paces() if clock_check.is_trusted() else 0


@transaction
def _delete_old_paces() -> int:
    result = db.session.execute(
        delete(RecipientPace).where(RecipientPace.next_at < now() - RETENTION)
    )
    return int(result.rowcount)  # type: ignore[attr-defined]


_table: Table = RecipientPace.__table__  # type: ignore[assignment]
_READ = select(_table.c.contact_id, _table.c.next_at).where(
    _table.c.name == bindparam("name"), _table.c.contact_id.in_(list_param("contacts"))
)
_INSERT = Statement.insert(_table, on_conflict_do_nothing=True)
_POSTPONE = Statement(
    update(_table)
    .where(
        _table.c.name == bindparam("key_name"),
        _table.c.contact_id == bindparam("key_contact"),
        _table.c.next_at < bindparam("new_next_at"),
    )
    .values(next_at=bindparam("new_next_at"))
)
_UPDATE = Statement(
    update(_table)
    .where(_table.c.name == bindparam("key_name"), _table.c.contact_id == bindparam("key_contact"))
    .values(next_at=bindparam("new_next_at"))
)
