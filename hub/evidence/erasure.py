"""Erase a person from evidence: remove values and salts. The entries and their hashes stay."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, update

from hub.core.errors import Refused
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import new_id, now
from hub.evidence import recording
from hub.evidence.facts import BY_USER, Fact, read_or_none
from hub.evidence.request_facts import PERSON_STORED
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
    _erase_named({row.request_id: () for row in rows})
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


def erase_people(contact: Contact, people: Mapping[str, Collection[str]]) -> None:
    """Remove the values about people of requests, and the salts of posts that name them.

    `people`: the IDs of the erased people, by request. Inside a transaction.
    """
    query = select(SigningRequest.id).where(
        SigningRequest.id.in_(people), SigningRequest.test == contact.test
    )
    same_kind = set(db.session.scalars(query))
    changed = _erase_named(
        {request_id: ids if request_id in same_kind else () for request_id, ids in people.items()}
    )
    recording.store_facts(_erasure(request_id, contact) for request_id in sorted(changed))


def _erase_named(people: Mapping[str, Collection[str]]) -> set[str]:
    """Remove values about people, and the salts of team posts; return the requests with changes.

    The posts of a team name every signer. With the salt of a deleted post, a guessed name could be
    compared with its hash.
    """
    posts = and_(
        Message.request_id.in_(people), or_(Message.thread != "", Message.signer_id.is_(None))
    )
    _execute(update(Message).where(posts).values(content_salt=None))
    query = select(EvidenceRow).where(
        EvidenceRow.request_id.in_(people), EvidenceRow._values.is_not(None)
    )
    changed = set()
    for row in db.session.scalars(query):
        entries = recording.read_entries(row.id, row.content)
        if _describes(entries, people[row.request_id]):
            row.values = None
        elif texts := _texts_of_posts(entries):
            kept = read_or_none(partial(getattr, row, "values")) or {}
            if kept and not texts & kept.keys():
                continue
            # values that cannot be decrypted now could be with a key that is found later
            row.values = {name: kept[name] for name in kept if name not in texts} or None
        else:
            continue
        changed.add(row.request_id)
    db.session.flush()
    return changed


def _describes(entries: Sequence[Mapping[str, Any]], people: Collection[str]) -> bool:
    return any(
        entry["kind"] == PERSON_STORED and entry.get("person") in people for entry in entries
    )


def _texts_of_posts(entries: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the hashes of the texts of posts to a team: messages to no person of the request."""
    return {
        entry["content"]["sha256"]
        for entry in entries
        if entry["kind"] == "message.created" and not entry.get("person") and "content" in entry
    }


def _execute(statement: Any) -> None:
    db.session.execute(statement.execution_options(synchronize_session=False))
