"""Erase a person: texts and addresses are removed, counts and hashes stay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import and_, delete, func, or_, select, update

from hub.core.errors import DecryptionError, NotFound, Refused
from hub.core.vocabulary import Address
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import is_id, now
from hub.lib import addresses
from hub.messaging.compose import cancellation
from hub.messaging.contacts import contact_links, suppressions
from hub.messaging.inbox.inbound import received_cause
from hub.models import (
    AuditEntry,
    Consent,
    Contact,
    Event,
    InboundMessage,
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
from hub.shared import audit
from hub.shared.address_keys import keys_of_contact

WHY = "The person was erased."
LONGEST_WHY = 500  # characters
AT_ONCE = 500  # values in a list
KEPT_OF_A_SIGNER = ("id",)
# of a signer, by the kind of an address
FIELDS = {Address.PHONE.value: "mobile_number", Address.EMAIL.value: "email"}
STILL_TOLD = timedelta(days=40)  # callbacks come for days, and are kept for a month


@dataclass(frozen=True)
class ErasureResult:
    """The number of texts, signers and webhooks that an erasure removed."""

    words: int  # what was said, in both directions
    signers: int
    webhooks: int


def find_contact(contact_id: str) -> Contact:
    """Return a contact. Raises NotFound."""
    one = db.session.get(Contact, contact_id) if is_id("ctc", contact_id) else None
    if one is None:
        raise NotFound("no_such_contact", "There is no contact with this ID.")
    return one


def other_contacts(contact: Contact) -> list[Contact]:
    """Return the other addresses of the signers who were written to at this one: most often the
    same person's.
    """
    signers = select(Message.signer_id).where(
        Message.contact_id == contact.id, Message.signer_id.is_not(None)
    )
    theirs = select(Message.contact_id).where(Message.signer_id.in_(signers))
    chats = select(LinkedChat.contact_id).where(
        LinkedChat.address_key.in_(keys_of_contact(contact))
    )  # opened by who is known by this address
    twin = and_(
        Contact.kind == contact.kind, Contact.address_key.in_(keys_of_contact(contact))
    )  # a test contact, and a live one
    linked = Contact.id.in_([other.id for _, other in contact_links.links_of(contact)])
    same = or_(Contact.id.in_(theirs), Contact.id.in_(chats), twin, linked)
    query = select(Contact).where(same, Contact.id != contact.id, Contact.erased_at.is_(None))
    return list(db.session.scalars(query.order_by(Contact.id)))


# ── Erasing ───────────────────────────────────────────────────────────────────────────────────────
def erase_contact(contact_id: str, *, why: str) -> ErasureResult:
    """Remove what was said to and by a contact, the address, and what their signing apps said of
    them. Raises NotFound, Refused.

    The records that stay name nobody: sent messages and their statuses, consents without proof,
    and the hash under which an opt-out is found again. Waiting messages are not sent.
    """
    # read before the lock is taken, because the details of every signer are decrypted
    found = signers_of(find_contact(contact_id))
    db.session.rollback()
    return _erase(contact_id, found, why)


@transaction
def _erase(contact_id: str, named: Sequence[str], why: str) -> ErasureResult:
    contact = find_contact(contact_id)
    if contact.erased_at is not None:
        raise Refused("erased_already", "This person was already erased.")
    if not why.strip() or len(why) > LONGEST_WHY:
        raise Refused(
            "no_reason",
            f"Enter who asked for the erasure, and when, in at most {LONGEST_WHY} characters.",
            field="why",
        )
    cancellation.stop_contact(contact.id, WHY)
    sent = list(db.session.scalars(select(Message.id).where(Message.contact_id == contact.id)))
    received = list(
        db.session.scalars(select(InboundMessage.id).where(InboundMessage.contact_id == contact.id))
    )
    words = sum(
        _delete(MessageBody.owner_id, [row_id.partition("_")[2] for row_id in part])
        for part in _parts(sent + received)
    )
    webhooks = _told(contact.id, sent, received)
    signers = _signers(contact.id, named)
    webhooks += _delete_chats(contact)
    _blank_records(contact)
    contact.address = ""
    contact.name = None
    contact.time_zone = ""
    contact.erased_at = now()
    audit.record(
        "contact.erased",
        contact.id,
        "an erased address",
        why=why.strip(),
        words=words,
        signers=signers,
        webhooks=webhooks,
    )
    return ErasureResult(words, signers, webhooks)


def _delete_chats(contact: Contact) -> int:
    """Delete a contact's chats, windows and pauses; return how many webhooks went with them."""
    linked = select(LinkedChat.callback_id).where(
        LinkedChat.contact_id == contact.id, LinkedChat.callback_id.is_not(None)
    )
    callbacks = [row_id for row_id in db.session.scalars(linked) if row_id]
    webhooks = _delete(ProviderCallback.id, callbacks)
    for table in (SessionWindow, RecipientPace, PausedDestination, LinkedChat):
        _delete(table.contact_id, [contact.id])
    _run(delete(LinkedChat).where(LinkedChat.address_key.in_(keys_of_contact(contact))))
    return webhooks


def _blank_records(contact: Contact) -> None:
    """Remove what identifies a contact from records that stay: consents, opt-outs, activity."""
    _run(
        update(Consent)
        .where(Consent.contact_id == contact.id)
        .values(ip="", user_agent="", _proof=None)
    )
    titles = addresses.written_forms(contact.kind, contact.address)
    _run(update(AuditEntry).where(AuditEntry.title.in_(titles)).values(title="an erased address"))
    closed = [row.id for row in suppressions.opt_outs_of_contact(contact)]
    _run(
        update(Suppression).where(Suppression.id.in_(closed)).values(explanation="", lift_reason="")
    )
    _run(update(AuditEntry).where(AuditEntry.subject.in_(closed)).values(detail={}))


def clean_erased() -> int:
    """Remove callbacks about people that arrived after their erasure.

    Returns how many webhooks.
    """
    query = select(Contact.id).where(Contact.erased_at > now() - STILL_TOLD).limit(AT_ONCE)
    ids = list(db.session.scalars(query))
    db.session.rollback()
    return sum(_clean(one) for one in ids)


@transaction
def _clean(contact_id: str) -> int:
    went = list(db.session.scalars(select(Message.id).where(Message.contact_id == contact_id)))
    came = list(
        db.session.scalars(select(InboundMessage.id).where(InboundMessage.contact_id == contact_id))
    )
    return _told(contact_id, went, came)


def _told(contact_id: str, went: Sequence[str], came: Sequence[str]) -> int:
    """Remove the webhooks about a contact, each of which holds the number, and what was made of
    them.
    """
    for part in _parts(came):
        _delete(PlatformEvent.cause, [received_cause(one) for one in part])
    for part in _parts(went):  # that a message was delivered stays recorded, without the numbers
        _run(
            update(PlatformEvent)
            .where(PlatformEvent.message_id.in_(part), PlatformEvent._payload.is_not(None))
            .values(_payload=None)
        )
    return _webhooks(contact_id, went)


def _webhooks(contact_id: str, went: Sequence[str]) -> int:
    ids = set(
        db.session.scalars(
            select(InboundMessage.callback_id).where(
                InboundMessage.contact_id == contact_id, InboundMessage.callback_id.is_not(None)
            )
        )
    )
    for part in _parts(went):
        ids |= set(
            db.session.scalars(
                select(StatusEvent.callback_id).where(
                    StatusEvent.message_id.in_(part), StatusEvent.callback_id.is_not(None)
                )
            )
        )
    return sum(_delete(ProviderCallback.id, part) for part in _parts(sorted(filter(None, ids))))


def signers_of(contact: Contact) -> list[str]:
    """Return the ids of the signers who have this address, whether or not they were ever written
    to.
    """
    field = FIELDS.get(contact.kind, "")
    found = []
    last = ""
    tests = select(SigningRequest.id).where(SigningRequest.test == contact.test)
    while field and contact.address:
        query = select(Signer).where(
            Signer._details.is_not(None),
            Signer.request_id.in_(tests),
            *([Signer.id > last] if last else []),
        )
        rows = list(db.session.scalars(query.order_by(Signer.id).limit(AT_ONCE)))
        for row in rows:
            db.session.expunge(row)  # of many, few are kept
            with suppress(DecryptionError):
                if (
                    addresses.normalize(
                        contact.kind, str((row.details or {}).get(field) or "")
                    ).lower()
                    == contact.address.lower()
                ):
                    found.append(row.id)
        if not rows:
            break
        last = rows[-1].id
    return found


def _signers(contact_id: str, also: Sequence[str]) -> int:
    """Remove what signing apps said of the signers who have this address, there and in the events
    that said so.
    """
    mine = select(Message.signer_id).where(
        Message.contact_id == contact_id, Message.signer_id.is_not(None)
    )
    rows = list(
        db.session.scalars(select(Signer).where(or_(Signer.id.in_(mine), Signer.id.in_(also))))
    )
    named: dict[str, set[str]] = {}
    for row in rows:
        named.setdefault(row.request_id, set()).add(row.external_id)
        row.details = None
        row.signing_url = None
    # cards that name every signer
    posts = select(Message.id).where(Message.request_id.in_(list(named)), Message.thread != "")
    _delete(
        MessageBody.owner_id,
        [one.partition("_")[2] for one in db.session.scalars(posts)] if named else [],
    )
    for request_id, ids in named.items():
        for event in db.session.scalars(select(Event).where(Event.request_id == request_id)):
            try:
                event.payload = without_personal_data(event.payload, ids)
            except DecryptionError:  # its key is gone, and with it what it says
                event.payload = None
    return len(rows)


def without_personal_data(payload: Any, ids: set[str]) -> Any:
    """Return an event as it was posted, without what it says of some signers but that they are
    there. Pure.
    """

    def cut(found: Any) -> Any:
        told = isinstance(found, dict) and found.get("id") in ids
        return {name: found[name] for name in KEPT_OF_A_SIGNER} if told else found

    if not isinstance(payload, dict):
        return payload
    fresh = dict(payload)
    if isinstance(fresh.get("signers"), list):
        fresh["signers"] = [cut(one) for one in fresh["signers"]]
    for name in ("actor", "signer"):
        if name in fresh:
            fresh[name] = cut(fresh[name])
    return fresh


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), AT_ONCE):
        yield ids[start : start + AT_ONCE]


def _delete(column: Any, values: Sequence[str]) -> int:
    return _run(delete(column.class_).where(column.in_(values)))


def _run(statement: Any) -> int:
    return int(db.session.execute(statement.execution_options(synchronize_session=False)).rowcount)  # type: ignore[attr-defined]


def count_rows(contact_id: str) -> int:
    """Count the messages to a contact."""
    return (
        db.session.scalar(
            select(func.count()).select_from(Message).where(Message.contact_id == contact_id)
        )
        or 0
    )
