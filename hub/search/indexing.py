"""Index changed rows and, after an upgrade, older rows.

Texts are read and hashed before the transaction that writes the entries, so that it is short. The
transaction compares what was read with what is stored then. A mark is deleted only with it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import delete, select

from hub.db.engine import db
from hub.db.store import is_database_failure, transaction
from hub.models import Contact, SigningRequest, UnindexedRow
from hub.search import documents, entries, progress, unindexed, word_keys
from hub.search.documents import Document

log = structlog.get_logger(__name__)

AT_ONCE = 200  # contacts and requests in one transaction
IDS: dict[str, Any] = {unindexed.CONTACT: Contact.id, unindexed.REQUEST: SigningRequest.id}
PREFIXES = {unindexed.CONTACT: "ctc", unindexed.REQUEST: "req"}
READ = {unindexed.CONTACT: documents.read_contacts, unindexed.REQUEST: documents.read_requests}
STORED = {
    unindexed.CONTACT: documents.stored_contacts,
    unindexed.REQUEST: documents.stored_requests,
}
MARK = {
    unindexed.CONTACT: unindexed.mark_contacts,
    unindexed.REQUEST: unindexed.mark_requests,
}
_failed: set[int] = set()  # marks that this process could not index


@dataclass(frozen=True)
class _Prepared:
    """The documents of contacts or requests, and the marks to delete with them."""

    kind: str
    contents: Mapping[str, Document]
    marks: Mapping[int, str]  # the subject of each mark


def is_due() -> bool:
    """Return whether something is to be indexed. Reads only."""
    return bool(_read_marks(1)) or not progress.read().is_done


def index_next() -> int:
    """Index the next rows, changed ones first; return how many."""
    current = progress.read()
    if current.is_clearing:
        return progress.clear_entries()
    return _index_changed() or _index_stored(current)


def rebuild(report: Callable[[int], None]) -> None:
    """Replace the key and write all entries again. `report` gets the number of rows so far."""
    progress.start_again()
    count = 0
    while indexed := index_next():
        count += indexed
        report(count)


# ── Changed rows ──────────────────────────────────────────────────────────────────────────────────
def _index_changed() -> int:
    marks = _read_marks(AT_ONCE)
    try:
        _index_marks(marks)
    except Exception as error:
        db.session.rollback()
        if is_database_failure(error):
            raise
        for mark in marks:
            _index_alone(mark)
    return len(marks)


def _read_marks(limit: int) -> list[Any]:
    query = select(UnindexedRow.id, UnindexedRow.kind, UnindexedRow.subject_id)
    if _failed:
        query = query.where(UnindexedRow.id.not_in(_failed))
    return list(db.session.execute(query.order_by(UnindexedRow.id).limit(limit)))


def _index_alone(mark: Any) -> None:
    """Index one row, and log a failure, so that the others are indexed."""
    try:
        _index_marks([mark])
    except Exception as error:
        db.session.rollback()
        if is_database_failure(error):
            raise
        _failed.add(mark.id)
        log.error("search.index_failed", kind=mark.kind, problem=type(error).__name__)


def _index_marks(marks: Sequence[Any]) -> None:
    key = word_keys.read_key()
    prepared = []
    for kind, prefix in PREFIXES.items():
        subjects = {mark.id: f"{prefix}_{mark.subject_id}" for mark in marks if mark.kind == kind}
        if subjects:
            prepared.append(_Prepared(kind, READ[kind](set(subjects.values())), subjects))
    db.session.rollback()
    _store(key, prepared)


@transaction
def _store(key: bytes, prepared: Sequence[_Prepared]) -> None:
    if word_keys.lock_key() != key:
        return  # the key was replaced, so the words are hashed again
    for item in prepared:
        changed = _write_unchanged(key, item.kind, item.contents)
        done = [mark for mark, subject in item.marks.items() if subject not in changed]
        db.session.execute(
            delete(UnindexedRow)
            .where(UnindexedRow.id.in_(done))
            .execution_options(synchronize_session=False)
        )


def _write_unchanged(key: bytes, kind: str, contents: Mapping[str, Document]) -> Collection[str]:
    """Write the entries of documents; return the IDs of rows that have changed since."""
    stored = STORED[kind](list(contents))
    changed = {row_id for row_id in stored if contents[row_id].stored != stored[row_id]}
    unchanged = {row_id: contents[row_id] for row_id in stored if row_id not in changed}
    entries.write_entries(key, kind, unchanged)
    return changed


# ── Older rows ──────────────────────────────────────────────────────────────────
def _index_stored(current: progress.Progress) -> int:
    """Index rows from before an upgrade or a new key, the newest first."""
    kind = current.next_kind
    if kind is None:
        return 0
    column = IDS[kind]
    before = current.before[kind]
    query = select(column).where(column < before) if before else select(column)
    ids = list(db.session.scalars(query.order_by(column.desc()).limit(AT_ONCE)))
    last_id = ids[-1] if ids else None
    try:
        key = word_keys.read_key()
        contents = READ[kind](ids)
        db.session.rollback()
        _store_batch(key, kind, contents, last_id)
    except Exception as error:
        db.session.rollback()
        if is_database_failure(error):
            raise
        _leave_to_marks(kind, ids, last_id)
    return max(len(ids), 1)  # the next kind may have rows


@transaction
def _leave_to_marks(kind: str, ids: Sequence[str], last_id: str | None) -> None:
    """Mark the rows of a batch that failed, so that each is indexed alone."""
    MARK[kind](ids)
    progress.advance(kind, last_id)


@transaction
def _store_batch(
    key: bytes, kind: str, contents: Mapping[str, Document], last_id: str | None
) -> None:
    if word_keys.lock_key() != key:
        return
    changed = _write_unchanged(key, kind, contents)
    MARK[kind](changed)
    progress.advance(kind, last_id)
