"""Migrate older contacts to the normal form of their addresses, in batches that can be resumed."""

from __future__ import annotations

import hashlib

import phonenumbers
import structlog
from sqlalchemy import select

from hub.core.vocabulary import Address
from hub.db.engine import db
from hub.db.store import is_database_failure, transaction
from hub.lib.addresses import normalize
from hub.lib.number_forms import SPELLINGS, TABLE
from hub.messaging.contacts import merging
from hub.models import Contact, LinkedChat, Setting, Suppression
from hub.shared.address_keys import address_keys

SETTING = "address_forms"
AT_ONCE = 200  # contacts that are checked together
TOGETHER = 20  # numbers merged per transaction, so that other writers get their turn
log = structlog.get_logger(__name__)
# by number: all keys that it may be stored under, the key of its normal form first
Keys = dict[str, tuple[bytes, ...]]


def migrate_addresses() -> int:
    """Migrate contacts to the normal form of their numbers and merge duplicates; return how many.

    Progress is stored after each batch, so that an interrupted run continues there. A finished
    migration runs again only when the normal forms change.
    """
    changed = 0
    while (after := _last_checked_id()) is not None:
        query = select(Contact.id, Contact.address, Contact.address_key).where(
            Contact.kind == Address.PHONE,
            Contact.erased_at.is_(None),
            *([Contact.id > after] if after else []),
        )
        rows = db.session.execute(query.order_by(Contact.id).limit(AT_ONCE)).all()
        numbers = _numbers_to_merge([(row.address, row.address_key) for row in rows])
        db.session.rollback()
        _merge_numbers(numbers)
        changed += len(numbers)
        _store_progress(rows[-1].id if rows else "", done=not rows)
    if changed:
        log.info("addresses.merged", numbers=changed)
    return changed


def _numbers_to_merge(addresses: list[tuple[str, bytes]]) -> Keys:
    """Return the numbers with rows stored under another form, and all their keys."""
    number_by_key: dict[bytes, str] = {}
    numbers: dict[str, None] = {}
    keys_by_number: Keys = {}
    for address, key in addresses:
        number = normalize(Address.PHONE, address)
        first, *rest = address_keys(Address.PHONE, address)
        number_by_key |= dict.fromkeys(rest, number)
        # a number stored in an unlisted form has a key that the table does not give
        keys_by_number[number] = tuple(
            dict.fromkeys((*keys_by_number.get(number, (first, *rest)), key))
        )
        if number != address or first != key:
            numbers[number] = None
    keys = list(number_by_key)
    for start in range(0, len(keys), AT_ONCE):
        part = keys[start : start + AT_ONCE]
        for model in (Contact, Suppression, LinkedChat):
            stored = db.session.scalars(
                select(model.address_key).where(model.address_key.in_(part))
            )
            numbers |= dict.fromkeys(number_by_key[key] for key in stored)
    return {number: keys_by_number[number] for number in numbers}


def _merge_numbers(numbers: Keys) -> None:
    for keys in numbers.values():
        for before, after in merging.duplicate_pairs(Address.PHONE, keys):
            merging.merge_all(before, after)
    entries = list(numbers.items())
    for start in range(0, len(entries), TOGETHER):
        part = entries[start : start + TOGETHER]
        try:
            _merge_batch(dict(part))
        except Exception as error:
            if is_database_failure(error):
                raise
            for number, keys in part:
                _merge_alone(number, keys)


def _merge_alone(number: str, keys: tuple[bytes, ...]) -> None:
    """Merge one number, and log a failure so that the other numbers continue.

    The merge is retried when the number is next used.
    """
    try:
        _merge_batch({number: keys})
    except Exception as error:
        if is_database_failure(error):
            raise
        log.error(
            "addresses.merge_failed", contact_key=keys[0].hex()[:12], problem=type(error).__name__
        )


@transaction
def _merge_batch(numbers: Keys) -> None:
    for number, keys in numbers.items():
        merging.merge_contacts(Address.PHONE, number, keys)


# ── Progress ──────────────────────────────────────────────────────────────────────────────────────
def _version() -> str:
    """Return a hash that changes whenever the normal forms may change."""
    return hashlib.sha256(f"{phonenumbers.__version__} {TABLE} {SPELLINGS}".encode()).hexdigest()[
        :16
    ]


def _last_checked_id() -> str | None:
    """Return the ID of the last checked contact, '' before the first, or None if all are
    checked.
    """
    row = db.session.get(Setting, SETTING, populate_existing=True)
    if row is None or row.value.get("version") != _version():
        return ""
    return None if row.value["done"] else str(row.value["after"])


@transaction
def _store_progress(after: str, *, done: bool) -> None:
    row = db.session.get(Setting, SETTING) or Setting(name=SETTING)
    row.value = {"version": _version(), "after": after, "done": done}
    db.session.add(row)
