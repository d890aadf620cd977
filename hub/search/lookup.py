"""Find contacts and requests by words of their names and titles, and by their addresses.

A term may be the beginning of a thousand words, and a word may be in every title. So each step
reads a bounded number of rows, the newest first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, exists, func, literal, or_, select
from sqlalchemy.orm import aliased

from hub.db.engine import db
from hub.db.types import first_id_at
from hub.lib.address_parts import query_endings, query_parts
from hub.lib.search_words import WHOLE, query_terms
from hub.lib.times import EARLIEST
from hub.models import AddressPart, ContactWord, RequestWord, SearchPrefix
from hub.search import word_keys

MAX_WORDS = 400  # words that one term stands for
MAX_COMPARED = 1000  # newest rows with the rarest term, which are compared with the other terms
MIN_PER_WORD = 4  # newest rows of each word that are compared, if the term stands for many


@dataclass(frozen=True)
class Found:
    """IDs of contacts or requests, the newest first, and whether older ones may match too."""

    ids: tuple[str, ...] = ()
    has_more: bool = False


def find_contacts(query: str, limit: int) -> Found:
    """Return the contacts whose names have all words of a query. Raises DecryptionError."""
    return _find(ContactWord, ContactWord.contact_id, "ctc", query_terms(query), limit)


def find_requests(query: str, limit: int) -> Found:
    """Return the requests whose title and names have all words of a query, and those with a
    person whose phone number ends with its digits.

    Raises DecryptionError.
    """
    searches = [query_terms(query), *([WHOLE + digits] for digits in query_endings(query))]
    results = [
        _find(RequestWord, RequestWord.request_id, "req", terms, limit) for terms in searches
    ]
    ids = sorted({row_id for result in results for row_id in result.ids}, reverse=True)
    has_more = len(ids) > limit or any(result.has_more for result in results)
    return Found(tuple(ids[:limit]), has_more)


def _find(table: Any, column: Any, prefix: str, words: Sequence[str], limit: int) -> Found:
    """Return the rows with a word that begins with each of these."""
    key = word_keys.read_key()
    terms = [word_keys.hash_prefix(key, word) for word in words]
    counts = {term: _count_up_to(table, term) for term in terms}
    if not terms or not all(counts.values()):
        return Found()
    rarest = min(terms, key=counts.__getitem__)
    others = [term for term in terms if term != rarest]
    oldest = first_id_at(prefix, EARLIEST)
    if counts[rarest] < MAX_COMPARED:
        rows = _all_rows(table, column, rarest)
    else:
        per_word = _compared_per_word(rarest) if others else limit + 1
        rows = _newest_rows(table, column, rarest, oldest, per_word)
    for term in others:
        rows = rows.where(_has_term(table, column, term))
    ids = list(db.session.scalars(rows.distinct().order_by(column.desc()).limit(limit + 1)))
    is_bounded = bool(others) and counts[rarest] >= MAX_COMPARED
    return Found(tuple(ids[:limit]), len(ids) > limit or is_bounded)


def _count_up_to(table: Any, term: int) -> int:
    """Count the rows with a term, up to MAX_COMPARED."""
    rows = (
        select(literal(1))
        .select_from(SearchPrefix)
        .join(table, table.word == SearchPrefix.word)
        .where(SearchPrefix.prefix == term)
        .limit(MAX_COMPARED)
    )
    return db.session.scalar(select(func.count()).select_from(rows.subquery())) or 0


def _all_rows(table: Any, column: Any, term: int) -> Select[Any]:
    return (
        select(column)
        .select_from(SearchPrefix)
        .join(table, table.word == SearchPrefix.word)
        .where(SearchPrefix.prefix == term)
    )


def _words(term: int) -> Any:
    """Select the words that a term stands for, up to MAX_WORDS."""
    words = select(SearchPrefix.word).where(SearchPrefix.prefix == term)
    return words.order_by(SearchPrefix.word).limit(MAX_WORDS).subquery()


def _compared_per_word(term: int) -> int:
    """Return how many rows of each word of a term to compare, so that it is MAX_COMPARED in all."""
    count = db.session.scalar(select(func.count()).select_from(_words(term))) or 1
    return max(MAX_COMPARED // count, MIN_PER_WORD)


def _newest_rows(table: Any, column: Any, term: int, oldest: str, per_word: int) -> Select[Any]:
    """Select the newest rows of each word that a term stands for."""
    words = _words(term)
    newer = aliased(table)
    newer_column = getattr(newer, column.key)
    first = (
        select(newer_column)
        .where(newer.word == words.c.word)
        .order_by(newer_column.desc())
        .limit(1)
        .offset(per_word - 1)
        .scalar_subquery()
    )
    floor = func.coalesce(first, literal(oldest, column.type))
    return (
        select(column)
        .select_from(words)
        .join(table, and_(table.word == words.c.word, column >= floor))
    )


def _has_term(table: Any, column: Any, term: int) -> Any:
    """Return the condition that one of a row's words begins with a term.

    The few words of the row are read first. A sum is in no index, so a database cannot begin with
    the many words of the term.
    """
    other = aliased(table)
    prefixes = aliased(SearchPrefix)
    return exists().where(
        getattr(other, column.key) == column,
        prefixes.word == other.word + 0,
        prefixes.prefix == term,
    )


# ── Addresses ─────────────────────────────────────────────────────────────────────────────────────
def find_by_address(query: str, limit: int) -> Found:
    """Return the contacts with a part of an address: those that end with it, and then others."""
    parts = query_parts(query)
    if not parts:
        return Found()
    ending = _contacts_with([AddressPart.part == part for part in parts], limit + 1)
    # no byte of UTF-8 is FF, so all parts that begin with another one lie before this one
    ranges = [and_(AddressPart.part > part, AddressPart.part < part + b"\xff") for part in parts]
    ids = list(dict.fromkeys(ending + _contacts_with(ranges, limit + 1)))
    return Found(tuple(ids[:limit]), len(ids) > limit)


def _contacts_with(conditions: Sequence[Any], limit: int) -> list[str]:
    found = select(AddressPart.contact_id).where(or_(*conditions)).limit(limit * 4).subquery()
    newest = select(found.c.contact_id).distinct().order_by(found.c.contact_id.desc())
    return list(db.session.scalars(newest.limit(limit)))
