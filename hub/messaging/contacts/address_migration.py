"""Bring older contacts to the normal form of their addresses, in batches, resumably."""

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
AT_ONCE = 200  # contacts that are looked at together
TOGETHER = 20  # numbers that one transaction merges: others write in between
log = structlog.get_logger(__name__)
# by number: every key it may be stored under, the key of its normal form first
Keys = dict[str, tuple[bytes, ...]]


def migrate_addresses() -> int:
    """Bring every contact to the normal form of its number, and merge those that become one; return
    how many had another form.

    Progress is stored after each batch: killed half way, the next run goes on there. Once done, it
    runs again only when the forms change.
    """
    changed = 0
    while (after := _after()) is not None:
        query = select(Contact.id, Contact.address, Contact.address_key).where(
            Contact.kind == Address.PHONE,
            Contact.erased_at.is_(None),
            *([Contact.id > after] if after else []),
        )
        rows = db.session.execute(query.order_by(Contact.id).limit(AT_ONCE)).all()
        numbers = _to_merge([(row.address, row.address_key) for row in rows])
        db.session.rollback()
        _merge(numbers)
        changed += len(numbers)
        _store(rows[-1].id if rows else "", done=not rows)
    if changed:
        log.info("addresses.merged", numbers=changed)
    return changed


def _to_merge(found: list[tuple[str, bytes]]) -> Keys:
    """Return the numbers with rows stored under another form, and all keys to look for."""
    others: dict[bytes, str] = {}
    wanted: dict[str, None] = {}
    keys_of: Keys = {}
    for address, key in found:
        number = normalize(Address.PHONE, address)
        first, *rest = address_keys(Address.PHONE, address)
        others |= dict.fromkeys(rest, number)
        # a number stored in a form that is in no table has a key of its own
        keys_of[number] = tuple(dict.fromkeys((*keys_of.get(number, (first, *rest)), key)))
        if number != address or first != key:
            wanted[number] = None
    keys = list(others)
    for start in range(0, len(keys), AT_ONCE):
        part = keys[start : start + AT_ONCE]
        for model in (Contact, Suppression, LinkedChat):
            stored = db.session.scalars(
                select(model.address_key).where(model.address_key.in_(part))
            )
            wanted |= dict.fromkeys(others[key] for key in stored)
    return {number: keys_of[number] for number in wanted}


def _merge(numbers: Keys) -> None:
    for keys in numbers.values():
        for before, after in merging.duplicate_pairs(Address.PHONE, keys):
            merging.merge_all(before, after)
    found = list(numbers.items())
    for start in range(0, len(found), TOGETHER):
        part = found[start : start + TOGETHER]
        try:
            _merge_some(dict(part))
        except Exception as problem:
            if is_database_failure(problem):
                raise
            for number, keys in part:
                _merge_alone(number, keys)


def _merge_alone(number: str, keys: tuple[bytes, ...]) -> None:
    """Merge one number; one that cannot be merged must not hold the others back.

    It is tried again when the number is used.
    """
    try:
        _merge_some({number: keys})
    except Exception as problem:
        if is_database_failure(problem):
            raise
        log.error(
            "addresses.not_merged", contact_key=keys[0].hex()[:12], problem=type(problem).__name__
        )


@transaction
def _merge_some(numbers: Keys) -> None:
    for number, keys in numbers.items():
        merging.merge_contacts(Address.PHONE, number, keys)


# ── Progress ──────────────────────────────────────────────────────────────────────────────────────
def _version() -> str:
    """Return what changes whenever the normal forms may."""
    return hashlib.sha256(f"{phonenumbers.__version__} {TABLE} {SPELLINGS}".encode()).hexdigest()[
        :16
    ]


def _after() -> str | None:
    """Return the id of the last contact that was looked at, '' before the first, None when all
    were.
    """
    row = db.session.get(Setting, SETTING, populate_existing=True)
    if row is None or row.value.get("version") != _version():
        return ""
    return None if row.value["done"] else str(row.value["after"])


@transaction
def _store(after: str, *, done: bool) -> None:
    row = db.session.get(Setting, SETTING) or Setting(name=SETTING)
    row.value = {"version": _version(), "after": after, "done": done}
    db.session.add(row)
