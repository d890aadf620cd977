"""Build the rows of the list of people: channels, consent, last message and open requests."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select, union_all

from hub.admin.contacts import opt_out_descriptions
from hub.admin.view.message_rows import contact_name, request_title
from hub.admin.view.status_badges import channel_title
from hub.core.vocabulary import RequestState
from hub.db.engine import db
from hub.db.types import creation_time
from hub.messaging.policy import opt_out_kinds
from hub.models import (
    Connection,
    Consent,
    Contact,
    LinkedChat,
    Message,
    SigningRequest,
    Suppression,
)

MAX_MESSAGES = 20  # newest messages of each person that are read


@dataclass(frozen=True)
class PersonRow:
    """A person of the list."""

    id: str
    name: str
    address: str
    test: bool
    channels: list[tuple[str, str]]  # channel and title
    blocks: list[str]  # texts of badges: opted out, or not reachable by a channel
    consent: str
    last_message: MessageSummary | None
    requests: list[RequestSummary]  # that are open


@dataclass(frozen=True)
class MessageSummary:
    """The newest message to a person."""

    id: str
    status: str
    at: datetime


@dataclass(frozen=True)
class RequestSummary:
    """A request with messages to a person."""

    id: str
    title: str
    state: str
    at: datetime


@dataclass
class _Messages:
    """The newest messages to a person: the last one, their channels and their requests."""

    last: MessageSummary | None = None
    channels: dict[str, None] = field(default_factory=dict)
    request_ids: dict[str, None] = field(default_factory=dict)


def list_people(contacts: Sequence[Contact]) -> list[PersonRow]:
    """Return the rows of some contacts, with a fixed number of queries."""
    messages = _newest_messages([row.id for row in contacts])
    requests = _requests(
        {request_id for entry in messages.values() for request_id in entry.request_ids}
    )
    decisions = _decisions([row.id for row in contacts])
    keys = [row.address_key for row in contacts]
    chats = _chats(keys)
    blocks = _blocks(keys)
    rows = []
    for row in contacts:
        entry = messages.get(row.id, _Messages())
        channels = {channel: channel_title(channel) for channel in entry.channels}
        rows.append(
            PersonRow(
                id=row.id,
                name=contact_name(row),
                address=row.address,
                test=row.test,
                channels=[*channels.items(), *chats.get(row.address_key, ())],
                blocks=blocks.get((row.address_key, row.test), []),
                consent=decisions.get(row.id, ""),
                last_message=entry.last,
                requests=[
                    requests[key]
                    for key in entry.request_ids
                    if key in requests and requests[key].state == RequestState.OPEN
                ],
            )
        )
    return rows


def _newest_messages(contact_ids: Collection[str]) -> dict[str, _Messages]:
    if not contact_ids:
        return {}
    columns = (Message.id, Message.contact_id, Message.request_id, Message.channel, Message.status)
    parts = [
        select(*columns)
        .where(Message.contact_id == contact_id)
        .order_by(Message.id.desc())
        .limit(MAX_MESSAGES)
        .subquery()
        for contact_id in contact_ids
    ]
    found: dict[str, _Messages] = {}
    rows = db.session.execute(union_all(*(select(part) for part in parts))).all()
    for message_id, contact_id, request_id, channel, status in sorted(rows, reverse=True):
        entry = found.setdefault(contact_id, _Messages())
        entry.last = entry.last or MessageSummary(message_id, status, creation_time(message_id))
        entry.channels[channel] = None
        if request_id is not None:
            entry.request_ids[request_id] = None
    return found


def list_requests(contact_id: str) -> list[RequestSummary]:
    """Return the requests of the newest messages to a contact, open ones first."""
    messages = _newest_messages([contact_id]).get(contact_id, _Messages())
    found = _requests(messages.request_ids)
    requests = [found[request_id] for request_id in messages.request_ids if request_id in found]
    return sorted(requests, key=lambda request: request.state != RequestState.OPEN)


def _requests(request_ids: Collection[str]) -> dict[str, RequestSummary]:
    query = select(SigningRequest).where(SigningRequest.id.in_(request_ids))
    return {
        row.id: RequestSummary(row.id, request_title(row), row.state, row.created_at)
        for row in db.session.scalars(query)
    }


def _decisions(contact_ids: Collection[str]) -> dict[str, str]:
    """Return the newest consent or refusal of each contact, with its channel."""
    query = select(Consent.id, Consent.contact_id, Consent.channel, Consent.given)
    rows: list[Any] = list(db.session.execute(query.where(Consent.contact_id.in_(contact_ids))))
    decisions = {}
    for _, contact_id, channel, given in sorted(rows):
        where = channel_title(channel) if channel else "Every channel"
        decisions[contact_id] = f"{'Given' if given else 'Refused'} · {where}"
    return decisions


def _chats(keys: Collection[bytes]) -> dict[bytes, list[tuple[str, str]]]:
    """Return the connections whose chats people linked to their addresses."""
    query = (
        select(LinkedChat.address_key, Connection.channel, Connection.title)
        .join(Connection, Connection.id == LinkedChat.connection_id)
        .where(LinkedChat.address_key.in_(keys), Connection.archived_at.is_(None))
        .distinct()
    )
    chats: dict[bytes, list[tuple[str, str]]] = {}
    for key, channel, title in db.session.execute(query):
        chats.setdefault(key, []).append((channel, title))
    return chats


def _blocks(keys: Collection[bytes]) -> dict[tuple[bytes, bool], list[str]]:
    """Return the texts of badges by address and kind of data."""
    query = select(Suppression).where(
        Suppression.address_key.in_(keys), Suppression.lifted_at.is_(None)
    )
    rows = db.session.scalars(query).all()
    reporters = opt_out_kinds.find_integrations(rows)
    by_address: dict[tuple[bytes, bool], list[Suppression]] = {}
    for row in rows:
        by_address.setdefault((row.address_key, row.test), []).append(row)
    return {
        key: opt_out_descriptions.badge_labels(found, reporters)
        for key, found in by_address.items()
    }
