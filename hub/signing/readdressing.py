"""Send the messages that are still needed to a corrected address of a person.

Waiting messages to the previous address are canceled, and follow to the new one. Messages that were
sent are not repeated. Messages that failed are, if they ask for a signature that is missing, or
report that the request is completed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from hub.core.vocabulary import EventType, RequestState, Status
from hub.db.engine import db
from hub.lib import addresses as normal_forms
from hub.lib.text import clean_line, is_blank
from hub.messaging.compose import cancellation, render, resend, text_values
from hub.messaging.compose.opt_out_line import remove_opt_out_line
from hub.messaging.compose.outbox import Draft, MessageSummary, add_messages
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.models import Contact, Event, Message, MessageBody
from hub.signing import people
from hub.signing.signing_batch import RequestRecord, SignerRecord

Addresses = Mapping[str, Mapping[str, str]]  # of each person, by kind
FAILED = (Status.FAILED, Status.UNDELIVERED, Status.SUPPRESSED, Status.EXPIRED)
REASON = "address changed"


def read_addresses(request: RequestRecord) -> Addresses:
    """Return the addresses of the people of a request, by their IDs."""
    return {person.id: people.addresses(person) for person in request.people}


def changed_people(request: RequestRecord, former: Addresses) -> list[SignerRecord]:
    """Return the people whose addresses differ from the previous ones, without new people."""
    return [
        person
        for person in request.people
        if person.id in former and former[person.id] != people.addresses(person)
    ]


def invite_again(request: RequestRecord, readdressed: Sequence[SignerRecord]) -> None:
    """Let the turn begin again of signers whom no invitation reached, or can be redirected to.

    They had no address when their turn came, or lost the one that the invitation waits for.
    """
    waiting = [
        person for person in readdressed if person.invited_at is not None and person.has_not_signed
    ]
    if not waiting:
        return
    invitations = _invitations(request)
    for person in waiting:
        if not any(
            signer_id == person.id and not _is_lost(person, status, kind, key)
            for signer_id, status, kind, key in invitations
        ):
            person.invited_at = None


def _is_lost(person: SignerRecord, status: str, kind: str, key: bytes | None) -> bool:
    """Return whether an invitation was not sent, and no address of its kind is left.

    `key` is its deduplication key, which it gave up when the address was removed earlier.
    """
    if status == Status.CANCELED and key is None:
        return True
    has_address = kind not in people.ADDRESS_FIELDS or kind in people.addresses(person)
    return status in (Status.QUEUED, *FAILED) and not has_address


def _invitations(request: RequestRecord) -> list[Any]:
    """Return the person, the status, the kind of address and the key of each invitation."""
    query = (
        select(Message.signer_id, Message.status, Contact.kind, Message.dedup_key)
        .join(Event, Event.id == Message.event_id)
        .join(Contact, Contact.id == Message.contact_id)
        .where(Message.request_id == request.id, Event.type == EventType.SENT)
    )
    return list(db.session.execute(query))


def replace_messages(
    request: RequestRecord, readdressed: Sequence[SignerRecord]
) -> list[tuple[SignerRecord, MessageSummary]]:
    """Send the messages that are still needed to the new addresses of people; return them."""
    replaced = []
    for person in readdressed:
        drafts = [
            draft
            for message, event_type in _needed(request, person, _read_messages(request, person))
            if (draft := _redirect(request, person, message, event_type)) is not None
        ]
        replaced += [(person, summary) for summary in add_messages(drafts)] if drafts else []
    return replaced


def _read_messages(request: RequestRecord, person: SignerRecord) -> list[tuple[Message, EventType]]:
    """Return the messages of events to a person, oldest first, locked, with their event types."""
    query = (
        select(Message, Event.type)
        .join(Event, Event.id == Message.event_id)
        .where(
            Message.request_id == request.id,
            Message.signer_id == person.id,
            Event.type.in_([event_type.value for event_type in EventType]),
        )
    )
    rows = db.session.execute(query.order_by(Message.id).with_for_update(of=Message)).all()
    return [(message, EventType(event_type)) for message, event_type in rows]


def _needed(
    request: RequestRecord, person: SignerRecord, rows: Sequence[tuple[Message, EventType]]
) -> list[tuple[Message, EventType]]:
    """Return the last messages to previous addresses whose content the person still needs."""
    followed = {message.after_id for message, _ in rows}
    last = [row for row in rows if row[0].id not in followed and _is_former(person, row[0])]
    waiting = [row for row in last if row[0].status == Status.QUEUED]
    is_asked = (
        person.is_signer and person.has_not_signed and request.state == RequestState.OPEN
    ) and not request.expired
    failed = {
        event_type.asks_to_sign: (message, event_type)  # the newest of each kind
        for message, event_type in last
        if message.status in FAILED
        and (is_asked if event_type.asks_to_sign else event_type == EventType.COMPLETED)
        and not _was_told(rows, event_type)
    }
    return waiting + list(failed.values())


def _was_told(rows: Sequence[tuple[Message, EventType]], event_type: EventType) -> bool:
    """Return whether a message of the same kind was or may have been sent, or waits."""
    return any(
        Status.read(message.status) not in (*FAILED, Status.CANCELED)
        for message, other in rows
        if other.asks_to_sign == event_type.asks_to_sign
        and (other.asks_to_sign or other == event_type)
    )


def _is_former(person: SignerRecord, message: Message) -> bool:
    """Return whether a message is addressed to a previous address of a person."""
    contact = message.contact
    if contact.kind not in people.ADDRESS_FIELDS:
        return False
    return _normal(contact.kind, contact.address) != _normal(
        contact.kind, people.addresses(person).get(contact.kind, "")
    )


def _normal(kind: str, address: str) -> str:
    return normal_forms.normalize(kind, address).lower()


def _redirect(
    request: RequestRecord, person: SignerRecord, message: Message, event_type: EventType
) -> Draft | None:
    """Cancel a message if it waits, and return its copy for the new address, if there is one."""
    if message.status == Status.QUEUED:
        cancellation.cancel_waiting(message, REASON)
    message.escalate_at = None  # its successor continues
    address = people.addresses(person).get(message.contact.kind)
    body = db.session.get(MessageBody, message.id.partition("_")[2])
    if not address or body is None:
        message.dedup_key = None  # another message may take its place, over another channel
        return None
    recipient = get_or_create_contact(
        message.contact.kind,
        address,
        test=request.test,
        name=person.details.get("name") or "",
        time_zone=person.details.get("time_zone") or "",
    )
    expires_at = request.expires_at if event_type.asks_to_sign else None
    draft = resend.copy_message(message, body.content)
    text = remove_opt_out_line(draft.text, draft.connection, message.contact.address)
    if (message.contact.kind, address) in people.shared_addresses(request):
        text = _name_reader(text, person)
    return replace(
        draft, text=text, recipient=recipient, expires_at=expires_at, night=message.night
    )


def _name_reader(text: str, person: SignerRecord) -> str:
    """Begin a text to an address that several signers share with its reader, unless it names them.

    The text is complete, so its template is not known.
    """
    name = clean_line(person.details.get("name") or "")
    if is_blank(name) or name in text:
        return text
    locale = person.details.get("locale") or render.default_locale()
    return text_values.begin_with_addressee(text, name, locale)
