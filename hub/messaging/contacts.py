"""Contacts: found by address, or made."""

from __future__ import annotations

from sqlalchemy import select

from hub.crypto import blind
from hub.extensions import db
from hub.models import Contact
from hub.models.types import new_id
from hub.store import index_key, transaction


def address_key(kind: str, address: str) -> bytes:
    """Return what finds an address without revealing it."""
    return blind(index_key(), kind, address)


@transaction
def contact_for(kind: str, address: str, *, test: bool, name: str = "", time_zone: str = "") -> Contact:
    """Return the contact of an address in normal form; makes it, and keeps the newest name and time zone."""
    key = address_key(kind, address)
    found = db.session.scalar(select(Contact).where(Contact.kind == kind, Contact.address_key == key, Contact.test == test))
    if found is None:
        found = Contact(id=new_id("ctc"), kind=kind, address=address, address_key=key, test=test)
        db.session.add(found)
    if name and (found._name is None or found.name != name):
        found.name = name
    if time_zone and found.time_zone != time_zone:
        found.time_zone = time_zone
    db.session.flush()
    return found
