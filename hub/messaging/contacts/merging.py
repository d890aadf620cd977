"""Merge contacts that are one person under several forms of one address.

What is stored under another form than the normal one comes from before the address had one. `hub
migrate` merges all of it; what it did not reach is merged when the address is next used.
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
    Contact,
    ContactLink,
    Conversation,
    LinkedChat,
    PausedDestination,
    RecipientPace,
    SessionWindow,
    Suppression,
)

AT_ONCE = 1000  # rows that one transaction moves
# what makes an opt-out harder to lift, hardest first; the reasons that are not named here come last
STRICTEST = ("admin", "complaint", "api", "import", "provider", "keyword")


@transaction
def merge_contacts(kind: str, address: str, keys: Sequence[bytes]) -> None:
    """Move all that is stored under `keys` to the first of them, which is that of `address`."""
    first = keys[0]
    others = list(keys[1:])
    for same in _groups(kind, keys):
        _merge_contacts(same, address, first)
    _merge_suppressions(first, others)
    _merge_chats(first, others)
    db.session.flush()
    db.session.expire_all()  # rows went elsewhere behind the session's back


def duplicate_pairs(kind: str, keys: Sequence[bytes]) -> list[tuple[str, str]]:
    """Return the contacts that `merge` would let become another one, each with that one: ids."""
    found = []
    for same in _groups(kind, keys):
        kept = _kept(same, keys[0])
        found += [(row.id, kept.id) for row in same if row is not kept]
    db.session.rollback()
    return found


def merge_all(contact_id: str, into: str) -> None:
    """Move the many rows of a contact to another one, in several transactions; `merge` takes the
    rest.
    """
    for table, column in _references():
        key = table.primary_key.columns.values()[0]
        if column.name in {one.name for one in table.primary_key.columns} or table.name in _SPECIAL:
            continue
        while (
            len(
                ids := db.session.scalars(
                    select(key).where(column == contact_id).limit(AT_ONCE)
                ).all()
            )
            == AT_ONCE
        ):
            _drain(table, column, key, ids, into)


@transaction
def _drain(table: Any, column: Any, key: Any, ids: Sequence[str], into: str) -> None:
    db.session.execute(update(table).where(key.in_(ids)).values({column.name: into}))


# ── Contacts ──────────────────────────────────────────────────────────────────────────────────────
def _groups(kind: str, keys: Sequence[bytes]) -> list[list[Contact]]:
    """Return the contacts under these keys, live ones and test ones apart."""
    query = (
        select(Contact)
        .where(Contact.kind == kind, Contact.address_key.in_(keys))
        .order_by(Contact.id)
    )
    rows = db.session.scalars(query).all()
    return [same for test in (False, True) if (same := [row for row in rows if row.test == test])]


def _kept(rows: Sequence[Contact], key: bytes) -> Contact:
    """Return the contact of the normal form, else the oldest not erased, else the oldest."""
    return min(rows, key=lambda row: (row.address_key != key, row.erased_at is not None, row.id))


def _merge_contacts(rows: Sequence[Contact], address: str, key: bytes) -> None:
    kept = _kept(rows, key)
    for row in rows:
        if row is not kept:
            _move_references(row.id, kept.id)
            if row.erased_at is None:
                kept.time_zone = kept.time_zone or row.time_zone
                kept.erased_at = None
                _keep_name(row, kept)
            kept.created_at = min(kept.created_at, row.created_at)
            db.session.delete(row)
    db.session.flush()  # the keys of those that went are free
    kept.address_key = key
    kept.address = "" if kept.erased_at else address
    db.session.flush()


def _keep_name(row: Contact, kept: Contact) -> None:
    if kept._name is None:
        with suppress(DecryptionError):  # a name whose key is gone must not hold the person back
            kept.name = row.name


def _references() -> list[tuple[Any, Any]]:
    """Return the tables and columns that name a contact."""
    found = [(table, column) for table in Base.metadata.sorted_tables for column in table.columns]
    return [
        (table, column)
        for table, column in found
        if any(key.column is Contact.__table__.c.id for key in column.foreign_keys)
    ]


def _move_references(before: str, after: str) -> None:
    for table, column in _references():
        if merge_into := _SPECIAL.get(table.name):
            merge_into(before, after)
        db.session.execute(update(table).where(column == before).values({column.name: after}))


def _conversations(before: str, after: str) -> None:
    kept = {row.connection_id: row for row in _of(Conversation, after)}
    for row in _of(Conversation, before):
        if same := kept.get(row.connection_id):
            same.last_id, same.last_at = max(
                (same.last_at, same.last_id), (row.last_at, row.last_id)
            )[::-1]
            same.unread += row.unread
            db.session.delete(row)
    db.session.flush()


def _windows(before: str, after: str) -> None:
    kept = {row.sender: row for row in _of(SessionWindow, after)}
    for row in _of(SessionWindow, before):
        if same := kept.get(row.sender):
            if row.opened_at > same.opened_at:
                same.opened_at = row.opened_at
                same.closes_at = row.closes_at
            db.session.delete(row)
    db.session.flush()


def _paces(before: str, after: str) -> None:
    kept = {row.name: row for row in _of(RecipientPace, after)}
    for row in _of(RecipientPace, before):
        if same := kept.get(row.name):
            same.next_at = max(same.next_at, row.next_at)
            db.session.delete(row)
    db.session.flush()


def _of(model: Any, contact_id: str) -> Sequence[Any]:
    return db.session.scalars(select(model).where(model.contact_id == contact_id)).all()


def _destinations(before: str, after: str) -> None:
    kept = {row.connection_id: row for row in _of(PausedDestination, after)}
    for row in _of(PausedDestination, before):
        if same := kept.get(row.connection_id):
            if row.reopened_at is None:
                same.code = row.code
                same.why = row.why
                same.since = row.since
                same.reopened_at = None
            db.session.delete(row)
    db.session.flush()


def _links(before: str, after: str) -> None:
    """Link what the one was linked to with the other; a link that was undone stays undone."""
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


_SPECIAL: Mapping[str, Callable[[str, str], None]] = {
    "conversations": _conversations,
    "session_windows": _windows,
    "recipient_paces": _paces,
    "contact_links": _links,
    "paused_destinations": _destinations,
}


# ── What is kept by an address alone ──────────────────────────────────────────────────────────────
def _merge_suppressions(first: bytes, others: Collection[bytes]) -> None:
    """Keep the stricter of two opt-outs for one channel, sender and source, since the newer one."""
    rows = db.session.scalars(
        select(Suppression).where(Suppression.address_key.in_([first, *others]))
    ).all()
    kept: dict[tuple[Any, ...], Suppression] = {}
    for row in sorted((row for row in rows if row.lifted_at is None), key=_strictness):
        same = kept.setdefault((row.channel, row.sender, row.test, row.source_id), row)
        if same is not row:
            same.since = max(same.since, row.since)
            same.explanation = same.explanation or row.explanation
            db.session.delete(row)
    db.session.flush()
    db.session.execute(
        update(Suppression).where(Suppression.address_key.in_(others)).values(address_key=first)
    )


def _strictness(row: Suppression) -> tuple[int, float]:
    return strictness_rank(row.reason), -row.since.timestamp()


def strictness_rank(reason: str) -> int:
    """Return how easily an opt-out of this reason is lifted: 0 is the hardest."""
    return STRICTEST.index(reason) if reason in STRICTEST else len(STRICTEST)


def _merge_chats(first: bytes, others: Collection[bytes]) -> None:
    """Keep the newest chat link of one person over one connection and source."""
    rows = db.session.scalars(
        select(LinkedChat).where(LinkedChat.address_key.in_([first, *others]))
    ).all()
    newest: dict[tuple[str, str], tuple[datetime, str, str | None]] = {}
    for row in rows:
        pair = (row.connection_id, row.source_id)
        newest[pair] = max(
            newest.get(pair, (row.linked_at, row.contact_id, row.callback_id)),
            (row.linked_at, row.contact_id, row.callback_id),
            key=lambda one: one[0],
        )
    db.session.execute(delete(LinkedChat).where(LinkedChat.address_key.in_(others)))
    known = {(row.connection_id, row.source_id): row for row in rows if row.address_key == first}
    for pair, (linked_at, contact_id, callback_id) in newest.items():
        row = known.get(pair) or LinkedChat(
            connection_id=pair[0], source_id=pair[1], address_key=first
        )
        row.linked_at = linked_at
        row.contact_id = contact_id
        row.callback_id = callback_id
        db.session.add(row)
    db.session.flush()
