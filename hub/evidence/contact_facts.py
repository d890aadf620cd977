"""Collect consents, opt-outs, replies and erasures of the people who were notified."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import select

from hub.core.vocabulary import RequestState
from hub.db.engine import db
from hub.evidence import retention
from hub.evidence.facts import (
    BY_APP,
    BY_PROVIDER,
    BY_RECIPIENT,
    BY_SIGNPOST,
    BY_USER,
    Fact,
    HashedContent,
    read_or_none,
)
from hub.evidence.message_facts import describe_connections, read_contacts
from hub.models import (
    Consent,
    Contact,
    InboundMessage,
    Message,
    SigningRequest,
    Suppression,
)
from hub.shared.address_keys import keys_of_contact

# replies and opt-outs this long after the end of a request still belong to its evidence
AFTER_THE_END = timedelta(days=30)


@dataclass(frozen=True)
class Notified:
    """A contact that was notified about a request, and when that began and ended to matter."""

    request: SigningRequest
    contact: Contact
    since: datetime
    until: datetime | None

    def covers(self, at: datetime) -> bool:
        """Return whether a time is before the end."""
        return self.until is None or at <= self.until

    def fact(self, subject: str, at: datetime, kind: str, by: str, **fields: Any) -> Fact:
        """Return a fact about the contact. `fields` are additional fields of the fact."""
        return Fact(
            request_id=self.request.id,
            subject=subject,
            contact_id=self.contact.id,
            address_keys=(self.contact.address_key,),
            **{"id": subject, "at": at, "kind": kind, "by": by, **fields},
        )

    def concerns(self, source_id: str | None) -> bool:
        """Return whether something of a source applies to the request."""
        return source_id in (None, self.request.source_id)


def find_notified(
    requests: Mapping[str, SigningRequest], messages: Sequence[Message]
) -> list[Notified]:
    """Return the contacts to whom messages were addressed, for each request."""
    contacts = read_contacts({message.contact_id for message in messages})
    first: dict[tuple[str, str], Message] = {}
    for message in sorted(messages, key=lambda message: message.id):
        if message.request_id in requests and message.contact_id in contacts:
            first.setdefault((str(message.request_id), message.contact_id), message)
    return [
        Notified(
            requests[request_id],
            contacts[contact_id],
            message.created_at,
            end_of(requests[request_id]),
        )
        for (request_id, contact_id), message in first.items()
    ]


def end_of(request: SigningRequest) -> datetime | None:
    """Return when replies and opt-outs stop belonging to a request; None while it is open."""
    if request.state == RequestState.OPEN:
        return None
    return max(request.state_at, request.closed_at or request.state_at) + AFTER_THE_END


def collect(notified: Sequence[Notified]) -> Iterator[Fact]:
    """Return the consents, opt-outs, replies and erasures of notified contacts."""
    if not notified:
        return
    by_contact: dict[str, list[Notified]] = {}
    for item in notified:
        by_contact.setdefault(item.contact.id, []).append(item)
    yield from _consents(by_contact)
    yield from _opt_outs(notified)
    yield from collect_replies(by_contact)
    yield from _erasures(notified)


def _consents(by_contact: Mapping[str, Sequence[Notified]]) -> Iterator[Fact]:
    query = select(Consent).where(Consent.contact_id.in_(by_contact)).order_by(Consent.id)
    for consent in db.session.scalars(query):
        for item in by_contact[consent.contact_id]:
            if not (item.concerns(consent.source_id) and item.covers(consent.at)):
                continue
            yield item.fact(
                consent.id,
                consent.at,
                "consent.given" if consent.given else "consent.refused",
                _CONSENT_BY.get(consent.evidence, BY_SIGNPOST),
                details={
                    "contact": consent.contact_id,
                    "channel": consent.channel,
                    "purpose": consent.purpose,
                    "through": consent.evidence,
                },
                private={
                    "ip": consent.ip,
                    "browser": consent.user_agent,
                    "proof": read_or_none(partial(getattr, consent, "proof")),
                },
            )


_CONSENT_BY = {
    "api": BY_APP,
    "import": BY_USER,
    "admin": BY_USER,
    "keyword": BY_RECIPIENT,
    "link": BY_RECIPIENT,
}


def _opt_outs(notified: Sequence[Notified]) -> Iterator[Fact]:
    by_key: dict[bytes, list[Notified]] = {}
    for item in notified:
        for key in keys_of_contact(item.contact):
            by_key.setdefault(key, []).append(item)
    query = select(Suppression).where(Suppression.address_key.in_(by_key))
    for opt_out in db.session.scalars(query.order_by(Suppression.id)):
        for item in by_key[opt_out.address_key]:
            # live opt-outs also apply to test contacts
            applies = item.contact.test or not opt_out.test
            if applies and item.concerns(opt_out.source_id) and item.covers(opt_out.since):
                yield from _opt_out_facts(opt_out, item)


def _opt_out_facts(opt_out: Suppression, item: Notified) -> Iterator[Fact]:
    yield item.fact(
        opt_out.id,
        opt_out.since,
        "opt_out.added",
        _OPT_OUT_BY.get(opt_out.reason, BY_SIGNPOST),
        details={
            "contact": item.contact.id,
            "channel": opt_out.channel,
            "sender": opt_out.sender,
            "cause": opt_out.reason,
            "code": opt_out.code,
            "message": opt_out.message_id,
        },
        private={"explanation": opt_out.explanation},
    )
    if opt_out.lifted_at is not None and item.covers(opt_out.lifted_at):
        yield item.fact(
            opt_out.id,
            opt_out.lifted_at,
            "opt_out.lifted",
            BY_SIGNPOST,
            id=f"{opt_out.id}/lifted",
            details={"contact": item.contact.id, "opt_out": opt_out.id},
            private={"explanation": opt_out.lift_reason},
        )


_OPT_OUT_BY = {
    "provider": BY_PROVIDER,
    "complaint": BY_RECIPIENT,
    "unsubscribe": BY_RECIPIENT,
    "keyword": BY_RECIPIENT,
    "admin": BY_USER,
    "import": BY_USER,
    "api": BY_APP,
}


def collect_replies(by_contact: Mapping[str, Sequence[Notified]]) -> Iterator[Fact]:
    """Return what contacts wrote to the request's source after they were first notified."""
    query = select(InboundMessage).where(InboundMessage.contact_id.in_(by_contact))
    replies = list(db.session.scalars(query.order_by(InboundMessage.id)))
    connections = describe_connections({reply.connection_id for reply in replies})
    for reply in replies:
        for item in by_contact[str(reply.contact_id)]:
            is_own = reply.source_id == item.request.source_id
            if not (is_own and item.since <= reply.at and item.covers(reply.at)):
                continue
            yield item.fact(
                reply.id,
                reply.at,
                "reply.received",
                BY_RECIPIENT,
                details={
                    "contact": reply.contact_id,
                    "connection": connections.get(reply.connection_id, {"id": reply.connection_id}),
                    "type": reply.kind,
                    "keyword": reply.keyword,
                    "provider_id": reply.provider_id,
                },
                private={"sender": item.contact.address},
                content=HashedContent(salt=reply.content_salt, hash=reply.content_hash),
            )


def _erasures(notified: Sequence[Notified]) -> Iterator[Fact]:
    for item in notified:
        if item.contact.erased_at is not None:
            yield Fact(
                request_id=item.request.id,
                subject=item.contact.id,
                id=f"{item.contact.id}/erased",
                at=item.contact.erased_at,
                kind="values.erased",
                by=BY_USER,
                details={"contact": item.contact.id},
            )


def notified_contacts(contact_ids: Sequence[str]) -> list[Notified]:
    """Return the requests about which contacts were notified."""
    messages = list(
        db.session.scalars(
            select(Message).where(
                Message.contact_id.in_(contact_ids), Message.request_id.is_not(None)
            )
        )
    )
    request_ids = {str(message.request_id) for message in messages}
    query = select(SigningRequest).where(retention.kept_requests(request_ids))
    return find_notified({row.id: row for row in db.session.scalars(query)}, messages)
