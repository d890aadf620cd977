"""Contacts that are linked to others, because they are one person.

Opt-outs, consents and session windows of one hold for the other. A link reaches one step: a person
who changed the number is linked to both numbers, which are not linked to each other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select, union_all

from hub.db.compiled_sql import Statement, table_of
from hub.db.store import list_param, read
from hub.models import Contact, ContactLink


@dataclass(frozen=True, slots=True)
class Linked:
    """A contact that is the same person as another one."""

    id: str
    address_key: bytes


def linked_contacts(contact_ids: Collection[str]) -> dict[str, list[Linked]]:
    """Return the contacts that each of these is linked to."""
    found: dict[str, list[Linked]] = {}
    if contact_ids:
        ids = list(contact_ids)
        for contact_id, other_id, key in read(_LINKED, contacts=ids):
            found.setdefault(contact_id, []).append(Linked(other_id, key))
    return found


def with_linked(ids: Iterable[str], links: Mapping[str, Sequence[Linked]]) -> set[str]:
    """Return these contacts and those that they are linked to."""
    found = set(ids)
    return found | {one.id for contact_id in found for one in links.get(contact_id, ())}


_links = table_of(ContactLink)
_contacts = table_of(Contact)
_MEANT = list_param("contacts")
_BOTH_WAYS = union_all(
    select(_links.c.contact_id.label("mine"), _links.c.other_id.label("other")).where(
        _links.c.contact_id.in_(_MEANT), _links.c.undone_at.is_(None)
    ),
    select(_links.c.other_id, _links.c.contact_id).where(
        _links.c.other_id.in_(_MEANT), _links.c.undone_at.is_(None)
    ),
).subquery()
_LINKED = Statement(
    select(_BOTH_WAYS.c.mine, _contacts.c.id, _contacts.c.address_key).join(
        _contacts, _contacts.c.id == _BOTH_WAYS.c.other
    )
)
