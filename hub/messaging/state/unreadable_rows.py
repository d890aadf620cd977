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
from hub.models import Connection, Message, Receipt, SetAside

T = TypeVar("T")

log = structlog.get_logger(__name__)

CODE = "unreadable"  # of a message that waits for its row to be repaired
FIRST_PAUSE = timedelta(minutes=10)
LONGEST_PAUSE = timedelta(days=1)
FAR = timedelta(days=7)  # Signpost postpones nothing for that long
AT_ONCE = 100  # entries that one run of the chore tries again

_messages = table_of(Message)
_receipts = table_of(Receipt)
_entries = table_of(SetAside)
_ADD = Statement.insert(_entries, on_conflict_do_nothing=True)
_KNOWN = Statement(
    select(_entries.c.id, _entries.c.times).where(
        _entries.c.kind == bindparam("kind"), _entries.c.row == bindparam("row")
    )
)
_AGAIN = Statement(
    update(_entries)
    .where(_entries.c.id == bindparam("key"))
    .values(error=bindparam("why"), times=bindparam("tried"), next_at=bindparam("next"))
)
_HOLD_MESSAGE = Statement(
    update(_messages)
    .where(_messages.c.id == bindparam("key"))
    .values(due_at=None, code=bindparam("why"))
)
_HOLD_RECEIPT = Statement(
    update(_receipts)
    .where(_receipts.c.id == bindparam("key"))
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
def note_row(kind: str, row: str, problem: Exception) -> None:
    """Write down that a row could not be read or acted on, and when it is tried again."""
    found = read(_KNOWN, kind=kind, row=row)
    if found:
        entry, times = found[0]
        pause = min(FIRST_PAUSE * 2 ** min(times, 10), LONGEST_PAUSE)
        write(
            _AGAIN,
            {"key": entry, "why": reason_of(problem), "tried": times + 1, "next": now() + pause},
        )
    else:
        moment = now()
        write(
            _ADD,
            {
                "id": new_id("sas"),
                "kind": kind,
                "row": row,
                "error": reason_of(problem),
                "times": 1,
                "since": moment,
                "next_at": moment + FIRST_PAUSE,
            },
        )
    log.error(
        "row.set_aside", table=kind, row=row, problem=type(problem).__name__, why=reason_of(problem)
    )


@transaction
def hold_message(message_id: str, problem: Exception) -> None:
    """Set a message aside: nothing is done with it until it is tried again."""
    write(_HOLD_MESSAGE, {"key": message_id, "why": CODE})
    note_row(_messages.name, message_id, problem)


@transaction
def hold_receipt(receipt_id: str, problem: Exception) -> None:
    """Set a webhook aside."""
    write(_HOLD_RECEIPT, {"key": receipt_id, "why": reason_of(problem)})
    note_row(_receipts.name, receipt_id, problem)


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


def note_row_seen(kind: str, row: str, problem: Exception) -> None:
    """Note a row that a page or a file could not show, once; that must not fail what goes on."""
    try:
        if in_transaction(db.session()):
            _note_once(kind, row, problem)
        else:  # in a separate session, because a write would expire what the reader has loaded
            with current_app.app_context():
                _note_once(kind, row, problem)
    except Exception as fault:
        log.error("row.not_noted", table=kind, row=row, problem=type(fault).__name__)


def _note_once(kind: str, row: str, problem: Exception) -> None:
    if not read(_KNOWN, kind=kind, row=row):
        note_row(kind, row, problem)


# ── Looking, and trying again ─────────────────────────────────────────────────────────────────────
def list_rows(limit: int = AT_ONCE) -> list[SetAside]:
    """Return what is set aside, newest first; what moved on meanwhile is left out."""
    entries = list(db.session.scalars(select(SetAside).order_by(SetAside.id.desc()).limit(limit)))
    return [entry for entry in entries if not _moved_on(entry)]


def row_of(kind: str, row: str) -> SetAside | None:
    """Return the entry of a row, if it is set aside."""
    entry = db.session.scalar(select(SetAside).where(SetAside.kind == kind, SetAside.row == row))
    return None if entry is None or _moved_on(entry) else entry


@transaction
def retry_row(entry_id: str) -> None:
    """Let a row be read again, now that it is repaired. Raises NotFound."""
    entry = db.session.get(SetAside, entry_id) if is_id("sas", entry_id) else None
    if entry is None:
        raise NotFound("not_set_aside", "This row is no longer set aside.")
    _release(entry)


@transaction
def recheck(kind: str, row: str) -> None:
    """Read a row again that was changed; if it can be read now, it is listed no more."""
    entry = db.session.scalar(select(SetAside).where(SetAside.kind == kind, SetAside.row == row))
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
        select(SetAside).where(SetAside.next_at <= now()).order_by(SetAside.next_at).limit(AT_ONCE)
    )
    entries = list(db.session.scalars(due))
    for entry in entries:
        _release(entry)
    return len(entries)


def _release(entry: SetAside) -> None:
    """Let the workers act on a row again; where they fail again, they note it again."""
    entry.next_at = now() + LONGEST_PAUSE
    if _moved_on(entry):
        db.session.delete(entry)
    elif entry.kind == _messages.name:
        waiting = update(Message).where(Message.id == entry.row, Message.due_at.is_(None))
        _run(waiting.values(due_at=now(), code=""))
        wake("deliver")
    elif entry.kind == _receipts.name:
        _run(
            update(Receipt)
            .where(Receipt.id == entry.row, Receipt.due_at.is_(None))
            .values(due_at=now(), tries=0)
        )
        wake("settle")
    elif (fault := row_check.fault_of(entry.kind, entry.row)) is not None:
        entry.error = reason_of(fault)
        entry.times = entry.times + 1
    else:
        # if the row fails in another way, the next reader sets it aside again
        db.session.delete(entry)


def _run(statement: Any) -> None:
    db.session.execute(statement.execution_options(synchronize_session=False))


def _moved_on(entry: SetAside) -> bool:
    """Return whether a row that was set aside is acted on again, or gone."""
    if entry.kind == _messages.name:
        found = db.session.execute(
            select(Message.status, Message.code).where(Message.id == entry.row)
        ).first()
        return found is None or (
            found[0] in list(Status) and found[1] != CODE and found[0] != Status.QUEUED
        )
    if entry.kind == _receipts.name:
        waits = select(Receipt.id).where(Receipt.id == entry.row, Receipt.error != "")
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
_LATE_RECEIPTS = (
    select(Receipt.id)
    .where(Receipt.due_at > bindparam("far", type_=Receipt.due_at.type))
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
    for (receipt_id,) in db.session.execute(_LATE_RECEIPTS, far).all():
        hold_receipt(receipt_id, UnreadableRow("receipts.due_at"))
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
    gone = [entry for entry in db.session.scalars(select(SetAside).limit(1000)) if _moved_on(entry)]
    for entry in gone:
        _run(delete(SetAside).where(SetAside.id == entry.id))
    return len(gone)
