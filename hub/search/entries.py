"""Write and delete index entries.

Every function runs inside a transaction. A beginning of a word is deleted with the last entry of
the word, so that nothing of an erased person is left.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import delete, exists, insert, select

from hub.db.engine import db
from hub.db.store import transaction
from hub.models import AddressPart, ContactWord, RequestWord, SearchPrefix, UnindexedRow
from hub.search import documents, unindexed, word_keys
from hub.search.documents import NOTHING, Document

T = TypeVar("T")

AT_ONCE = 500  # values in a list
ENTRIES: dict[str, Any] = {unindexed.CONTACT: ContactWord, unindexed.REQUEST: RequestWord}
SUBJECTS: dict[str, Any] = {
    unindexed.CONTACT: ContactWord.contact_id,
    unindexed.REQUEST: RequestWord.request_id,
}


@transaction
def forget_contacts(contact_ids: Sequence[str]) -> None:
    """Delete all entries of contacts."""
    _forget(unindexed.CONTACT, contact_ids)


@transaction
def forget_requests(request_ids: Sequence[str]) -> None:
    """Delete all entries of requests."""
    _forget(unindexed.REQUEST, request_ids)


@transaction
def renew_requests(request_ids: Sequence[str]) -> None:
    """Index requests again at once, because a person was erased from them."""
    key = word_keys.lock_key()
    db.session.flush()
    for batch in _batches(sorted(request_ids)):
        write_entries(key, unindexed.REQUEST, documents.read_requests(batch))


def _forget(kind: str, subjects: Sequence[str]) -> None:
    key = word_keys.lock_key()
    for batch in _batches(subjects):
        write_entries(key, kind, dict.fromkeys(batch, NOTHING))
        _execute(delete(UnindexedRow).where(UnindexedRow.id.in_(_marks(kind, batch))))


def _marks(kind: str, subjects: Collection[str]) -> list[int]:
    """Return the marks of some subjects. There are few marks, since indexing deletes them."""
    query = select(UnindexedRow.id).where(
        UnindexedRow.kind == kind, UnindexedRow.subject_id.in_(subjects)
    )
    return list(db.session.scalars(query))


def write_entries(key: bytes, kind: str, contents: Mapping[str, Document]) -> None:
    """Replace the entries of contacts or requests by those of their documents.

    The key of the index must be locked.
    """
    words = {word for document in contents.values() for word in document.words}
    hashes = word_keys.hash_words(key, words)
    wanted = {
        (hashes[word], subject) for subject, document in contents.items() for word in document.words
    }
    table = ENTRIES[kind]
    column = SUBJECTS[kind]
    stored = {
        (word, subject)
        for word, subject in db.session.execute(
            select(table.word, column).where(column.in_(list(contents)))
        )
    }
    _add_prefixes(key, {hashes[word]: word for word in words})
    _add(table, [{"word": word, column.key: subject} for word, subject in wanted - stored])
    _remove_words(table, column, stored - wanted)
    if kind == unindexed.CONTACT:
        _write_parts(contents)


def _add_prefixes(key: bytes, words: Mapping[int, str]) -> None:
    known = {
        word
        for batch in _batches(list(words))
        for word in db.session.scalars(
            select(SearchPrefix.word).where(SearchPrefix.word.in_(batch)).distinct()
        )
    }
    rows = [
        {"prefix": prefix, "word": word}
        for word, text in words.items()
        if word not in known
        for prefix in word_keys.hash_prefixes(key, text)
    ]
    _add(SearchPrefix, rows)


def _remove_words(table: Any, column: Any, removed: Collection[tuple[int, str]]) -> None:
    subjects_by_word: dict[int, list[str]] = {}
    for word, subject in removed:
        subjects_by_word.setdefault(word, []).append(subject)
    for word, subjects in subjects_by_word.items():
        _execute(delete(table).where(table.word == word, column.in_(subjects)))
    for batch in _batches(list(subjects_by_word)):
        unused = [
            ~exists().where(entries.word == SearchPrefix.word) for entries in ENTRIES.values()
        ]
        _execute(delete(SearchPrefix).where(SearchPrefix.word.in_(batch), *unused))


def _write_parts(contents: Mapping[str, Document]) -> None:
    wanted = {(part, subject) for subject, document in contents.items() for part in document.parts}
    query = select(AddressPart.part, AddressPart.contact_id)
    rows = db.session.execute(query.where(AddressPart.contact_id.in_(list(contents))))
    stored = {(part, subject) for part, subject in rows}
    for part, subject in stored - wanted:
        _execute(
            delete(AddressPart).where(AddressPart.part == part, AddressPart.contact_id == subject)
        )
    _add(
        AddressPart,
        [{"part": part, "contact_id": subject} for part, subject in wanted - stored],
    )


def _add(table: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        db.session.execute(insert(table.__table__), rows)


def _execute(statement: Any) -> None:
    db.session.execute(statement.execution_options(synchronize_session=False))


def _batches(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), AT_ONCE):
        yield values[start : start + AT_ONCE]
