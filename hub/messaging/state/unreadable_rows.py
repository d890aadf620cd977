"""Set aside rows that cannot be read, so that they do not block other rows.

A job that fails on a batch of rows processes them one by one, and sets aside the row that fails.
Admins see the row and its error, and can retry it after a repair. A chore retries it too, at
growing intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import structlog
from flask import current_app
from sqlalchemy import Row, Select, bindparam, delete, select, update

from hub.core.errors import HubError, NotFound
from hub.core.vocabulary import Lane, Status
from hub.db.compiled_sql import UnreadableRow
from hub.db.engine import db
from hub.db.store import (
    in_transaction,
    is_database_failure,
    is_retryable,
    transaction,
    wake,
)
from hub.db.types import is_id, now
from hub.messaging.state import row_validation
from hub.models import Connection, Message, ProviderCallback, QuarantinedRow

T = TypeVar("T")

log = structlog.get_logger(__name__)

CODE = "unreadable"  # the code of a message whose row is to be repaired
FIRST_PAUSE = timedelta(minutes=10)
MAX_PAUSE = timedelta(days=1)
STUCK_AFTER = timedelta(days=7)  # longer than any pause of Signpost
AT_ONCE = 100  # entries that one run of the chore retries


def is_transient(problem: Exception) -> bool:
    """Return whether the database caused an error, and not the content of the row."""
    return is_retryable(problem) or is_database_failure(problem)


def describe_error(problem: Exception) -> str:
    """Return the text of an error for admins, without stored values."""
    if isinstance(problem, UnreadableRow | HubError):
        return str(problem)
    return (
        f"Signpost could not process this row ({type(problem).__name__}). The log of the"
        " worker has the details."
    )


@transaction
def record_unreadable_row(table: str, row: str, problem: Exception) -> None:
    """Record that a row could not be read or processed, and when Signpost retries it."""
    entry = db.session.scalar(_entry(table, row))
    current_time = now()
    if entry is None:
        entry = QuarantinedRow(table_name=table, row_id=row, failures=0, since=current_time)
        db.session.add(entry)
    entry.retry_at = current_time + min(FIRST_PAUSE * 2 ** min(entry.failures, 10), MAX_PAUSE)
    entry.failures += 1
    entry.error = describe_error(problem)
    db.session.flush()
    log.error(
        "row.quarantined",
        table=table,
        row=row,
        problem=type(problem).__name__,
        why=describe_error(problem),
    )


@transaction
def hold_message(message_id: str, problem: Exception) -> None:
    """Set a message aside: it is not sent until its row is retried."""
    _execute(update(Message).where(Message.id == message_id).values(due_at=None, code=CODE))
    record_unreadable_row(Message.__tablename__, message_id, problem)


@transaction
def hold_callback(callback_id: str, problem: Exception) -> None:
    """Set a callback aside: it is not processed until its row is retried."""
    _execute(
        update(ProviderCallback)
        .where(ProviderCallback.id == callback_id)
        .values(due_at=None, error=describe_error(problem))
    )
    record_unreadable_row(ProviderCallback.__tablename__, callback_id, problem)


def readable_rows(kind: str, rows: Iterable[Any], make: Callable[[Any], T]) -> list[T]:
    """Call `make` with each row and return the results.

    A row that cannot be read is noted and left out.
    """
    return [item for item in _convert(kind, rows, make) if not isinstance(item, _UnreadableRow)]


def describe_rows(
    kind: str, rows: Iterable[Any], make: Callable[[Any], dict[str, Any]]
) -> list[dict[str, Any]]:
    """Call `make` with each row and return the results.

    A row that cannot be read is noted; its result contains the reason.
    """
    return [
        {"id": item.row_id, "unreadable": describe_error(item.problem)}
        if isinstance(item, _UnreadableRow)
        else item
        for item in _convert(kind, rows, make)
    ]


@dataclass(frozen=True)
class _UnreadableRow:
    row_id: str
    problem: Exception


def _convert(kind: str, rows: Iterable[Any], make: Callable[[Any], T]) -> list[T | _UnreadableRow]:
    items: list[T | _UnreadableRow] = []
    for row in rows:
        try:
            items.append(make(row))
        except Exception as error:
            if is_transient(error):
                raise
            items.append(_UnreadableRow(_row_id(row), error))
    for unreadable in [item for item in items if isinstance(item, _UnreadableRow)]:
        record_unreadable_row_once(kind, unreadable.row_id, unreadable.problem)
    return items


def _row_id(row: Any) -> str:
    row = row[0] if isinstance(row, Row) else row
    return str(getattr(row, "id", None) or getattr(getattr(row, "row", None), "id", "?"))


def record_unreadable_row_once(table: str, row: str, problem: Exception) -> None:
    """Record that a row could not be shown, unless it is recorded already.

    An error here is logged and not raised, so that the page or file is still shown.
    """
    try:
        if in_transaction():
            _note_if_new(table, row, problem)
        else:  # in a separate session, because a write would expire what the reader has loaded
            with current_app.app_context():
                _note_if_new(table, row, problem)
    except Exception as error:
        if is_retryable(error):  # the transaction is repeated
            raise
        log.error("row.quarantine_failed", table=table, row=row, problem=type(error).__name__)


def _note_if_new(table: str, row: str, problem: Exception) -> None:
    if db.session.scalar(_entry(table, row)) is None:
        record_unreadable_row(table, row, problem)


def _entry(table: str, row: str) -> Select[QuarantinedRow]:
    return select(QuarantinedRow).where(
        QuarantinedRow.table_name == table, QuarantinedRow.row_id == row
    )


# ── Listing and retrying ──────────────────────────────────────────────────────────────────────────
def list_rows(limit: int = AT_ONCE) -> list[QuarantinedRow]:
    """Return the entries of rows that are still set aside, newest first."""
    entries = list(
        db.session.scalars(select(QuarantinedRow).order_by(QuarantinedRow.id.desc()).limit(limit))
    )
    return [entry for entry in entries if not _is_resolved(entry)]


def find_entry(table: str, row: str) -> QuarantinedRow | None:
    """Return the entry of a row, or None if it is not set aside."""
    entry = db.session.scalar(_entry(table, row))
    return None if entry is None or _is_resolved(entry) else entry


@transaction
def retry_row(entry_id: str) -> None:
    """Retry a row after its repair. Raises NotFound."""
    entry = db.session.get(QuarantinedRow, entry_id) if is_id("sas", entry_id) else None
    if entry is None:
        raise NotFound("not_set_aside", "This row is no longer set aside.")
    _release(entry)


@transaction
def recheck(table: str, row: str) -> None:
    """Retry a row after a change; if it can be read now, delete its entry."""
    entry = db.session.scalar(_entry(table, row))
    if entry is not None:
        db.session.flush()
        _release(entry)


def retry_rows() -> int:
    """Set aside rows that are stuck, and retry entries that are due; return how many."""
    _hold_stuck_rows()
    return _retry_due()


@transaction
def _retry_due() -> int:
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
    """Make a row due again; if its worker fails again, that sets it aside again."""
    entry.retry_at = now() + MAX_PAUSE
    if _is_resolved(entry):
        db.session.delete(entry)
    elif entry.table_name == Message.__tablename__:
        _execute(
            update(Message)
            .where(Message.id == entry.row_id, Message.due_at.is_(None))
            .values(due_at=now(), code="")
        )
        wake("deliver")
    elif entry.table_name == ProviderCallback.__tablename__:
        _execute(
            update(ProviderCallback)
            .where(ProviderCallback.id == entry.row_id, ProviderCallback.due_at.is_(None))
            .values(due_at=now(), tries=0)
        )
        wake("settle")
    elif (error := row_validation.read_error(entry.table_name, entry.row_id)) is not None:
        entry.error = describe_error(error)
        entry.failures += 1
    else:
        # if the row fails in another way, the next reader sets it aside again
        db.session.delete(entry)


def _execute(statement: Any) -> None:
    db.session.execute(statement.execution_options(synchronize_session=False))


def _is_resolved(entry: QuarantinedRow) -> bool:
    """Return whether a row is processed again, or was deleted."""
    if entry.table_name == Message.__tablename__:
        message = db.session.execute(
            select(Message.status, Message.code).where(Message.id == entry.row_id)
        ).first()
        return message is None or (
            message.status in list(Status)
            and message.code != CODE
            and message.status != Status.QUEUED
        )
    if entry.table_name == ProviderCallback.__tablename__:
        failed_id = select(ProviderCallback.id).where(
            ProviderCallback.id == entry.row_id, ProviderCallback.error != ""
        )
        return db.session.scalar(failed_id) is None
    return False


# messages that no query of the workers finds: their status, lane or due time is not valid
_STUCK_MESSAGES = (
    select(Message.id, Message.status, Message.lane, Message.due_at)
    .where(
        Message.due_at.is_not(None),
        Message.status.not_in([status.value for status in Status])
        | Message.lane.not_in([lane.value for lane in Lane])
        | (Message.due_at > bindparam("far", type_=Message.due_at.type)),
    )
    .limit(AT_ONCE)
)
_LATE_CALLBACKS = (
    select(ProviderCallback.id)
    .where(ProviderCallback.due_at > bindparam("far", type_=ProviderCallback.due_at.type))
    .limit(AT_ONCE)
)


def _hold_stuck_rows() -> None:
    """Set aside rows that no worker finds."""
    parameters = {"far": now() + STUCK_AFTER}
    for message_id, status, lane, _ in db.session.execute(_STUCK_MESSAGES, parameters).all():
        column = "due_at"
        if status not in list(Status):
            column = "status"
        elif lane not in list(Lane):
            column = "lane"
        hold_message(message_id, UnreadableRow(f"messages.{column}"))
    for (callback_id,) in db.session.execute(_LATE_CALLBACKS, parameters).all():
        hold_callback(callback_id, UnreadableRow("provider_callbacks.due_at"))
    late = {"late": now() - timedelta(minutes=1)}
    for (message_id,) in db.session.execute(_MESSAGES_WITHOUT_CONTACT, late).all():
        hold_message(message_id, UnreadableRow("messages.contact_id"))


_MESSAGES_WITHOUT_CONTACT = (
    select(Message.id)
    .where(
        Message.connection_id.in_(select(Connection.id)),
        Message.status == Status.QUEUED,
        Message.lane.in_([lane.value for lane in Lane]),
        Message.due_at < bindparam("late", type_=Message.due_at.type),
        ~Message.contact.has(),
    )
    .limit(AT_ONCE)
)


@transaction
def delete_resolved() -> int:
    """Delete the entries of rows that are resolved; return how many."""
    resolved = [
        entry
        for entry in db.session.scalars(select(QuarantinedRow).limit(1000))
        if _is_resolved(entry)
    ]
    for entry in resolved:
        _execute(delete(QuarantinedRow).where(QuarantinedRow.id == entry.id))
    return len(resolved)
