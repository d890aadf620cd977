"""Contacts: found by address, or made."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select, update

from hub.core.errors import DecryptionError
from hub.db.compiled_sql import Statement, table_of
from hub.db.encrypted_fields import CONTACT_NAME
from hub.db.store import list_param, read, require_write_lock, transaction, write
from hub.db.types import keyring, new_id, now
from hub.lib import addresses
from hub.messaging.contacts import merging
from hub.models import Contact, Recipient
from hub.shared.address_keys import address_keys

contacts = table_of(Contact)


@dataclass(frozen=True)
class KnownAddress:
    """An address, and what its source says of the person behind it."""

    kind: str
    address: str
    name: str = ""
    time_zone: str = ""


def contact_for(
    kind: str, address: str, *, test: bool, name: str = "", time_zone: str = ""
) -> Recipient:
    """Return the contact of an address; makes it, and keeps the newest name and time zone."""
    return contacts_for([KnownAddress(kind, address, name, time_zone)], test=test)[kind, address]


@transaction
def contacts_for(
    known: Collection[KnownAddress], *, test: bool
) -> dict[tuple[str, str], Recipient]:
    """Return the contacts of many addresses, by kind and address."""
    keys = {one: address_keys(one.kind, one.address) for one in known}
    found = _find(keys, test)
    if missing := {key[0]: one for one, key in keys.items() if key[0] not in found}:
        rows = [_row(key, one, test) for key, one in missing.items()]
        write(_ADD, rows)
        found |= {
            row["address_key"]: (row["id"], row["name"], row["time_zone"], False) for row in rows
        }
    reached = {}
    for one, (key, *_) in keys.items():
        contact_id, name, time_zone, erased = found[key]
        address = addresses.normalize(one.kind, one.address)
        # a new word of their app: the person is known again, and what was erased stays so
        if erased:
            write(_KNOWN_AGAIN, {"key": contact_id, "new_address": address})
        _keep_newest(contact_id, name, time_zone, one)
        reached[one.kind, one.address] = Recipient(
            contact_id, address, key, one.time_zone or time_zone
        )
    return reached


def _find(
    keys: Mapping[KnownAddress, tuple[bytes, ...]], test: bool
) -> dict[bytes, tuple[str, bytes | None, str, bool]]:
    """Return contacts by the key of their normal form.

    What is stored under another form is brought to it first.
    """
    if not keys:
        return {}
    wanted: dict[str, Any] = {
        "test": test,
        "kinds": list({one.kind for one in keys}),
        "keys": [key for some in keys.values() for key in some],
    }
    rows = read(_FIND, **wanted)
    normal = {some[0] for some in keys.values()}
    if others := {row[0] for row in rows} - normal:
        require_write_lock()
        for one, some in keys.items():
            if others.intersection(some):
                merging.merge_contacts(one.kind, addresses.normalize(one.kind, one.address), some)
        rows = read(_FIND, **wanted)
    return {
        key: (row_id, name, zone, bool(gone))
        for key, row_id, name, zone, gone, same in rows
        if same
    }


# Compared in the database, so that a damaged value of one contact does not stop the others.
_FIND = Statement(
    select(
        *contacts.c["address_key", "id", "name", "time_zone"],
        contacts.c.erased_at.is_not(None),
        contacts.c.test == bindparam("test"),
    ).where(
        contacts.c.kind.in_(list_param("kinds")), contacts.c.address_key.in_(list_param("keys"))
    )
)
_ADD = Statement.insert(contacts)  # PostgreSQL runs the change again when another one was first
_KNOWN_AGAIN = Statement(
    update(contacts)
    .where(contacts.c.id == bindparam("key"))
    .values(address=bindparam("new_address"), erased_at=None)
)
_RENAME = Statement(
    update(contacts)
    .where(contacts.c.id == bindparam("key"))
    .values(name=bindparam("new_name"), time_zone=bindparam("new_time_zone"))
)


def _row(key: bytes, one: KnownAddress, test: bool) -> dict[str, Any]:
    contact_id = new_id("ctc")
    address = addresses.normalize(one.kind, one.address)
    return {
        "id": contact_id,
        "kind": one.kind,
        "address": address,
        "address_key": key,
        "test": test,
        "name": _sealed(contact_id, one.name),
        "time_zone": one.time_zone,
        "created_at": now(),
        "erased_at": None,
    }


def _keep_newest(contact_id: str, name: bytes | None, time_zone: str, one: KnownAddress) -> None:
    row = contact_id.partition("_")[2]
    renamed = one.name and _name(row, name) != one.name
    if renamed or (one.time_zone and time_zone != one.time_zone):
        fresh = _sealed(contact_id, one.name) if renamed else name
        write(
            _RENAME,
            {"key": contact_id, "new_name": fresh, "new_time_zone": one.time_zone or time_zone},
        )


def _name(row: str, sealed: bytes | None) -> str | None:
    """Return the stored name of a contact, or None if there is none or it cannot be read."""
    try:
        return None if sealed is None else str(keyring().open_json(CONTACT_NAME, row, sealed))
    except DecryptionError:
        return None


def _sealed(contact_id: str, name: str) -> bytes | None:
    return keyring().seal_json(CONTACT_NAME, contact_id.partition("_")[2], name) if name else None
