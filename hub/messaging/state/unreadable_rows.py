"""Rows that cannot be read: set aside with their error, so that they hold back no other row.

A job that fails on many rows at once does them again one by one, and sets aside the one that fails.
Admins see the row and its error, and can try it again once it is repaired; chores do so too, ever
more rarely.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import structlog
from flask import current_app
from sqlalchemy import Row, bindparam, delete, select, update

from hub.core.errors import HubError, NotFound
from hub.core.vocabulary import Lane, Status
from hub.db.compiled_sql import Statement, UnreadableRow, table_of
from hub.db.engine import db
from hub.db.store import (
    in_transaction,
    is_database_failure,
    is_retryable,
    read,
    transaction,
    wake,
    write,
)
from hub.db.types import is_id, new_id, now
from hub.messaging.state import row_check
from hub.models import Connection, Message, ProviderCallback, QuarantinedRow

T = TypeVar("T")

log = structlog.get_logger(__name__)

CODE = "unreadable"  # of a message that waits for its row to be repaired
FIRST_PAUSE = timedelta(minutes=10)
LONGEST_PAUSE = timedelta(days=1)
FAR = timedelta(days=7)  # Signpost postpones nothing for that long
AT_ONCE = 100  # entries that one run of the chore tries again

_messages = table_of(Message)
_callbacks = table_of(ProviderCallback)
_entries = table_of(QuarantinedRow)
_ADD = Statement.insert(_entries, on_conflict_do_nothing=True)
_KNOWN = Statement(
    select(_entries.c.id, _entries.c.failures).where(
        _entries.c.table_name == bindparam("table"), _entries.c.row_id == bindparam("row")
    )
)
_AGAIN = Statement(
    update(_entries)
    .where(_entries.c.id == bindparam("key"))
    .values(error=bindparam("error"), failures=bindparam("count"), retry_at=bindparam("retry"))
)
_HOLD_MESSAGE = Statement(
    update(_messages)
    .where(_messages.c.id == bindparam("key"))
    .values(due_at=None, code=bindparam("why"))
)
_HOLD_CALLBACK = Statement(
    update(_callbacks)
    .where(_callbacks.c.id == bindparam("key"))
    .values(due_at=None, error=bindparam("why"))
)


def is_transient(problem: Exception) -> bool:
    """Return whether an error is the database's state, and not the row's content."""
    return is_retryable(problem) or is_database_failure(problem)


def reason_of(problem: Exception) -> str:
    """Return an error as an admin reads it, free of stored values."""
    if isinstance(problem, UnreadableRow | HubError):
        return str(problem)
    return (
        f"Signpost could not process this row ({type(problem).__name__}). The log of the"
        " worker has the details."
    )


@transaction
def note_row(table: str, row: str, problem: Exception) -> None:
    """Record that a row could not be read or processed, and when Signpost retries it."""
    found = read(_KNOWN, table=table, row=row)
    if found:
        entry, failures = found[0]
        pause = min(FIRST_PAUSE * 2 ** min(failures, 10), LONGEST_PAUSE)
        write(
            _AGAIN,
            {
                "key": entry,
                "error": reason_of(problem),
                "count": failures + 1,
                "retry": now() + pause,
            },
        )
    else:
        moment = now()
        write(
            _ADD,
            {
                "id": new_id("sas"),
                "table_name": table,
                "row_id": row,
                "error": reason_of(problem),
                "failures": 1,
                "since": moment,
                "retry_at": moment + FIRST_PAUSE,
            },
        )
    log.error(
        "row.set_aside",
        table=table,
        row=row,
        problem=type(problem).__name__,
        why=reason_of(problem),
    )


@transaction
def hold_message(message_id: str, problem: Exception) -> None:
    """Set a message aside: nothing is done with it until it is tried again."""
    write(_HOLD_MESSAGE, {"key": message_id, "why": CODE})
    note_row(_messages.name, message_id, problem)


@transaction
def hold_callback(callback_id: str, problem: Exception) -> None:
    """Set a webhook aside."""
    write(_HOLD_CALLBACK, {"key": callback_id, "why": reason_of(problem)})
    note_row(_callbacks.name, callback_id, problem)


def readable_rows(kind: str, rows: Iterable[Any], make: Callable[[Any], T]) -> list[T]:
    """Make something of each row of a list or a file; one that cannot be read is noted, and left
    out.
    """
    return [made for made in _made(kind, rows, make) if not isinstance(made, _Fault)]


def mark_row(
    kind: str, rows: Iterable[Any], make: Callable[[Any], dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return an entry for each row. The entry of a row that cannot be read holds the reason."""
    return [
        {"id": made.row, "unreadable": reason_of(made.problem)}
        if isinstance(made, _Fault)
        else made
        for made in _made(kind, rows, make)
    ]


@dataclass(frozen=True)
class _Fault:
    """A row that could not be read."""

    row: str
    problem: Exception


def _made(kind: str, rows: Iterable[Any], make: Callable[[Any], T]) -> list[T | _Fault]:
    found: list[T | _Fault] = []
    for row in rows:
        try:
            found.append(make(row))
        except Exception as problem:
            if is_transient(problem):
                raise
            found.append(_Fault(_id_of(row), problem))
    for fault in [made for made in found if isinstance(made, _Fault)]:
        note_row_seen(kind, fault.row, fault.problem)
    return found


def _id_of(row: Any) -> str:
    row = row[0] if isinstance(row, Row) else row
    return str(getattr(row, "id", None) or getattr(getattr(row, "row", None), "id", "?"))


def note_row_seen(table: str, row: str, problem: Exception) -> None:
    """Note a row that a page or a file could not show, once; that must not fail what goes on."""
    try:
        if in_transaction(db.session()):
            _note_once(table, row, problem)
        else:  # in a separate session, because a write would expire what the reader has loaded
            with current_app.app_context():
                _note_once(table, row, problem)
    except Exception as fault:
        log.error("row.not_noted", table=table, row=row, problem=type(fault).__name__)


def _note_once(table: str, row: str, problem: Exception) -> None:
    if not read(_KNOWN, table=table, row=row):
        note_row(table, row, problem)


# ── Looking, and trying again ─────────────────────────────────────────────────────────────────────
def list_rows(limit: int = AT_ONCE) -> list[QuarantinedRow]:
    """Return what is set aside, newest first; what moved on meanwhile is left out."""
    entries = list(
        db.session.scalars(select(QuarantinedRow).order_by(QuarantinedRow.id.desc()).limit(limit))
    )
    return [entry for entry in entries if not _moved_on(entry)]


def row_of(table: str, row: str) -> QuarantinedRow | None:
    """Return the entry of a row, if it is set aside."""
    entry = db.session.scalar(
        select(QuarantinedRow).where(
            QuarantinedRow.table_name == table, QuarantinedRow.row_id == row
        )
    )
    return None if entry is None or _moved_on(entry) else entry


@transaction
def retry_row(entry_id: str) -> None:
    """Let a row be read again, now that it is repaired. Raises NotFound."""
    entry = db.session.get(QuarantinedRow, entry_id) if is_id("sas", entry_id) else None
    if entry is None:
        raise NotFound("not_set_aside", "This row is no longer set aside.")
    _release(entry)


@transaction
def recheck(table: str, row: str) -> None:
    """Read a row again that was changed; if it can be read now, it is listed no more."""
    entry = db.session.scalar(
        select(QuarantinedRow).where(
            QuarantinedRow.table_name == table, QuarantinedRow.row_id == row
        )
    )
    if entry is not None:
        db.session.flush()
        _release(entry)


def retry_rows() -> int:
    """Look for rows that are stuck, and try again those whose pause is over; return how many."""
    _find_stuck()
    return _retry()


@transaction
def _retry() -> int:
    due = (
        select(QuarantinedRow)
        .where(QuarantinedRow.retry_at <= now())
        .order_by(QuarantinedRow.retry_at)
        .limit(AT_ONCE)
    )
    entries = list(db.session.scalars(due))
    for entry in entries:
        _release(entry)
    return len(entries)


def _release(entry: QuarantinedRow) -> None:
    """Let the workers act on a row again; where they fail again, they note it again."""
    entry.retry_at = now() + LONGEST_PAUSE
    if _moved_on(entry):
        db.session.delete(entry)
    elif entry.table_name == _messages.name:
        waiting = update(Message).where(Message.id == entry.row_id, Message.due_at.is_(None))
        _run(waiting.values(due_at=now(), code=""))
        wake("deliver")
    elif entry.table_name == _callbacks.name:
        _run(
            update(ProviderCallback)
            .where(ProviderCallback.id == entry.row_id, ProviderCallback.due_at.is_(None))
            .values(due_at=now(), tries=0)
        )
        wake("settle")
    elif (fault := row_check.fault_of(entry.table_name, entry.row_id)) is not None:
        entry.error = reason_of(fault)
        entry.failures = entry.failures + 1
    else:
        # if the row fails in another way, the next reader sets it aside again
        db.session.delete(entry)


def _run(statement: Any) -> None:
    db.session.execute(statement.execution_options(synchronize_session=False))


def _moved_on(entry: QuarantinedRow) -> bool:
    """Return whether a row that was set aside is acted on again, or gone."""
    if entry.table_name == _messages.name:
        found = db.session.execute(
            select(Message.status, Message.code).where(Message.id == entry.row_id)
        ).first()
        return found is None or (
            found[0] in list(Status) and found[1] != CODE and found[0] != Status.QUEUED
        )
    if entry.table_name == _callbacks.name:
        waits = select(ProviderCallback.id).where(
            ProviderCallback.id == entry.row_id, ProviderCallback.error != ""
        )
        return db.session.scalar(waits) is None
    return False


# a message that no query of the workers finds: with a status, a lane or a time that is none, or for
# nobody
_STUCK = (
    select(Message.id, Message.status, Message.lane, Message.due_at)
    .where(
        Message.due_at.is_not(None),
        Message.status.not_in([one.value for one in Status])
        | Message.lane.not_in([one.value for one in Lane])
        | (Message.due_at > bindparam("far", type_=Message.due_at.type)),
    )
    .limit(AT_ONCE)
)
_LATE_CALLBACKS = (
    select(ProviderCallback.id)
    .where(ProviderCallback.due_at > bindparam("far", type_=ProviderCallback.due_at.type))
    .limit(AT_ONCE)
)


def _find_stuck() -> None:
    far = {"far": now() + FAR}
    for message_id, status, lane, _ in db.session.execute(_STUCK, far).all():
        column = "due_at"
        if status not in list(Status):
            column = "status"
        elif lane not in list(Lane):
            column = "lane"
        hold_message(message_id, UnreadableRow(f"messages.{column}"))
    for (callback_id,) in db.session.execute(_LATE_CALLBACKS, far).all():
        hold_callback(callback_id, UnreadableRow("provider_callbacks.due_at"))
    for (message_id,) in db.session.execute(_NOBODYS, {"late": now() - timedelta(minutes=1)}).all():
        hold_message(message_id, UnreadableRow("messages.contact_id"))


_NOBODYS = (
    select(Message.id)
    .where(
        Message.connection_id.in_(select(Connection.id)),
        Message.status == Status.QUEUED,
        Message.lane.in_([one.value for one in Lane]),
        Message.due_at < bindparam("late", type_=Message.due_at.type),
        ~Message.contact.has(),
    )
    .limit(AT_ONCE)
)


@transaction
def delete_resolved() -> int:
    """Remove entries of rows that moved on; return how many."""
    gone = [
        entry
        for entry in db.session.scalars(select(QuarantinedRow).limit(1000))
        if _moved_on(entry)
    ]
    for entry in gone:
        _run(delete(QuarantinedRow).where(QuarantinedRow.id == entry.id))
    return len(gone)
