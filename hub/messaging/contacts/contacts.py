"""Find contacts by their addresses, or create them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import bindparam, select, update

from hub.core.errors import DecryptionError
from hub.db.compiled_sql import Statement, get_table
from hub.db.encrypted_fields import CONTACT_NAME
from hub.db.store import list_param, read, transaction, write
from hub.db.types import keyring, new_id, now
from hub.lib import addresses
from hub.messaging.contacts import merging
from hub.models import Contact, Recipient
from hub.search import unindexed
from hub.shared.address_keys import address_keys

contacts = get_table(Contact)


@dataclass(frozen=True)
class KnownAddress:
    """An address, with the name and time zone of the person if the source sends them."""

    kind: str
    address: str
    name: str = ""
    time_zone: str = ""


def get_or_create_contact(
    kind: str, address: str, *, test: bool, name: str = "", time_zone: str = ""
) -> Recipient:
    """Return the contact of an address; create it, or update its name and time zone."""
    return get_or_create_contacts([KnownAddress(kind, address, name, time_zone)], test=test)[
        kind, address
    ]


@transaction
def get_or_create_contacts(
    known_addresses: Collection[KnownAddress], *, test: bool
) -> dict[tuple[str, str], Recipient]:
    """Return the contacts of many addresses, by kind and address; create the missing ones."""
    recipients = prepare_contacts(known_addresses, test=test)
    store_recipients(recipients.values())
    return {key: replace(recipient, new_row=None) for key, recipient in recipients.items()}


@transaction
def prepare_contacts(
    known_addresses: Collection[KnownAddress], *, test: bool
) -> dict[tuple[str, str], Recipient]:
    """Return the contacts of many addresses, by kind and address. Missing ones have a `new_row`.

    The rows are stored by `outbox.add_messages`, with the first messages to these contacts.
    """
    keys_by_address = {known: address_keys(known.kind, known.address) for known in known_addresses}
    stored = _find(keys_by_address, test)
    new_rows: dict[bytes, dict[str, Any]] = {}
    recipients = {}
    for known, (key, *_) in keys_by_address.items():
        if key in stored:
            recipient = _update_contact(known, key, stored[key])
        else:
            row = new_rows.get(key) or new_rows.setdefault(key, _new_row(key, known, test))
            recipient = _new_recipient(known, row)
        recipients[known.kind, known.address] = recipient
    return recipients


def store_recipients(recipients: Iterable[Recipient], informed: Collection[str] = ()) -> None:
    """Store the new contacts among recipients, inside a transaction.

    `informed`: the IDs of recipients to whom an SMS with an opt-out line is stored.
    """
    new_rows = {item.id: item.new_row for item in recipients if item.new_row is not None}
    at = now()
    write(
        _ADD,
        [
            {**row, "opt_out_line_at": at if contact_id in informed else None}
            for contact_id, row in new_rows.items()
        ],
    )
    unindexed.mark_contacts(new_rows)
    known = [contact_id for contact_id in informed if contact_id not in new_rows]
    write(_MARK_INFORMED, [{"key": contact_id, "at": at} for contact_id in known])


def find_contacts(
    wanted: Collection[tuple[str, str]], *, test: bool
) -> dict[tuple[str, str], Recipient]:
    """Return the stored contacts of kinds and addresses. It reads only."""
    keys_of = {(kind, address): address_keys(kind, address) for kind, address in wanted}
    if not keys_of:
        return {}
    kinds = [kind for kind, _ in keys_of]
    rows = read(
        _FIND, kinds=kinds, keys=[key for keys in keys_of.values() for key in keys], test=test
    )
    stored = {
        key: (row_id, time_zone, has_line)
        for key, row_id, _, time_zone, _, has_line, is_same in rows
        if is_same
    }
    return {
        (kind, address): Recipient(stored[key][0], address, key, *stored[key][1:])
        for (kind, address), keys in keys_of.items()
        for key in reversed(keys)
        if key in stored
    }


def _find(
    keys_by_address: Mapping[KnownAddress, tuple[bytes, ...]], test: bool
) -> dict[bytes, tuple[str, bytes | None, str, bool, bool]]:
    """Return the ID, encrypted name, time zone, erasure and whether contacts got the opt-out line.

    They are found by the key of their normal form. Contacts under another form of their address
    are merged first.
    """
    if not keys_by_address:
        return {}
    parameters: dict[str, Any] = {
        "test": test,
        "kinds": list({known.kind for known in keys_by_address}),
        "keys": [key for keys in keys_by_address.values() for key in keys],
    }
    rows = read(_FIND, **parameters)
    normal_keys = {keys[0] for keys in keys_by_address.values()}
    if other_keys := {row[0] for row in rows} - normal_keys:
        for known, keys in keys_by_address.items():
            if other_keys.intersection(keys):
                normal_form = addresses.normalize(known.kind, known.address)
                merging.merge_contacts(known.kind, normal_form, keys)
        rows = read(_FIND, **parameters)
    return {
        key: (row_id, name, time_zone, bool(is_erased), bool(has_line))
        for key, row_id, name, time_zone, is_erased, has_line, has_same_test in rows
        if has_same_test
    }


# `test` is compared in the database, so that a damaged value of one contact stops no other one
_FIND = Statement(
    select(
        *contacts.c["address_key", "id", "name", "time_zone"],
        contacts.c.erased_at.is_not(None),
        contacts.c.opt_out_line_at.is_not(None),
        contacts.c.test == bindparam("test"),
    ).where(
        contacts.c.kind.in_(list_param("kinds")), contacts.c.address_key.in_(list_param("keys"))
    )
)
_ADD = Statement.insert(contacts)  # on PostgreSQL, the transaction is retried after a conflict
_RESTORE_ADDRESS = Statement(
    update(contacts)
    .where(contacts.c.id == bindparam("key"))
    .values(address=bindparam("new_address"), erased_at=None)
)
_MARK_INFORMED = Statement(
    update(contacts)
    .where(contacts.c.id == bindparam("key"), contacts.c.opt_out_line_at.is_(None))
    .values(opt_out_line_at=bindparam("at"))
)
_RENAME = Statement(
    update(contacts)
    .where(contacts.c.id == bindparam("key"))
    .values(name=bindparam("new_name"), time_zone=bindparam("new_time_zone"))
)


def _new_row(key: bytes, known: KnownAddress, test: bool) -> dict[str, Any]:
    return {
        "id": new_id("ctc"),
        "kind": known.kind,
        "address": addresses.normalize(known.kind, known.address),
        "address_key": key,
        "test": test,
        "name": None,
        "time_zone": "",
        "created_at": now(),
        "erased_at": None,
    }


def _new_recipient(known: KnownAddress, row: dict[str, Any]) -> Recipient:
    """Complete the row of a new contact, and return the contact.

    Several people may have the address. The first name and the first time zone are stored.
    """
    if row["name"] is None:
        row["name"] = _encrypt_name(row["id"], known.name)
    row["time_zone"] = row["time_zone"] or known.time_zone
    time_zone = known.time_zone or row["time_zone"]
    return Recipient(row["id"], row["address"], row["address_key"], time_zone, new_row=row)


def _update_contact(
    known: KnownAddress, key: bytes, stored: tuple[str, bytes | None, str, bool, bool]
) -> Recipient:
    """Update the name and time zone of a stored contact, and its address if that was erased."""
    contact_id, name, time_zone, is_erased, has_opt_out_line = stored
    address = addresses.normalize(known.kind, known.address)
    # the app mentions the person again, so the address is stored; erased data is not restored
    if is_erased:
        write(_RESTORE_ADDRESS, {"key": contact_id, "new_address": address})
        unindexed.mark_contacts([contact_id])
    _update_details(contact_id, name, time_zone, known)
    return Recipient(contact_id, address, key, known.time_zone or time_zone, has_opt_out_line)


def _update_details(
    contact_id: str, name: bytes | None, time_zone: str, known: KnownAddress
) -> None:
    row = contact_id.partition("_")[2]
    renamed = known.name and _decrypt_name(row, name) != known.name
    if renamed or (known.time_zone and time_zone != known.time_zone):
        new_name = _encrypt_name(contact_id, known.name) if renamed else name
        write(
            _RENAME,
            {
                "key": contact_id,
                "new_name": new_name,
                "new_time_zone": known.time_zone or time_zone,
            },
        )
    if renamed:
        unindexed.mark_contacts([contact_id])


def _decrypt_name(row: str, encrypted: bytes | None) -> str | None:
    """Return the stored name of a contact, or None if there is none or it cannot be read."""
    try:
        return None if encrypted is None else str(keyring().open_json(CONTACT_NAME, row, encrypted))
    except DecryptionError:
        return None


def _encrypt_name(contact_id: str, name: str) -> bytes | None:
    return keyring().seal_json(CONTACT_NAME, contact_id.partition("_")[2], name) if name else None
