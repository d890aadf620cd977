"""Find contacts that are linked to others, because they are one person.

Opt-outs, consents and session windows of each apply to the other. Links are not transitive: the ID
of a person who changed numbers is linked to both numbers, but these are not linked to each other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select, union_all

from hub.db.compiled_sql import Statement, get_table
from hub.db.store import list_param, read
from hub.models import Contact, ContactLink


@dataclass(frozen=True, slots=True)
class Linked:
    """A contact that is the same person as another one."""

    id: str
    address_key: bytes


def linked_contacts(contact_ids: Collection[str]) -> dict[str, list[Linked]]:
    """Return the contacts that each of these is linked to."""
    links: dict[str, list[Linked]] = {}
    if contact_ids:
        ids = list(contact_ids)
        for contact_id, other_id, key in read(_LINKED, contacts=ids):
            links.setdefault(contact_id, []).append(Linked(other_id, key))
    return links


def add_linked_ids(ids: Iterable[str], links: Mapping[str, Sequence[Linked]]) -> set[str]:
    """Return the IDs of these contacts and of those that they are linked to."""
    own_ids = set(ids)
    return own_ids | {other.id for contact_id in own_ids for other in links.get(contact_id, ())}


_links = get_table(ContactLink)
_contacts = get_table(Contact)
_CONTACT_IDS = list_param("contacts")
_BOTH_WAYS = union_all(
    select(_links.c.contact_id.label("contact"), _links.c.other_id.label("other")).where(
        _links.c.contact_id.in_(_CONTACT_IDS), _links.c.undone_at.is_(None)
    ),
    select(_links.c.other_id, _links.c.contact_id).where(
        _links.c.other_id.in_(_CONTACT_IDS), _links.c.undone_at.is_(None)
    ),
).subquery()
_LINKED = Statement(
    select(_BOTH_WAYS.c.contact, _contacts.c.id, _contacts.c.address_key).join(
        _contacts, _contacts.c.id == _BOTH_WAYS.c.other
    )
)
