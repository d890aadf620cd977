"""Read what the index finds contacts and requests by: names, titles and addresses."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from hub.core.errors import DecryptionError
from hub.db.encrypted_fields import CONTACT_NAME, REQUEST_SENDER, REQUEST_TITLE, SIGNER_DETAILS
from hub.db.engine import db
from hub.db.types import keyring
from hub.lib.address_parts import address_parts, number_endings
from hub.lib.crypto import EncryptedField
from hub.lib.search_words import WHOLE, index_words
from hub.models import Contact, Signer, SigningRequest
from hub.search.unindexed import NUMBER_FIELD, TEXT_FIELDS


@dataclass(frozen=True)
class Document:
    """The words and the parts of addresses of one contact or request.

    `stored`: the stored values that they were read from, which show whether they have changed.
    """

    words: frozenset[str] = frozenset()
    parts: frozenset[bytes] = frozenset()
    stored: tuple[Any, ...] = field(default=(), compare=False)


NOTHING = Document()


def read_contacts(ids: Collection[str]) -> dict[str, Document]:
    """Return the documents of contacts. An erased contact has no words."""
    return {
        contact_id: _contact_document(contact_id, stored)
        for contact_id, stored in stored_contacts(ids).items()
    }


def stored_contacts(ids: Collection[str]) -> dict[str, tuple[Any, ...]]:
    """Return the stored values of contacts that are indexed."""
    query = select(Contact.id, Contact._name, Contact.kind, Contact.address)
    rows = db.session.execute(query.where(Contact.id.in_(ids)))
    return {contact_id: tuple(stored) for contact_id, *stored in rows}


def _contact_document(contact_id: str, stored: tuple[Any, ...]) -> Document:
    name, kind, address = stored
    words = index_words(_text(_decrypt(CONTACT_NAME, contact_id, name)))
    return Document(frozenset(words), frozenset(address_parts(kind, str(address))), stored)


def read_requests(ids: Collection[str]) -> dict[str, Document]:
    """Return the documents of requests: title, and names and addresses of their people."""
    return {
        request_id: _request_document(request_id, stored)
        for request_id, stored in stored_requests(ids).items()
    }


def stored_requests(ids: Collection[str]) -> dict[str, tuple[Any, ...]]:
    """Return the stored values of requests that are indexed, and those of their signers."""
    query = select(SigningRequest.id, SigningRequest._title, SigningRequest._sender)
    requests = db.session.execute(query.where(SigningRequest.id.in_(ids))).all()
    people = db.session.execute(
        select(Signer.request_id, Signer.id, Signer._details)
        .where(Signer.request_id.in_(ids))
        .order_by(Signer.id)
    )
    signers: dict[str, list[tuple[Any, ...]]] = {}
    for request_id, *stored in people:
        signers.setdefault(request_id, []).append(tuple(stored))
    return {
        request_id: (title, sender, tuple(signers.get(request_id, ())))
        for request_id, title, sender in requests
    }


def _request_document(request_id: str, stored: tuple[Any, ...]) -> Document:
    title, sender, signers = stored
    texts = [_text(_decrypt(REQUEST_TITLE, request_id, title))]
    people = [_decrypt(REQUEST_SENDER, request_id, sender)]
    people += [_decrypt(SIGNER_DETAILS, signer_id, details) for signer_id, details in signers]
    numbers = []
    for person in people:
        if isinstance(person, dict):
            texts += [_text(person.get(name)) for name in TEXT_FIELDS]
            numbers.append(_text(person.get(NUMBER_FIELD)))
    words = {word for text in texts for word in index_words(text)}
    words |= {WHOLE + ending for number in numbers for ending in number_endings(number)}
    return Document(frozenset(words), stored=stored)


def _decrypt(encrypted: EncryptedField, row_id: str, value: bytes | None) -> Any:
    """Return a value, or None if there is none or its key is missing."""
    if value is not None:
        with suppress(DecryptionError):
            return keyring().open_json(encrypted, row_id.rpartition("_")[2], value)
    return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
