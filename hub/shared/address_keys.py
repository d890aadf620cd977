"""Keys that find a contact by its address without revealing the address."""

from __future__ import annotations

from hub.lib import addresses
from hub.lib.crypto import blind_index
from hub.models import Contact
from hub.shared.index_key import index_key


def address_key(kind: str, address: str) -> bytes:
    """Return the key of an address's normal form."""
    return blind_index(index_key(), kind, addresses.normalize(kind, address))


def address_keys(kind: str, address: str) -> tuple[bytes, ...]:
    """Return all keys under which an address may be stored, the key of its normal form first."""
    key = index_key()
    return tuple(blind_index(key, kind, form) for form in addresses.written_forms(kind, address))


def keys_of_contact(contact: Contact) -> tuple[bytes, ...]:
    """Return the keys of a contact's address. An erased contact has only its stored key."""
    return (
        (contact.address_key,) if contact.erased_at else address_keys(contact.kind, contact.address)
    )
