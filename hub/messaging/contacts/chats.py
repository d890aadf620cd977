"""Chats in which people let us write to them: kept by the addresses that their signing app knows
them by.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import bindparam, select, update

from hub.db.compiled_sql import Statement, table_of
from hub.db.store import list_param, read, transaction, write
from hub.db.types import now
from hub.models import Contact, LinkedChat
from hub.shared.address_keys import address_key, address_keys

_chats = table_of(LinkedChat)


@transaction
def link_chat(
    connection_id: str,
    source_id: str,
    addresses: Mapping[str, str],
    contact_id: str,
    callback_id: str | None = None,
) -> None:
    """Let a chat reach who has these addresses, kind to address, from now on instead of another
    one.
    """
    keys = [address_key(kind, address) for kind, address in addresses.items()]
    rows = [
        {
            "connection_id": connection_id,
            "source_id": source_id,
            "address_key": key,
            "contact_id": contact_id,
            "linked_at": now(),
            "callback_id": callback_id,
        }
        for key in keys
    ]
    write(_ADD, rows)
    write(_CHANGE, [{f"new_{name}": value for name, value in row.items()} for row in rows])


def chats_of(
    people: Mapping[str, Mapping[str, str]], source_id: str, connection_ids: Collection[str]
) -> dict[str, dict[str, str]]:
    """Return the chats of people, whose addresses are given by kind: by person, connection to the
    chat's address.

    Several people may share an address, an office's say: a chat is somebody's only where all their
    addresses lead to it.
    """
    keys = {
        person: {address_keys(kind, address) for kind, address in addresses.items()}
        for person, addresses in people.items()
    }
    every = {key for theirs in keys.values() for forms in theirs for key in forms}
    chats: dict[str, dict[bytes, str]] = {}
    if every and connection_ids:
        for connection_id, key, address in read(
            _FIND, source=source_id, keys=list(every), connections=list(connection_ids)
        ):
            chats.setdefault(connection_id, {})[key] = address
    found: dict[str, dict[str, str]] = {}
    for person, theirs in keys.items():
        for connection_id, by_key in chats.items():
            reached = {
                next((by_key[key] for key in forms if key in by_key), "") for forms in theirs
            }
            if len(reached) == 1 and "" not in reached:
                found.setdefault(person, {})[connection_id] = reached.pop()
    return found


@transaction
def move_chat(before: str, after: str) -> None:
    """Follow a chat to the contact that it became."""
    write(_MOVE, {"before": before, "after": after})


_ADD = Statement.insert(_chats, on_conflict_do_nothing=True)
_CHANGE = Statement(
    update(_chats)
    .where(
        _chats.c.connection_id == bindparam("new_connection_id"),
        _chats.c.source_id == bindparam("new_source_id"),
        _chats.c.address_key == bindparam("new_address_key"),
    )
    .values(
        contact_id=bindparam("new_contact_id"),
        linked_at=bindparam("new_linked_at"),
        callback_id=bindparam("new_callback_id"),
    )
)
_FIND = Statement(
    select(_chats.c.connection_id, _chats.c.address_key, Contact.address)
    .join(Contact, Contact.id == _chats.c.contact_id)
    .where(
        _chats.c.source_id == bindparam("source"),
        _chats.c.address_key.in_(list_param("keys")),
        _chats.c.connection_id.in_(list_param("connections")),
        Contact.erased_at.is_(None),
    )
    .order_by(_chats.c.linked_at)
)
_MOVE = Statement(
    update(_chats)
    .where(_chats.c.contact_id == bindparam("before"))
    .values(contact_id=bindparam("after"))
)
