"""Find the people of requests by an address, although their details are encrypted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, select

from hub.core.errors import DecryptionError
from hub.db.engine import db
from hub.lib import addresses
from hub.models import Contact, Signer, SigningRequest
from hub.signing.people import ADDRESS_FIELDS

BATCH_SIZE = 500  # rows


@dataclass(frozen=True)
class FoundPeople:
    """The people of requests with an address, notified or not."""

    person_ids: Sequence[str]
    sender_request_ids: Sequence[str]  # the requests whose sender has the address


def find_people(contact: Contact) -> FoundPeople:
    """Return the people of requests who have the address of a contact."""
    return FoundPeople(_find_person_ids(contact), _find_sender_requests(contact))


def _find_person_ids(contact: Contact) -> list[str]:
    requests = select(SigningRequest.id).where(SigningRequest.test == contact.test)
    condition = and_(Signer._details.is_not(None), Signer.request_id.in_(requests))
    return _find_ids(contact, Signer, condition, lambda row: row.details)


def _find_sender_requests(contact: Contact) -> list[str]:
    condition = and_(SigningRequest._sender.is_not(None), SigningRequest.test == contact.test)
    return _find_ids(contact, SigningRequest, condition, lambda row: row.sender)


def _find_ids(
    contact: Contact,
    model: Any,
    condition: ColumnElement[bool],
    read_details: Callable[[Any], Mapping[str, Any] | None],
) -> list[str]:
    """Return the IDs of the rows whose encrypted details hold the address of a contact."""
    field = ADDRESS_FIELDS.get(contact.kind, "")
    ids: list[str] = []
    last_id = ""
    while field and contact.address:
        query = select(model).where(condition, *([model.id > last_id] if last_id else []))
        rows = list(db.session.scalars(query.order_by(model.id).limit(BATCH_SIZE)))
        for row in rows:
            db.session.expunge(row)  # keeps memory low, since few of the rows match
            with suppress(DecryptionError):
                address = addresses.normalize(
                    contact.kind, str((read_details(row) or {}).get(field) or "")
                )
                if address.lower() == contact.address.lower():
                    ids.append(row.id)
        if not rows:
            break
        last_id = rows[-1].id
    return ids
