"""Chats that people linked to themselves, stored by the addresses that their signing app uses."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import bindparam, select, update

from hub.db.compiled_sql import Statement, get_table
from hub.db.engine import db
from hub.db.store import list_param, read, transaction
from hub.db.types import now
from hub.models import Contact, LinkedChat
from hub.shared.address_keys import address_key, address_keys

_chats_table = get_table(LinkedChat)


@transaction
def link_chat(
    connection_id: str,
    source_id: str,
    addresses: Mapping[str, str],
    contact_id: str,
    callback_id: str | None = None,
) -> None:
    """Link a chat to the person with these addresses (kind to address), instead of another chat."""
    for kind, address in addresses.items():
        db.session.merge(
            LinkedChat(
                connection_id=connection_id,
                source_id=source_id,
                address_key=address_key(kind, address),
                contact_id=contact_id,
                linked_at=now(),
                callback_id=callback_id,
            )
        )
    db.session.flush()


def find_chats(
    people: Mapping[str, Mapping[str, str]], source_id: str, connection_ids: Collection[str]
) -> dict[str, dict[str, str]]:
    """Return the chats of people: for each person, connection ID to the chat's address.

    `people` maps each person to addresses by kind. People may share an address, such as an office's
    number, so a chat belongs to a person only if all of the person's addresses lead to it.
    """
    keys = {
        person: {address_keys(kind, address) for kind, address in addresses.items()}
        for person, addresses in people.items()
    }
    all_keys = {key for of_person in keys.values() for forms in of_person for key in forms}
    chats_by_key: dict[str, dict[bytes, str]] = {}
    if all_keys and connection_ids:
        for connection_id, key, address in read(
            _FIND, source=source_id, keys=list(all_keys), connections=list(connection_ids)
        ):
            chats_by_key.setdefault(connection_id, {})[key] = address
    result: dict[str, dict[str, str]] = {}
    for person, of_person in keys.items():
        for connection_id, by_key in chats_by_key.items():
            chats = {
                next((by_key[key] for key in forms if key in by_key), "") for forms in of_person
            }
            if len(chats) == 1 and "" not in chats:
                result.setdefault(person, {})[connection_id] = chats.pop()
    return result


@transaction
def move_chat(before: str, after: str) -> None:
    """Move the links of a chat to the contact that replaces it."""
    db.session.execute(
        update(LinkedChat).where(LinkedChat.contact_id == before).values(contact_id=after)
    )


_FIND = Statement(
    select(_chats_table.c.connection_id, _chats_table.c.address_key, Contact.address)
    .join(Contact, Contact.id == _chats_table.c.contact_id)
    .where(
        _chats_table.c.source_id == bindparam("source"),
        _chats_table.c.address_key.in_(list_param("keys")),
        _chats_table.c.connection_id.in_(list_param("connections")),
        Contact.erased_at.is_(None),
    )
    .order_by(_chats_table.c.linked_at)
)
