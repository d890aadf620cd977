"""The progress of indexing older rows: after an upgrade, and after a new key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select

from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import creation_time
from hub.models import AddressPart, ContactWord, RequestWord, SearchPrefix, Setting
from hub.search import unindexed, word_keys

SETTING = "search_progress"
DONE = "done"
KINDS = (unindexed.REQUEST, unindexed.CONTACT)
AT_ONCE = 500  # words whose entries are deleted in one transaction


@dataclass(frozen=True)
class Progress:
    """The ID before which rows of each kind are not indexed yet: '' for all rows, or DONE.

    `is_clearing`: entries of the last key are being deleted first.
    """

    before: Mapping[str, str]
    is_clearing: bool = False

    @property
    def next_kind(self) -> str | None:
        return next((kind for kind in KINDS if self.before[kind] != DONE), None)

    @property
    def is_done(self) -> bool:
        return self.next_kind is None and not self.is_clearing

    @property
    def indexed_since(self) -> datetime | None:
        """The creation time of the oldest indexed request or contact, while older ones wait."""
        before = [] if self.is_done else [self.before[kind] for kind in KINDS]
        times = [creation_time(row_id) for row_id in before if row_id not in ("", DONE)]
        return max(times, default=None)


def read() -> Progress:
    """Return the progress. Without a stored one, nothing is indexed."""
    row = db.session.get(Setting, SETTING, populate_existing=True)
    value: dict[str, Any] = row.value if row is not None else {}
    before = {kind: str(value.get(kind, "")) for kind in KINDS}
    return Progress(before, bool(value.get("clearing")))


def _store(progress: Progress) -> None:
    row = db.session.get(Setting, SETTING) or Setting(name=SETTING)
    row.value = {**progress.before, "clearing": progress.is_clearing}
    db.session.add(row)


def advance(kind: str, last_id: str | None) -> None:
    """Store that the rows of a kind are indexed from an ID on, or all of them (None)."""
    current = read()
    _store(Progress({**current.before, kind: last_id or DONE}, current.is_clearing))


@transaction
def start_again() -> None:
    """Replace the key of the index, and let all entries be deleted and written again."""
    word_keys.replace_key()
    _store(Progress(dict.fromkeys(KINDS, ""), is_clearing=True))


@transaction
def clear_entries() -> int:
    """Delete some entries of the last key; return how many words had some, at least 1."""
    word_keys.lock_key()
    for table, column in (
        (ContactWord, ContactWord.word),
        (RequestWord, RequestWord.word),
        (SearchPrefix, SearchPrefix.prefix),
        (AddressPart, AddressPart.part),
    ):
        values = list(db.session.scalars(select(column).limit(AT_ONCE)))
        if values:
            db.session.execute(
                delete(table).where(column.in_(values)).execution_options(synchronize_session=False)
            )
            return len(values)
    _store(Progress(read().before))
    return 1
