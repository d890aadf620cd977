"""Erase a person from evidence: remove values and salts. The entries and their hashes stay."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, update

from hub.core.errors import Refused
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import new_id, now
from hub.evidence import recording
from hub.evidence.facts import BY_USER, Fact
from hub.lib import addresses
from hub.models import (
    Contact,
    EvidenceHold,
    EvidenceRow,
    InboundMessage,
    Message,
    Signer,
    SigningRequest,
)
from hub.shared import audit
from hub.shared.address_keys import address_keys, keys_of_contact

MAX_NAMED = 5  # held requests that an error names


@dataclass(frozen=True)
class _Person:
    """A person as evidence knows them: by a contact, or by an address whose contact is gone."""

    keys: Sequence[bytes]
    contact: Contact | None = None

    def rows(self) -> ColumnElement[bool]:
        """Select the rows whose values are about the person."""
        by_key = or_(EvidenceRow.address_key.in_(self.keys), EvidenceRow.other_key.in_(self.keys))
        if self.contact is None:
            return by_key
        same_kind = select(SigningRequest.id).where(SigningRequest.test == self.contact.test)
        return or_(
            EvidenceRow.contact_id == self.contact.id,
            and_(by_key, EvidenceRow.request_id.in_(same_kind)),
        )


def check_no_hold(
    contact: Contact, person_ids: Collection[str], request_ids: Collection[str]
) -> None:
    """Raise Refused if a request of a person is held.

    `person_ids`: the person as a participant of requests. `request_ids`: additional requests.
    """
    notified = select(Message.request_id).where(
        Message.contact_id == contact.id, Message.request_id.is_not(None)
    )
    joined = select(Signer.request_id).where(Signer.id.in_(person_ids))
    recorded = _Person(keys_of_contact(contact), contact).rows()
    _refuse_held(
        or_(
            EvidenceHold.request_id.in_(notified),
            EvidenceHold.request_id.in_(joined),
            EvidenceHold.request_id.in_(request_ids),
            EvidenceHold.request_id.in_(select(EvidenceRow.request_id).where(recorded)),
        )
    )


def _refuse_held(condition: ColumnElement[bool]) -> None:
    query = select(EvidenceHold.request_id).where(condition)
    held = list(db.session.scalars(query.order_by(EvidenceHold.request_id).limit(MAX_NAMED)))
    if held:
        raise Refused(
            "legal_hold",
            f"This person is part of requests with a legal hold: {', '.join(held)}. Remove the"
            " holds first.",
        )


def erase_values(contact: Contact) -> int:
    """Remove the values about a contact from evidence, inside a transaction.

    Returns the number of rows that lost values.
    """
    for table in (Message, InboundMessage):
        _execute(update(table).where(table.contact_id == contact.id).values(content_salt=None))
    return _erase(_Person(keys_of_contact(contact), contact))


@transaction
def erase_address(text: str) -> int:
    """Remove the values about an address whose contact was deleted by age.

    Returns the number of rows that lost values. Raises Refused for a legal hold, or an address
    with a contact.
    """
    keys = address_keys(*addresses.parse_typed(text))
    person = _Person(keys)
    held = select(EvidenceRow.request_id).where(person.rows())
    _refuse_held(EvidenceHold.request_id.in_(held))
    if _has_contact(keys):
        raise Refused(
            "contact_exists",
            "This address still has a contact. Erase the contact on its page, which includes the"
            " evidence. Nothing was removed.",
        )
    count = _erase(person)
    audit.record("evidence.address_erased", "", "an erased address", rows=count)
    return count


def _has_contact(keys: Collection[bytes]) -> bool:
    """Return whether an address belongs to a contact, whose page erases more."""
    query = select(Contact.id).where(Contact.address_key.in_(keys), Contact.erased_at.is_(None))
    return db.session.scalar(query.limit(1)) is not None


def _erase(person: _Person) -> int:
    query = select(EvidenceRow.id, EvidenceRow.request_id).where(
        person.rows(), EvidenceRow._values.is_not(None)
    )
    rows = db.session.execute(query).all()
    _execute(
        update(EvidenceRow).where(EvidenceRow.id.in_([row.id for row in rows])).values(_values=None)
    )
    recording.store_facts(
        _erasure(request_id, person.contact)
        for request_id in sorted({row.request_id for row in rows})
    )
    return len(rows)


def _erasure(request_id: str, contact: Contact | None) -> Fact:
    """Return the fact that values about a person were erased."""
    # with the ID that `contact_facts` gives to the erasure of a contact, so that it is stored once
    subject = contact.id if contact else new_id("ctc")
    return Fact(
        request_id=request_id,
        subject=subject,
        id=f"{subject}/erased",
        at=now(),
        kind="values.erased",
        by=BY_USER,
        details={"contact": contact.id if contact else None},
    )


def _execute(statement: Any) -> None:
    db.session.execute(statement.execution_options(synchronize_session=False))
