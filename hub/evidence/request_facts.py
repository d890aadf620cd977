"""Collect what is known of requests: their title, people, events and the actions of users."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Any

from sqlalchemy import select

from hub.core.vocabulary import Address, EventType, PersonRole
from hub.db.engine import db
from hub.evidence.facts import BY_APP, BY_SIGNPOST, BY_USER, Fact, read_or_none, timestamp
from hub.lib.crypto import blind_index
from hub.models import AuditEntry, Event, Signer, SigningRequest, Source
from hub.shared import audit
from hub.shared.address_keys import address_key
from hub.shared.index_key import index_key

ADDRESSES = {"email": Address.EMAIL, "mobile_number": Address.PHONE}
PERSON_FIELDS = ("name", *ADDRESSES)
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
    title = read_or_none(lambda: request.title)
    yield Fact(
        request_id=request.id,
        subject=request.id,
        id=f"{request.id}/{_fingerprint(title, timestamp(request.expires_at))}"
        if title
        else f"{request.id}/{NO_DETAILS}",
        at=request.created_at,
        kind="request.stored",
        by=BY_APP,
        details={
            "external_id": request.external_id,
            "source": {"slug": source.slug, "name": source.name} if source else None,
            "expires_at": timestamp(request.expires_at),
        },
        private={"title": title},
    )
    sender = read_or_none(lambda: request.sender)
    if sender:
        yield _person_fact(
            request.id,
            f"{request.id}/sender",
            PersonRole.SENDER.value,
            sender,
            at=request.created_at,
        )


def _people(requests: Collection[str]) -> Iterator[Fact]:
    query = select(Signer).where(Signer.request_id.in_(requests)).order_by(Signer.id)
    for person in db.session.scalars(query):
        if person.role == PersonRole.SENDER:
            continue  # the request has the sender's details
        yield _person_fact(
            person.request_id,
            person.id,
            person.role,
            read_or_none(partial(getattr, person, "details")),
            at=person.reported_at,
            details={"external_id": person.external_id, "turn": person.turn},
        )


def _person_fact(
    request_id: str,
    person_id: str,
    role: str,
    stored: Mapping[str, Any] | None,
    *,
    at: Any,
    details: Mapping[str, Any] | None = None,
) -> Fact:
    """Return a person with name and addresses. A later change of them is another fact."""
    private = {name: (stored or {}).get(name) for name in PERSON_FIELDS}
    return Fact(
        request_id=request_id,
        subject=person_id,
        id=f"{person_id}/{_fingerprint(*private.values()) if stored else NO_DETAILS}",
        at=at,
        kind="person.stored",
        by=BY_APP,
        details={"person": person_id, "role": role, **(details or {})},
        private=private,
        address_keys=tuple(
            address_key(kind, str(private[name]))
            for name, kind in ADDRESSES.items()
            if private[name]
        ),
    )


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
