"""Names of invented people and documents, and the entries of the search index for them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from benchmarks.bulk_insert import Tables
from hub.db.store import transaction
from hub.lib.address_parts import address_parts
from hub.lib.search_words import index_words
from hub.models import AddressPart, ContactWord, RequestWord, SearchPrefix
from hub.search import progress, unindexed, word_keys

FIRST = (
    *("Eric", "Anna", "Tom", "Lena", "Omar", "Maria", "Jonas", "Sofia", "Ivan", "Nina", "Paul"),
    *("Zoë", "Marta", "Hugo", "Aisha", "Karl", "Emma", "Luca", "Noah", "Mia", "Ben", "Clara"),
    *("Felix", "Greta", "Max", "Iris", "Otto", "Vera", "Amir", "Olga"),
)
SYLLABLES = [consonant + vowel for consonant in "bdklmnrst" for vowel in "aeo"]
TITLES = (
    "Employment Agreement",
    "Lease Agreement",
    "Master Services Agreement",
    "Non-disclosure Agreement",
    "Purchase Order",
    "Loan Contract",
)
SENDER = "Acme HR"


def person_name(number: int) -> str:
    """Return one of 600,000 names: a first name, and a last name of 3 syllables."""
    count = len(SYLLABLES)
    syllables = (number // 7 % count, number // 190 % count, number // 5000 % count)
    last = "".join(SYLLABLES[index] for index in syllables).capitalize()
    return f"{FIRST[number % len(FIRST)]} {last}"


def document_title(number: int) -> str:
    """Return the title of a document, with its own number."""
    return f"{TITLES[number % len(TITLES)]} {number}"


class IndexEntries:
    """The entries of the search index, written as `hub cron` would."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._key = word_keys.read_key()
        self._known: set[str] = set()
        _finish_indexing()

    def add_contacts(self, people: Iterable[tuple[Any, int, str]]) -> None:
        """Add the entries of contacts. `people`: stored ID, number of the name, and address."""
        rows = list(people)
        self._add_words(ContactWord, "contact_id", ((row, person_name(n)) for row, n, _ in rows))
        self._tables.insert(
            AddressPart,
            ("part", "contact_id"),
            sorted((part, row) for row, _, address in rows for part in _parts(address)),
        )

    def add_requests(self, requests: Iterable[tuple[Any, str]]) -> None:
        """Add the entries of requests. `requests`: stored ID, and title and names in one text."""
        self._add_words(RequestWord, "request_id", requests)

    def _add_words(self, model: Any, column: str, texts: Iterable[tuple[Any, str]]) -> None:
        entries = []
        prefixes: list[tuple[int, int]] = []
        for row, text in texts:
            for word in dict.fromkeys(_words(text)):
                [hashed] = word_keys.hash_words(self._key, [word]).values()
                entries.append((hashed, row))
                if word not in self._known:
                    self._known.add(word)
                    found = word_keys.hash_prefixes(self._key, word)
                    prefixes += [(prefix, hashed) for prefix in found]
        self._tables.insert(SearchPrefix, ("prefix", "word"), sorted(prefixes))
        self._tables.insert(model, ("word", column), sorted(entries))


@transaction
def _finish_indexing() -> None:
    """Let `hub cron` index no older rows."""
    for kind in (unindexed.CONTACT, unindexed.REQUEST):
        progress.advance(kind, None)


@lru_cache(maxsize=100_000)
def _words(text: str) -> tuple[str, ...]:
    return tuple(word for part in text.split() for word in _words_of(part))


@lru_cache(maxsize=100_000)
def _words_of(part: str) -> tuple[str, ...]:
    return tuple(index_words(part))


def _parts(address: str) -> list[bytes]:
    return address_parts("phone", address)
