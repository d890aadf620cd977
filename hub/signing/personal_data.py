"""Collect the data stored about a contact, so that the person can read it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Select, and_, or_, select

from hub.core.errors import DecryptionError
from hub.core.vocabulary import PersonRole
from hub.db.engine import db
from hub.db.types import BadTime
from hub.messaging.contacts import contact_links, suppressions
from hub.messaging.state import unreadable_rows
from hub.messaging.track.timeline import timeline
from hub.models import (
    Connection,
    Consent,
    Contact,
    ContactLink,
    InboundMessage,
    LinkedChat,
    Message,
    MessageBody,
    Signer,
    SigningRequest,
    Suppression,
)
from hub.shared.address_keys import keys_of_contact
from hub.signing import contact_erasure, people_lookup
from hub.signing.people_lookup import FoundPeople


def collect_personal_data(contact_id: str) -> dict[str, Any]:
    """Return all data stored about a contact. Raises NotFound.

    An entry of a row that cannot be decrypted holds the reason instead of the data.
    """
    contact = contact_erasure.find_contact(contact_id)
    found = people_lookup.find_people(contact)
    titles = {row.id: row.title for row in db.session.scalars(select(Connection))}
    lists: dict[str, tuple[str, Iterable[Any], Callable[[Any], dict[str, Any]]]] = {
        "consents": ("consents", _read_rows(Consent, Consent.contact_id == contact.id), _consent),
        "opt_outs": ("suppressions", suppressions.opt_outs_of_contact(contact), _opt_out),
        "same_person_as": ("contact_links", contact_links.list_links(contact), _link),
        "messages": (
            "messages",
            _read_rows(Message, Message.contact_id == contact.id),
            partial(_message, titles=titles),
        ),
        "chats": ("chats", _chats(contact), partial(_chat, titles=titles)),
        "received": (
            "inbound",
            _read_rows(InboundMessage, InboundMessage.contact_id == contact.id),
            partial(_inbound, titles=titles),
        ),
        "signer_of": ("signers", _people(contact, found, PersonRole.SIGNER), _signer),
        "observer_of": ("signers", _people(contact, found, PersonRole.OBSERVER), _observer),
        "sender_of": ("requests", _sent_requests(contact, found), _sent_request),
    }
    entries = {name: unreadable_rows.describe_rows(*rows) for name, rows in lists.items()}
    return {"contact": _contact(contact_erasure.find_contact(contact_id)), **entries}


def _read_rows(model: Any, condition: Any) -> Iterable[Any]:
    return db.session.scalars(select(model).where(condition).order_by(model.id)).all()


def _time(time: datetime | None) -> str | None:
    """Return a time in ISO 8601, or "unreadable" for a damaged one."""
    if isinstance(time, BadTime):
        return "unreadable"
    return None if time is None else time.isoformat()


def _contact(row: Contact) -> dict[str, Any]:
    name: str | None = "unreadable"
    with suppress(DecryptionError):
        name = row.name
    return {
        "id": row.id,
        "kind": row.kind,
        "address": row.address,
        "name": name,
        "time_zone": row.time_zone or None,
        "known_since": _time(row.created_at),
        "erased_at": _time(row.erased_at),
    }


def _consent(row: Consent) -> dict[str, Any]:
    return {
        "given": row.given,
        "channel": row.channel or None,
        "purpose": row.purpose or None,
        "source": row.evidence,
        "source_id": row.source_id,
        "at": _time(row.at),
        "ip": row.ip or None,
        "agent": row.user_agent or None,
        "proof": row.proof,
    }


def _opt_out(row: Suppression) -> dict[str, Any]:
    return {
        "channel": row.channel or None,
        "reason": row.reason,
        "code": row.code or None,
        "why": row.explanation or None,
        "source_id": row.source_id,
        "since": _time(row.since),
        "lifted_at": _time(row.lifted_at),
        "lifted_why": row.lift_reason or None,
    }


def _link(pair: tuple[ContactLink, Contact]) -> dict[str, Any]:
    row, other = pair
    return {"kind": other.kind, "address": other.address, "since": _time(row.linked_at)}


def _message(row: Message, titles: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": row.id,
        "at": _time(row.created_at),
        "channel": row.channel,
        "connection": titles.get(row.connection_id),
        "status": row.status,
        "code": row.code or None,
        "says": _read_content(row.id),
        "history": [
            {"at": _time(entry.at), "what": entry.title, "more": entry.text or None}
            for entry in timeline(row)
        ],
    }


def _chat(row: LinkedChat, titles: Mapping[str, str]) -> dict[str, Any]:
    return {
        "connection": titles.get(row.connection_id),
        "source": row.source_id,
        "since": _time(row.linked_at),
    }


def _inbound(row: InboundMessage, titles: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": row.id,
        "at": _time(row.at),
        "connection": titles.get(row.connection_id),
        "says": _read_content(row.id),
    }


def _signer(row: Signer) -> dict[str, Any]:
    return {
        "request": row.request.external_id,
        "title": row.request.title,
        "signer": row.external_id,
        "state": row.state,
        "details": row.details,
        "signing_url": row.signing_url,
    }


def _observer(row: Signer) -> dict[str, Any]:
    return {
        "request": row.request.external_id,
        "title": row.request.title,
        "observer": row.external_id,
        "details": row.details,
    }


def _sent_request(row: SigningRequest) -> dict[str, Any]:
    return {"request": row.external_id, "title": row.title, "details": row.sender}


def _people(contact: Contact, found: FoundPeople, role: PersonRole) -> Iterable[Signer]:
    """Return the people with a role who have the contact's address, or were notified at it."""
    is_contact = or_(Signer.id.in_(_notified(contact)), Signer.id.in_(found.person_ids))
    return _read_rows(Signer, and_(Signer.role == role, is_contact))


def _sent_requests(contact: Contact, found: FoundPeople) -> Iterable[SigningRequest]:
    """Return the requests whose sender has the contact's address, or was notified at it."""
    notified = select(Signer.request_id).where(
        Signer.id.in_(_notified(contact)), Signer.role == PersonRole.SENDER
    )
    is_contact = or_(
        SigningRequest.id.in_(notified), SigningRequest.id.in_(found.sender_request_ids)
    )
    return _read_rows(SigningRequest, is_contact)


def _notified(contact: Contact) -> Select[str | None]:
    return select(Message.signer_id).where(
        Message.contact_id == contact.id, Message.signer_id.is_not(None)
    )


def _chats(contact: Contact) -> Iterable[LinkedChat]:
    """Return the chats with a contact, one for each connection and source."""
    rows = db.session.scalars(
        select(LinkedChat).where(
            or_(
                LinkedChat.contact_id == contact.id,
                LinkedChat.address_key.in_(keys_of_contact(contact)),
            )
        )
    )
    return {(chat.connection_id, chat.source_id): chat for chat in rows}.values()


def _read_content(public_id: str) -> Any:
    body = db.session.get(MessageBody, public_id.partition("_")[2])
    if body is None:
        return None
    return {name: value for name, value in body.content.items() if name != "says"}
