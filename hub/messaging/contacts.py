"""Contacts: found by address, or made."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select, update

from hub.crypto import blind
from hub.models import Contact
from hub.models.types import keyring, new_id, now
from hub.statements import Statement, table_of
from hub.store import index_key, read, several, transaction, write

contacts = table_of(Contact)


@dataclass(frozen=True)
class Known:
    """An address in normal form, and what its source says of the person behind it."""

    kind: str
    address: str
    name: str = ""
    time_zone: str = ""


@dataclass(slots=True)
class Reached:
    """A contact, as far as a message needs it."""

    id: str
    address: str
    address_key: bytes
    time_zone: str = ""


def address_key(kind: str, address: str) -> bytes:
    """Return what finds an address without revealing it."""
    return blind(index_key(), kind, address)


def contact_for(kind: str, address: str, *, test: bool, name: str = "", time_zone: str = "") -> Reached:
    """Return the contact of an address in normal form; makes it, and keeps the newest name and time zone."""
    return contacts_for([Known(kind, address, name, time_zone)], test=test)[kind, address]


@transaction
def contacts_for(known: Collection[Known], *, test: bool) -> dict[tuple[str, str], Reached]:
    """Return the contacts of many addresses, by kind and address."""
    by_key = {(one.kind, address_key(one.kind, one.address)): one for one in known}
    found = _find(by_key, test)
    if missing := {key: one for key, one in by_key.items() if key not in found}:
        rows = [_row(key, one, test) for (_, key), one in missing.items()]
        write(_ADD, rows)
        found |= {(row["kind"], row["address_key"]): (row["id"], row["name"], row["time_zone"], False) for row in rows}
    reached = {}
    for key, one in by_key.items():
        contact_id, name, time_zone, erased = found[key]
        if erased:  # a new word of their app: the person is known again, and what was erased stays so
            write(_KNOWN_AGAIN, {"key": contact_id, "new_address": one.address})
        _keep_newest(contact_id, name, time_zone, one)
        reached[one.kind, one.address] = Reached(contact_id, one.address, key[1], one.time_zone or time_zone)
    return reached


def _find(by_key: dict[tuple[str, bytes], Known], test: bool) -> dict[tuple[str, bytes], tuple[str, bytes | None, str, bool]]:
    wanted = {"kinds": list({kind for kind, _ in by_key}), "keys": [key for _, key in by_key], "test": test}
    return {(kind, key): (row_id, name, zone, gone is not None) for kind, key, row_id, name, zone, gone in read(_FIND, **wanted)}


_FIND = Statement(select(*contacts.c["kind", "address_key", "id", "name", "time_zone", "erased_at"]).where(
    contacts.c.kind.in_(several("kinds")), contacts.c.address_key.in_(several("keys")), contacts.c.test == bindparam("test")
))  # fmt: skip
_ADD = Statement.insert(contacts)  # PostgreSQL runs the change again when another one was first
_KNOWN_AGAIN = Statement(
    update(contacts).where(contacts.c.id == bindparam("key")).values(address=bindparam("new_address"), erased_at=None)
)
_RENAME = Statement(
    update(contacts).where(contacts.c.id == bindparam("key")).values(name=bindparam("new_name"), time_zone=bindparam("new_time_zone"))
)


def _row(key: bytes, one: Known, test: bool) -> dict[str, Any]:
    contact_id = new_id("ctc")
    return {
        "id": contact_id, "kind": one.kind, "address": one.address, "address_key": key, "test": test, "name": _sealed(contact_id, one.name),
        "time_zone": one.time_zone, "created_at": now(), "erased_at": None,
    }  # fmt: skip


def _keep_newest(contact_id: str, name: bytes | None, time_zone: str, one: Known) -> None:
    row = contact_id.partition("_")[2]
    renamed = one.name and (name is None or keyring().open_json("contacts", row, "name", name) != one.name)
    if renamed or (one.time_zone and time_zone != one.time_zone):
        fresh = _sealed(contact_id, one.name) if renamed else name
        write(_RENAME, {"key": contact_id, "new_name": fresh, "new_time_zone": one.time_zone or time_zone})


def _sealed(contact_id: str, name: str) -> bytes | None:
    return keyring().seal_json("contacts", contact_id.partition("_")[2], "name", name) if name else None
