"""Merge contacts that are stored under several forms of one address.

Rows under another form than the normal one are older than the normal form. `hub migrate` merges
them; contacts that it could not merge are merged when their address is next used.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy import delete, or_, select, update

from hub.core.errors import DecryptionError
from hub.db.engine import Base, db
from hub.db.store import transaction
from hub.models import (
    AddressPart,
    Contact,
    ContactLink,
    ContactWord,
    Conversation,
    LinkedChat,
    PausedDestination,
    RecipientPace,
    SessionWindow,
    Suppression,
)
from hub.search import entries, unindexed

AT_ONCE = 1000  # rows that one transaction moves
# reasons of opt-outs, the hardest to remove first; reasons that are not listed come last
STRICTEST = ("admin", "complaint", "api", "import", "provider", "unsubscribe", "keyword")


@transaction
def merge_contacts(kind: str, address: str, keys: Sequence[bytes]) -> None:
    """Move all rows stored under `keys` to the first key, which is that of `address`."""
    first = keys[0]
    others = list(keys[1:])
    for contacts in _duplicate_groups(kind, keys):
        _merge_group(contacts, address, first)
    _merge_suppressions(first, others)
    _merge_chats(first, others)
    db.session.flush()
    db.session.expire_all()  # bulk updates do not refresh objects of the session


def duplicate_pairs(kind: str, keys: Sequence[bytes]) -> list[tuple[str, str]]:
    """Return the IDs of contacts that `merge_contacts` would merge: each duplicate, its target."""
    pairs = []
    for contacts in _duplicate_groups(kind, keys):
        target = _choose_target(contacts, keys[0])
        pairs += [(row.id, target.id) for row in contacts if row is not target]
    db.session.rollback()
    return pairs


def merge_all(contact_id: str, into: str) -> None:
    """Move most rows of a contact to another one, in several transactions.

    `merge_contacts` moves the rest.
    """
    for table, column in _references():
        key = table.primary_key.columns.values()[0]
        if column.name in table.primary_key.columns or table.name in _MERGE_ROWS:
            continue
        query = select(key).where(column == contact_id).limit(AT_ONCE)
        while len(ids := db.session.scalars(query).all()) == AT_ONCE:
            _move_rows(table, column, key, ids, into)


@transaction
def _move_rows(table: Any, column: Any, key: Any, ids: Sequence[str], into: str) -> None:
    db.session.execute(update(table).where(key.in_(ids)).values({column.name: into}))


# ── Contacts ──────────────────────────────────────────────────────────────────────────────────────
def _duplicate_groups(kind: str, keys: Sequence[bytes]) -> list[list[Contact]]:
    """Return the contacts under these keys, grouped into live and test contacts."""
    query = (
        select(Contact)
        .where(Contact.kind == kind, Contact.address_key.in_(keys))
        .order_by(Contact.id)
    )
    rows = db.session.scalars(query).all()
    groups = [[row for row in rows if row.test == test] for test in (False, True)]
    return [group for group in groups if group]


def _choose_target(rows: Sequence[Contact], key: bytes) -> Contact:
    """Return the contact to keep: that of the normal form, or the oldest not erased, or the
    oldest.
    """
    return min(rows, key=lambda row: (row.address_key != key, row.erased_at is not None, row.id))


def _merge_group(rows: Sequence[Contact], address: str, key: bytes) -> None:
    target = _choose_target(rows, key)
    for row in rows:
        if row is not target:
            _move_references(row.id, target.id)
            if row.erased_at is None:
                target.time_zone = target.time_zone or row.time_zone
                target.erased_at = None
                _copy_missing_name(row, target)
            target.created_at = min(target.created_at, row.created_at)
            db.session.delete(row)
    db.session.flush()  # frees the unique keys of the deleted rows
    target.address_key = key
    target.address = "" if target.erased_at else address
    db.session.flush()


def _copy_missing_name(row: Contact, target: Contact) -> None:
    if target._name is None:
        with suppress(DecryptionError):  # a name that cannot be decrypted must not stop the merge
            target.name = row.name


def _references() -> list[tuple[Any, Any]]:
    """Return the tables and columns that refer to a contact."""
    return [
        (table, column)
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if any(key.column is Contact.__table__.c.id for key in column.foreign_keys)
    ]


def _move_references(before: str, after: str) -> None:
    for table, column in _references():
        if merge_rows := _MERGE_ROWS.get(table.name):
            merge_rows(before, after)
        db.session.execute(update(table).where(column == before).values({column.name: after}))


def _merge_conversations(before: str, after: str) -> None:
    targets = {row.connection_id: row for row in _contact_rows(Conversation, after)}
    for row in _contact_rows(Conversation, before):
        if existing := targets.get(row.connection_id):
            existing.last_id, existing.last_at = max(
                (existing.last_at, existing.last_id), (row.last_at, row.last_id)
            )[::-1]
            existing.unread += row.unread
            db.session.delete(row)
    db.session.flush()


def _merge_windows(before: str, after: str) -> None:
    targets = {row.sender: row for row in _contact_rows(SessionWindow, after)}
    for row in _contact_rows(SessionWindow, before):
        if same := targets.get(row.sender):
            if row.opened_at > same.opened_at:
                same.opened_at = row.opened_at
                same.closes_at = row.closes_at
            db.session.delete(row)
    db.session.flush()


def _merge_paces(before: str, after: str) -> None:
    targets = {row.name: row for row in _contact_rows(RecipientPace, after)}
    for row in _contact_rows(RecipientPace, before):
        if same := targets.get(row.name):
            same.next_at = max(same.next_at, row.next_at)
            db.session.delete(row)
    db.session.flush()


def _contact_rows(model: Any, contact_id: str) -> Sequence[Any]:
    return db.session.scalars(select(model).where(model.contact_id == contact_id)).all()


def _merge_destinations(before: str, after: str) -> None:
    targets = {row.connection_id: row for row in _contact_rows(PausedDestination, after)}
    for row in _contact_rows(PausedDestination, before):
        if same := targets.get(row.connection_id):
            if row.reopened_at is None:
                same.code = row.code
                same.reason = row.reason
                same.since = row.since
                same.reopened_at = None
            db.session.delete(row)
    db.session.flush()


def _merge_links(before: str, after: str) -> None:
    """Move the links of a contact to another one; a link that was undone stays undone."""
    for row in db.session.scalars(
        select(ContactLink).where(
            or_(ContactLink.contact_id == before, ContactLink.other_id == before)
        )
    ).all():
        first, second = sorted(
            (after, row.other_id if row.contact_id == before else row.contact_id)
        )
        query = select(ContactLink).where(
            ContactLink.contact_id == first, ContactLink.other_id == second
        )
        same = db.session.scalar(query) if first != second else row
        if same is None:
            row.contact_id = first
            row.other_id = second
        else:
            same.undone_at = same.undone_at or row.undone_at
            db.session.delete(row)
        db.session.flush()


def _merge_entries(before: str, after: str) -> None:
    """Delete the index entries of a contact, and let the other one be indexed again."""
    entries.forget_contacts([before])
    unindexed.mark_contacts([after])


_MERGE_ROWS: Mapping[str, Callable[[str, str], None]] = {
    "conversations": _merge_conversations,
    "session_windows": _merge_windows,
    "recipient_paces": _merge_paces,
    "contact_links": _merge_links,
    "paused_destinations": _merge_destinations,
    ContactWord.__tablename__: _merge_entries,
    AddressPart.__tablename__: _merge_entries,
}


# ── Rows that are stored by address, not by contact ───────────────────────────────────────────────
def _merge_suppressions(target_key: bytes, other_keys: Collection[bytes]) -> None:
    """Keep the stricter opt-out of each channel, sender and source, with the newest date."""
    rows = db.session.scalars(
        select(Suppression).where(Suppression.address_key.in_([target_key, *other_keys]))
    ).all()
    strictest: dict[tuple[Any, ...], Suppression] = {}
    for row in sorted((row for row in rows if row.lifted_at is None), key=_strictness):
        same = strictest.setdefault((row.channel, row.sender, row.test, row.source_id), row)
        if same is not row:
            same.since = max(same.since, row.since)
            same.explanation = same.explanation or row.explanation
            db.session.delete(row)
    db.session.flush()
    db.session.execute(
        update(Suppression)
        .where(Suppression.address_key.in_(other_keys))
        .values(address_key=target_key)
    )


def _strictness(row: Suppression) -> tuple[int, float]:
    return strictness_rank(row.reason), -row.since.timestamp()


def strictness_rank(reason: str) -> int:
    """Return the rank of a reason by how hard its opt-out is to remove: 0 is the hardest."""
    return STRICTEST.index(reason) if reason in STRICTEST else len(STRICTEST)


def _merge_chats(first: bytes, others: Collection[bytes]) -> None:
    """Keep the newest chat link of each connection and source."""
    rows = db.session.scalars(
        select(LinkedChat).where(LinkedChat.address_key.in_([first, *others]))
    ).all()
    newest: dict[tuple[str, str], tuple[datetime, str, str | None]] = {}
    for row in rows:
        pair = (row.connection_id, row.source_id)
        newest[pair] = max(
            newest.get(pair, (row.linked_at, row.contact_id, row.callback_id)),
            (row.linked_at, row.contact_id, row.callback_id),
            key=lambda entry: entry[0],
        )
    db.session.execute(delete(LinkedChat).where(LinkedChat.address_key.in_(others)))
    stored = {(row.connection_id, row.source_id): row for row in rows if row.address_key == first}
    for pair, (linked_at, contact_id, callback_id) in newest.items():
        row = stored.get(pair) or LinkedChat(
            connection_id=pair[0], source_id=pair[1], address_key=first
        )
        row.linked_at = linked_at
        row.contact_id = contact_id
        row.callback_id = callback_id
        db.session.add(row)
    db.session.flush()
