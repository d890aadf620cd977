"""Collect what happened to the messages of requests: recipients, attempts, statuses, feedback."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import or_, select

from hub import integrations
from hub.core.vocabulary import Feedback
from hub.db.engine import db
from hub.evidence.facts import (
    BY_PROVIDER,
    BY_SIGNPOST,
    BY_USER,
    Fact,
    HashedContent,
    read_or_none,
    timestamp,
)
from hub.lib import commitments
from hub.models import (
    Attempt,
    Connection,
    Contact,
    Message,
    PlatformEvent,
    StatusEvent,
    Template,
    TemplateVersion,
)


def collect(messages: Sequence[Message], *, with_running: bool = False) -> Iterator[Fact]:
    """Return the facts of messages that belong to requests.

    `with_running`: attempts without an outcome too, because the message is about to be deleted.
    """
    by_id = {message.id: message for message in messages if message.request_id is not None}
    if not by_id:
        return
    contacts = read_contacts({message.contact_id for message in by_id.values()})
    connections = describe_connections({message.connection_id for message in by_id.values()})
    templates = _describe_templates(
        {message.template_version_id for message in by_id.values() if message.template_version_id}
    )
    names = _team_names({message.connection_id for message in by_id.values()})
    for message in by_id.values():
        yield _created(message, contacts, connections, templates, names)
    yield from _attempts(by_id, contacts, with_running=with_running)
    yield from _statuses(by_id, contacts)
    yield from _feedback(by_id, contacts)


def read_contacts(ids: Collection[str]) -> dict[str, Contact]:
    """Return contacts by ID."""
    query = select(Contact).where(Contact.id.in_(ids))
    return {contact.id: contact for contact in db.session.scalars(query)}


def describe_connections(ids: Collection[str]) -> dict[str, dict[str, str]]:
    """Return what entries contain about connections, by ID."""
    query = select(Connection.id, Connection.title, Connection.integration).where(
        Connection.id.in_(ids)
    )
    return {
        row.id: {"id": row.id, "title": row.title, "integration": row.integration}
        for row in db.session.execute(query)
    }


def _team_names(ids: Collection[str]) -> dict[tuple[str, str], str]:
    """Return the names of team channels, by connection and by their ID at the provider.

    A name is known if the provider reported it to the last test, or if the ID contains it.
    """
    query = select(Connection).where(Connection.id.in_(ids), Connection.destination != "")
    names = {}
    for row in db.session.scalars(query):
        check = read_or_none(partial(getattr, row, "check"))
        reported = check.get("destination") if isinstance(check, dict) and row.ready else ""
        label = integrations.destination_label(row.integration, row.destination)
        names[row.id, row.destination] = reported or (label if label != row.destination else "")
    return names


def _describe_templates(ids: Collection[str]) -> dict[str, dict[str, Any]]:
    query = (
        select(TemplateVersion, Template)
        .join(Template, Template.id == TemplateVersion.template_id)
        .where(TemplateVersion.id.in_(ids))
    )
    return {
        version.id: {
            "name": template.name,
            "channel": template.channel,
            "locale": template.locale,
            "version": version.number,
            # without a salt, because a template contains no personal data
            "sha256": commitments.commit(
                b"", {"subject": version.subject, "text": version.text}
            ).hex(),
        }
        for version, template in db.session.execute(query)
    }


def _created(
    message: Message,
    contacts: Mapping[str, Contact],
    connections: Mapping[str, Any],
    templates: Mapping[str, Any],
    names: Mapping[tuple[str, str], str],
) -> Fact:
    contact = contacts.get(message.contact_id)
    address = contact.address if contact else ""
    return _fact(
        message,
        contact,
        id=_creation_id(message),
        at=message.created_at,
        kind="message.created",
        by=BY_USER if message.manual else BY_SIGNPOST,
        details={
            "message": message.id,
            "event": message.event_id,
            "person": message.signer_id,
            "contact": message.contact_id,
            "channel": message.channel,
            "connection": connections.get(message.connection_id, {"id": message.connection_id}),
            "template": templates.get(message.template_version_id or ""),
            "follows": message.after_id,
            "replaces": message.edits_id,
            "sent_despite_opt_out": message.exempt,
            "consent": message.consent_id,
        },
        private={
            "recipient": address,
            "recipient_name": names.get((message.connection_id, address), ""),
        },
        content=HashedContent(salt=message.content_salt, hash=message.content_hash),
    )


def _creation_id(message: Message) -> str:
    """Return the ID of the fact that a message was created.

    An update of a post gets another text while it waits. It is then another fact.
    """
    if message.edits_id is None or message.content_hash is None:
        return message.id
    return f"{message.id}/{message.content_hash.hex()[:16]}"


def _fact(message: Message, contact: Contact | None, **fields: Any) -> Fact:
    return Fact(
        request_id=str(message.request_id),
        subject=message.id,
        contact_id=message.contact_id,
        address_keys=(contact.address_key,) if contact else (),
        **fields,
    )


def _attempts(
    messages: Mapping[str, Message], contacts: Mapping[str, Contact], *, with_running: bool
) -> Iterator[Fact]:
    query = select(Attempt).where(Attempt.message_id.in_(messages))
    if not with_running:
        query = query.where(Attempt.outcome.is_not(None))
    for attempt in db.session.scalars(query.order_by(Attempt.message_id, Attempt.number)):
        message = messages[attempt.message_id]
        yield _fact(
            message,
            contacts.get(message.contact_id),
            id=f"{attempt.message_id}/{attempt.number}",
            at=attempt.started_at,
            kind="message.attempt",
            by=BY_SIGNPOST,
            details={
                "message": attempt.message_id,
                "attempt": attempt.number,
                "ended_at": timestamp(attempt.ended_at),
                "outcome": attempt.outcome,
                "code": attempt.code,
                "http_status": attempt.http_status,
                "provider_id": attempt.provider_id,
                "provider_request": attempt.request_ref,
                "provider_template": attempt.template,
                "account": attempt.account,
                "sender": attempt.sender,
            },
            private={"reason": attempt.reason},
        )


def _statuses(messages: Mapping[str, Message], contacts: Mapping[str, Contact]) -> Iterator[Fact]:
    query = select(StatusEvent).where(StatusEvent.message_id.in_(messages))
    for status in db.session.scalars(query.order_by(StatusEvent.id)):
        message = messages[status.message_id]
        yield _fact(
            message,
            contacts.get(message.contact_id),
            id=status.id,
            at=status.at,
            kind="message.status",
            by=BY_SIGNPOST if status.source == "hub" else BY_PROVIDER,
            details={
                "message": status.message_id,
                "attempt": status.attempt,
                "status": status.status,
                "provider_status": status.provider_status,
                "provider_at": timestamp(status.provider_at),
                "code": status.code,
                "learned_by": status.source,
            },
            private={"reason": status.reason},
        )


def _feedback(messages: Mapping[str, Message], contacts: Mapping[str, Contact]) -> Iterator[Fact]:
    """Return bounces, complaints and unsubscriptions that the provider reported."""
    named = [PlatformEvent.type.endswith(f"_{feedback.value}") for feedback in Feedback]
    query = select(PlatformEvent).where(PlatformEvent.message_id.in_(messages), or_(*named))
    for event in db.session.scalars(query.order_by(PlatformEvent.id)):
        message = messages[str(event.message_id)]
        yield _fact(
            message,
            contacts.get(message.contact_id),
            id=event.id,
            at=event.at,
            kind=f"message.{event.type.rpartition('_')[2]}",
            by=BY_PROVIDER,
            details={"message": event.message_id, "code": _code(event)},
        )


def _code(event: PlatformEvent) -> str:
    """Return the provider's code in the payload of a platform event, or ''."""
    payload = read_or_none(lambda: event.payload)
    return str(payload.get("code") or "") if isinstance(payload, dict) else ""
