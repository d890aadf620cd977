"""Erase a contact: remove texts and addresses, but keep counts and hashes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update

from hub.core.errors import DecryptionError, NotFound, Refused
from hub.core.vocabulary import PersonRole
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import is_id, now
from hub.endpoints import deliveries
from hub.evidence import erasure as evidence_erasure
from hub.evidence import request_facts
from hub.lib import addresses
from hub.messaging.compose import cancellation
from hub.messaging.contacts import contact_links, opt_out_events, suppressions
from hub.messaging.inbox.inbound import inbound_causes
from hub.models import (
    AuditEntry,
    Connection,
    Consent,
    Contact,
    Event,
    InboundMessage,
    Link,
    LinkedChat,
    Message,
    MessageBody,
    PausedDestination,
    PlatformEvent,
    ProviderCallback,
    RecipientPace,
    SessionWindow,
    Signer,
    SigningRequest,
    StatusEvent,
    Suppression,
)
from hub.search import entries
from hub.shared import audit
from hub.shared.address_keys import keys_of_contact
from hub.signing import people_lookup
from hub.signing.people import SENDER_ID
from hub.signing.people_lookup import FoundPeople

STOP_REASON = "The person was erased."
MAX_REASON = 500  # characters
BATCH_SIZE = 500  # values in a list
KEPT_SIGNER_FIELDS = ("id",)
# callbacks arrive for days after a message, and are stored for a month
LATE_CALLBACKS = timedelta(days=40)


@dataclass(frozen=True)
class ErasureResult:
    """The number of texts, people of requests and webhooks that an erasure removed."""

    texts: int  # in both directions
    people: int
    webhooks: int


def find_contact(contact_id: str) -> Contact:
    """Return a contact. Raises NotFound."""
    contact = db.session.get(Contact, contact_id) if is_id("ctc", contact_id) else None
    if contact is None:
        raise NotFound("no_such_contact", "There is no contact with this ID.")
    return contact


def other_contacts(contact: Contact) -> list[Contact]:
    """Return contacts that probably belong to the same person.

    They are other addresses of signers notified at this one, their chats, and the same address in
    test or live data.
    """
    signers = select(Message.signer_id).where(
        Message.contact_id == contact.id, Message.signer_id.is_not(None)
    )
    notified_contacts = select(Message.contact_id).where(Message.signer_id.in_(signers))
    address_keys = keys_of_contact(contact)
    chats = select(LinkedChat.contact_id).where(LinkedChat.address_key.in_(address_keys))
    same_address = and_(Contact.kind == contact.kind, Contact.address_key.in_(address_keys))
    linked = Contact.id.in_([other.id for _, other in contact_links.list_links(contact)])
    same_person = or_(
        Contact.id.in_(notified_contacts), Contact.id.in_(chats), same_address, linked
    )
    query = select(Contact).where(
        same_person, Contact.id != contact.id, Contact.erased_at.is_(None)
    )
    return list(db.session.scalars(query.order_by(Contact.id)))


# ── Erasing ───────────────────────────────────────────────────────────────────────────────────────
def erase_contact(contact_id: str, *, reason: str) -> ErasureResult:
    """Remove a contact's address, messages in both directions, and data from signing apps.

    The records that stay identify no one: sent messages and their statuses, consents without
    proof, and the hashes of opted-out addresses. Waiting messages are canceled. Raises NotFound,
    Refused.
    """
    # read before the write lock, because the details of everyone are decrypted
    found = people_lookup.find_people(find_contact(contact_id))
    db.session.rollback()
    return _erase(contact_id, found, reason)


@transaction
def _erase(contact_id: str, found: FoundPeople, reason: str) -> ErasureResult:
    contact = find_contact(contact_id)
    if contact.erased_at is not None:
        raise Refused("erased_already", "This person was already erased.")
    if not reason.strip() or len(reason) > MAX_REASON:
        raise Refused(
            "no_reason",
            f"Enter who requested the erasure and when, in at most {MAX_REASON} characters.",
            field="why",
        )
    evidence_erasure.check_no_hold(contact, found.person_ids, found.sender_request_ids)
    cancellation.stop_contact(contact.id, STOP_REASON)
    sent = _sent_messages(contact.id)
    received = _received_messages(contact.id)
    texts = sum(
        _delete(MessageBody.owner_id, [row_id.partition("_")[2] for row_id in batch])
        for batch in _batches(sent + received)
    )
    webhooks = _delete_callbacks(contact.id, sent, received)
    evidence_erasure.erase_values(contact)
    people = _erase_people(contact, found)
    _delete_links(contact.id, found)
    webhooks += _delete_chats(contact)
    _blank_records(contact)
    contact.address = ""
    contact.name = None
    contact.time_zone = ""
    contact.erased_at = now()
    entries.forget_contacts([contact.id])
    audit.record(
        "contact.erased",
        contact.id,
        "an erased address",
        why=reason.strip(),
        words=texts,
        signers=people,
        webhooks=webhooks,
    )
    return ErasureResult(texts, people, webhooks)


def _sent_messages(contact_id: str) -> list[str]:
    return list(db.session.scalars(select(Message.id).where(Message.contact_id == contact_id)))


def _received_messages(contact_id: str) -> list[str]:
    query = select(InboundMessage.id).where(InboundMessage.contact_id == contact_id)
    return list(db.session.scalars(query))


def _delete_chats(contact: Contact) -> int:
    """Delete a contact's chats, windows and pauses; return the number of deleted webhooks."""
    linked = select(LinkedChat.callback_id).where(
        LinkedChat.contact_id == contact.id, LinkedChat.callback_id.is_not(None)
    )
    callbacks = [row_id for row_id in db.session.scalars(linked) if row_id]
    webhooks = _delete(ProviderCallback.id, callbacks)
    for table in (SessionWindow, RecipientPace, PausedDestination, LinkedChat):
        _delete(table.contact_id, [contact.id])
    _execute(delete(LinkedChat).where(LinkedChat.address_key.in_(keys_of_contact(contact))))
    return webhooks


def _blank_records(contact: Contact) -> None:
    """Remove personal data from the records that stay: consents, opt-outs and activity."""
    _execute(
        update(Consent)
        .where(Consent.contact_id == contact.id)
        .values(ip="", user_agent="", _proof=None)
    )
    titles = addresses.written_forms(contact.kind, contact.address)
    _execute(
        update(AuditEntry).where(AuditEntry.title.in_(titles)).values(title="an erased address")
    )
    opt_outs = [row.id for row in suppressions.opt_outs_of_contact(contact)]
    _execute(
        update(Suppression)
        .where(Suppression.id.in_(opt_outs))
        .values(explanation="", lift_reason="")
    )
    _execute(update(AuditEntry).where(AuditEntry.subject.in_(opt_outs)).values(detail={}))


def clean_erased() -> int:
    """Delete callbacks about contacts that arrived after their erasure; return their number."""
    query = select(Contact.id).where(Contact.erased_at > now() - LATE_CALLBACKS).limit(BATCH_SIZE)
    ids = list(db.session.scalars(query))
    db.session.rollback()
    return sum(_clean(contact_id) for contact_id in ids)


@transaction
def _clean(contact_id: str) -> int:
    return _delete_callbacks(contact_id, _sent_messages(contact_id), _received_messages(contact_id))


def _delete_callbacks(contact_id: str, sent: Sequence[str], received: Sequence[str]) -> int:
    """Delete the callbacks about a contact, and the personal data in platform events.

    Returns the number of deleted callbacks.
    """
    for batch in _batches(received):
        _erase_responses(PlatformEvent.cause.in_(inbound_causes(batch)))
        _delete(PlatformEvent.cause, inbound_causes(batch))
    for batch in _batches(sent):
        _erase_responses(PlatformEvent.message_id.in_(batch))
    for batch in _batches(opt_out_events.decision_causes(_decision_rows(contact_id, received))):
        _erase_responses(PlatformEvent.cause.in_(batch))
    for batch in _batches(sent):  # the event stays, without its payload, which holds the address
        _execute(
            update(PlatformEvent)
            .where(PlatformEvent.message_id.in_(batch), PlatformEvent._payload.is_not(None))
            .values(_payload=None)
        )
    ids = _callback_ids(contact_id, sent)
    return sum(_delete(ProviderCallback.id, batch) for batch in _batches(ids))


def _decision_rows(contact_id: str, received: Sequence[str]) -> list[str]:
    """Return the IDs of the rows that store the opt-outs and opt-ins of a contact."""
    contact = db.session.get_one(Contact, contact_id)
    opt_outs = [row.id for row in suppressions.opt_outs_of_contact(contact)]
    consents = db.session.scalars(select(Consent.id).where(Consent.contact_id == contact_id))
    return [*received, *opt_outs, *consents]


def _delete_links(contact_id: str, found: FoundPeople) -> None:
    """Delete the short links in messages to a contact, and to the people of the contact."""
    notified = select(Message.signer_id).where(
        Message.contact_id == contact_id, Message.signer_id.is_not(None)
    )
    message_ids = (
        select(Message.id)
        .join(Signer, and_(Signer.request_id == Message.request_id, Signer.id == Message.signer_id))
        .where(or_(Signer.id.in_(notified), Signer.id.in_(found.person_ids)))
    )
    _execute(delete(Link).where(Link.message_id.in_(message_ids)))


def _erase_responses(condition: ColumnElement[bool]) -> None:
    """Delete the responses of apps to the webhooks about some events."""
    event_ids = list(db.session.scalars(select(PlatformEvent.id).where(condition)))
    for batch in _batches(event_ids):
        deliveries.erase_responses(batch)


def _callback_ids(contact_id: str, sent: Sequence[str]) -> list[str]:
    ids = set(
        db.session.scalars(
            select(InboundMessage.callback_id).where(
                InboundMessage.contact_id == contact_id, InboundMessage.callback_id.is_not(None)
            )
        )
    )
    for batch in _batches(sent):
        ids |= set(
            db.session.scalars(
                select(StatusEvent.callback_id).where(
                    StatusEvent.message_id.in_(batch), StatusEvent.callback_id.is_not(None)
                )
            )
        )
    return sorted(filter(None, ids))


def _erase_people(contact: Contact, found: FoundPeople) -> int:
    """Remove the personal data of a contact's people, from their rows, posts and events.

    Returns the number of people, of which each request can have several.
    """
    notified = select(Message.signer_id).where(
        Message.contact_id == contact.id, Message.signer_id.is_not(None)
    )
    query = select(Signer).where(or_(Signer.id.in_(notified), Signer.id.in_(found.person_ids)))
    rows = list(db.session.scalars(query))
    erased: dict[str, set[tuple[str, str]]] = {}  # of each request: roles and IDs in the app
    recorded: dict[str, set[str]] = {}  # of each request: the people as evidence names them
    for row in rows:
        erased.setdefault(row.request_id, set()).add((row.role, row.external_id))
        recorded.setdefault(row.request_id, set()).add(row.id)
        row.details = None
        row.signing_url = None
        row.remind_at = None
    for request_id in found.sender_request_ids:
        erased.setdefault(request_id, set()).add(SENDER)
    for request_id, people in erased.items():
        if SENDER in people:
            recorded.setdefault(request_id, set()).add(request_facts.sender_person(request_id))
            db.session.get_one(SigningRequest, request_id).sender = None
        _erase_payloads(request_id, people)
    if erased:
        evidence_erasure.erase_people(contact, recorded)
        _delete_source_webhooks(list(erased))
        _delete_cards(list(erased))
        entries.renew_requests(list(erased))
    return sum(len(people) for people in erased.values())


def _delete_source_webhooks(request_ids: Sequence[str]) -> None:
    """Delete the webhooks of signing apps about requests, which name all of their people."""
    apps = select(Connection.id).where(Connection.source_id.is_not(None))
    for batch in _batches(request_ids):
        names = select(SigningRequest.external_id).where(SigningRequest.id.in_(batch))
        about = (ProviderCallback.subject.in_(names), ProviderCallback.connection_id.in_(apps))
        _execute(delete(ProviderCallback).where(*about))


SENDER = (PersonRole.SENDER.value, SENDER_ID)


def _erase_payloads(request_id: str, people: set[tuple[str, str]]) -> None:
    for event in db.session.scalars(select(Event).where(Event.request_id == request_id)):
        try:
            event.payload = without_personal_data(event.payload, people)
        except DecryptionError:  # its key was deleted, so its content is lost
            event.payload = None


def _delete_cards(request_ids: Sequence[str]) -> None:
    """Delete the content of posts about requests, because their cards name every signer."""
    posts = select(Message.id).where(Message.request_id.in_(request_ids), Message.thread != "")
    owner_ids = [message_id.partition("_")[2] for message_id in db.session.scalars(posts)]
    _delete(MessageBody.owner_id, owner_ids)


def without_personal_data(payload: Any, people: set[tuple[str, str]]) -> Any:
    """Return a copy of an event's payload that keeps only the IDs of some people.

    `people`: their roles and IDs in the app.
    """

    def strip(value: Any, role: PersonRole) -> Any:
        is_erased = isinstance(value, dict) and (role.value, value.get("id")) in people
        return {name: value[name] for name in KEPT_SIGNER_FIELDS} if is_erased else value

    if not isinstance(payload, dict):
        return payload
    stripped = dict(payload)
    for name, role in (("signers", PersonRole.SIGNER), ("observers", PersonRole.OBSERVER)):
        if isinstance(stripped.get(name), list):
            stripped[name] = [strip(person, role) for person in stripped[name]]
    for name in ("actor", "signer"):
        if name in stripped:
            stripped[name] = strip(stripped[name], PersonRole.SIGNER)
    if SENDER in people and isinstance(stripped.get("request"), dict):
        request = {name: value for name, value in stripped["request"].items() if name != "sender"}
        stripped["request"] = request
    return stripped


def _batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), BATCH_SIZE):
        yield ids[start : start + BATCH_SIZE]


def _delete(column: Any, values: Sequence[str]) -> int:
    return _execute(delete(column.class_).where(column.in_(values)))


def _execute(statement: Any) -> int:
    result = db.session.execute(statement.execution_options(synchronize_session=False))
    return int(result.rowcount)  # type: ignore[attr-defined]


def count_messages(contact_id: str) -> int:
    """Count the messages to a contact."""
    return (
        db.session.scalar(
            select(func.count()).select_from(Message).where(Message.contact_id == contact_id)
        )
        or 0
    )
