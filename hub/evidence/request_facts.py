"""Collect what is known of requests: their title, people, events and the actions of users."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import select

from hub.core.vocabulary import Address, EventType, PersonRole
from hub.db.engine import db
from hub.db.types import creation_time
from hub.evidence.facts import BY_APP, BY_SIGNPOST, BY_USER, Fact, read_or_none, timestamp
from hub.lib.crypto import blind_index
from hub.models import AuditEntry, Event, Signer, SigningRequest, Source
from hub.shared import audit
from hub.shared.address_keys import address_key
from hub.shared.index_key import index_key

ADDRESSES = {"email": Address.EMAIL, "mobile_number": Address.PHONE}
PERSON_FIELDS = ("name", *ADDRESSES)
REQUEST_STORED = "request.stored"
PERSON_STORED = "person.stored"
DOWNLOADED = "request.evidence_downloaded"  # an action that is no evidence itself
NO_DETAILS = "-"  # in place of the fingerprint of a title or of details that were deleted


def collect(requests: Mapping[str, SigningRequest]) -> Iterator[Fact]:
    """Return the facts of requests apart from their messages."""
    sources = {row.id: row for row in db.session.scalars(select(Source))}
    for request in requests.values():
        yield from _request(request, sources.get(request.source_id))
    yield from _people(requests)
    yield from _events(requests)
    yield from collect_actions({request_id: request_id for request_id in requests})


def _request(request: SigningRequest, source: Source | None) -> Iterator[Fact]:
    yield title_fact(
        request.id,
        read_or_none(lambda: request.title),
        request.expires_at,
        at=request.created_at,
        details=describe_origin(request.external_id, source),
    )
    sender = read_or_none(lambda: request.sender)
    if sender:
        yield sender_fact(request.id, sender, at=request.created_at)


def describe_origin(external_id: str, source: Source | None) -> dict[str, Any]:
    """Return what entries contain about the origin of a request."""
    return {
        "external_id": external_id,
        "source": {"slug": source.slug, "name": source.name} if source else None,
    }


def title_fact(
    request_id: str,
    title: str | None,
    expires_at: datetime | None,
    *,
    at: datetime,
    details: Mapping[str, Any],
) -> Fact:
    """Return a request with its title and expiry."""
    return Fact(
        request_id=request_id,
        subject=request_id,
        id=f"{request_id}/{_fingerprint(title, timestamp(expires_at)) if title else NO_DETAILS}",
        at=at,
        kind=REQUEST_STORED,
        by=BY_APP,
        details={**details, "expires_at": timestamp(expires_at)},
        private={"title": title},
    )


def sender_fact(request_id: str, sender: Mapping[str, Any] | None, *, at: datetime) -> Fact:
    """Return the sender of a request. None: the app removed the sender."""
    person_id = sender_person(request_id)
    return person_fact(request_id, person_id, PersonRole.SENDER.value, sender, at=at)


def sender_person(request_id: str) -> str:
    """Return the ID by which entries name the sender of a request."""
    return f"{request_id}/sender"


def _people(requests: Mapping[str, SigningRequest]) -> Iterator[Fact]:
    query = select(Signer).where(Signer.request_id.in_(requests)).order_by(Signer.id)
    for person in db.session.scalars(query):
        if person.role == PersonRole.SENDER:
            continue  # the request has the sender's details
        yield person_fact(
            person.request_id,
            person.id,
            person.role,
            read_or_none(partial(getattr, person, "details")),
            at=person_stored_at(person.id, requests[person.request_id].created_at),
            details={"external_id": person.external_id, "turn": person.turn},
        )


def person_stored_at(person_id: str, request_created_at: datetime) -> datetime:
    """Return when the first details of a person were stored. Corrections have their own time."""
    # an ID has the time of its row, in milliseconds; the request is stored first
    return max(request_created_at, creation_time(person_id))


def person_fact(
    request_id: str,
    person_id: str,
    role: str,
    stored: Mapping[str, Any] | None,
    *,
    at: datetime,
    details: Mapping[str, Any] | None = None,
) -> Fact:
    """Return a person with name and addresses."""
    private = person_values(stored)
    return Fact(
        request_id=request_id,
        subject=person_id,
        id=f"{person_id}/{_fingerprint(*private.values()) if stored else NO_DETAILS}",
        at=at,
        kind=PERSON_STORED,
        by=BY_APP,
        details={"person": person_id, "role": role, **(details or {})},
        private=private,
        address_keys=tuple(
            address_key(kind, str(private[name]))
            for name, kind in ADDRESSES.items()
            if private[name]
        ),
    )


def person_values(stored: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the details of a person that are evidence."""
    return {name: (stored or {}).get(name) for name in PERSON_FIELDS}


def _fingerprint(*values: Any) -> str:
    """Return a keyed hash that changes with the values, and reveals nothing about them."""
    return blind_index(index_key(), "evidence", *map(str, values)).hex()[:16]


def _events(requests: Collection[str]) -> Iterator[Fact]:
    query = select(Event).where(Event.request_id.in_(requests)).order_by(Event.id)
    for event in db.session.scalars(query):
        is_own = event.type == EventType.REMINDER and not event.external_id
        fact = partial(Fact, request_id=event.request_id, subject=event.id)
        yield fact(
            id=event.id,
            at=event.received_at,
            kind="event.received",
            by=BY_SIGNPOST if is_own else BY_APP,
            details={
                "event": event.id,
                "type": event.type,
                "external_id": event.external_id,
                "occurred_at": timestamp(event.occurred_at),
            },
        )
        if event.canceled_at is not None:
            yield fact(
                id=f"{event.id}/canceled",
                at=event.canceled_at,
                kind="event.canceled",
                by=BY_USER,
                details={"event": event.id, "type": event.type},
            )
        if skipped := read_or_none(partial(getattr, event, "skipped")):
            yield fact(
                id=f"{event.id}/skipped",
                at=event.planned_at or event.received_at,
                kind="event.skipped",
                by=BY_SIGNPOST,
                details={"event": event.id, "skipped": skipped},
            )


def collect_actions(requests_by_subject: Mapping[str, str]) -> Iterator[Fact]:
    """Return the actions of users, keys and commands on requests, messages and opt-outs.

    `requests_by_subject`: the request of each subject, such as of a message.
    """
    query = select(AuditEntry).where(
        AuditEntry.subject.in_(requests_by_subject), AuditEntry.action != DOWNLOADED
    )
    for entry in db.session.scalars(query.order_by(AuditEntry.id)):
        yield Fact(
            request_id=requests_by_subject[entry.subject],
            subject=entry.subject,
            id=entry.id,
            at=entry.at,
            kind="action",
            by=BY_SIGNPOST if entry.actor == audit.SYSTEM.name else BY_USER,
            details={"action": entry.action, "actor": entry.actor, "subject": entry.subject},
        )
