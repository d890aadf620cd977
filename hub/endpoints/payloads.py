"""Build the bodies of webhooks: flat JSON objects, from the stored event and its message.

A body is built for each attempt and not stored, so that erased data is not sent afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select

from hub.core.errors import DecryptionError, Refused
from hub.core.vocabulary import Feedback, PersonRole
from hub.db.compiled_sql import get_table
from hub.db.encrypted_fields import MESSAGE_CONTENT, PLATFORM_EVENT_PAYLOAD
from hub.db.engine import db
from hub.db.types import keyring
from hub.endpoints.catalog import (
    EMPTY,
    REPORTED_STATUSES,
    VERSION,
    handler_event_kinds,
    handler_statuses,
    own_event_types,
)
from hub.models import (
    Connection,
    Contact,
    Message,
    MessageBody,
    PlatformEvent,
    Signer,
    SigningRequest,
    Source,
)

_STATUSES = {status.value for status in REPORTED_STATUSES}
_FEEDBACK = {feedback.value for feedback in Feedback}
_WITH_CODE = {"failed", "undelivered"}


@dataclass(frozen=True)
class Audience:
    """Properties of an endpoint that decide on the content of its webhooks."""

    source: str | None  # None: handlers, which receive the events of all sources
    test: bool | None
    with_addresses: bool
    with_texts: bool


@dataclass(frozen=True)
class _StoredEvent:
    """A platform event, with the columns of its message that payloads show."""

    id: str
    type: str
    cause: str
    at: datetime
    payload: bytes | None
    message_id: str | None
    request_id: str | None
    request_external_id: str | None
    signer: str | None
    role: str | None
    channel: str | None
    code: str | None
    connection: str | None
    address: str | None
    content: bytes | None
    source: str | None
    test: bool | None

    @property
    def status(self) -> str | None:
        """The status of a message or call that the event reports, or None for another event."""
        is_status = self._fact in _STATUSES | handler_statuses() or self.own_status
        return self._fact if is_status else None

    @property
    def own_status(self) -> bool:
        """True for a status that only one integration reports, such as that of a call."""
        return self.type in own_event_types() and not self.cause.startswith("msg_")

    @property
    def is_about_delivery(self) -> bool:
        """True for a status or feedback, whose details are the fields of the provider."""
        return self.message_id is not None and (
            self._fact in _STATUSES | _FEEDBACK | handler_statuses() or self.own_status
        )

    @property
    def _fact(self) -> str:
        return self.cause.rpartition(":")[2]


class EventSet:
    """The platform events of a batch of deliveries, read with two statements."""

    def __init__(self, event_ids: Collection[str]) -> None:
        rows = db.session.execute(_EVENTS, {"ids": sorted(event_ids)}) if event_ids else ()
        self._events = {row[0]: _StoredEvent(*row) for row in rows}
        self._details = {event.id: _open(event) for event in self._events.values()}
        self._slugs = self._look_up("connection", _SLUGS)
        self._addresses = self._look_up("contact", _ADDRESSES)
        self._people = self._look_up("person", _PEOPLE)

    def body(self, event_id: str, audience: Audience) -> bytes:
        """Return the body for an endpoint. Raises Refused if the event has been deleted."""
        return encode(self._fields(self._find(event_id), audience))

    def time_of(self, event_id: str) -> datetime:
        """Return the time of an event. Raises Refused if it has been deleted."""
        return self._find(event_id).at

    def _find(self, event_id: str) -> _StoredEvent:
        event = self._events.get(event_id)
        if event is None:
            raise Refused("event_deleted", "The event was deleted before it could be sent.")
        return event

    def _look_up(self, name: str, statement: Any) -> dict[str, str]:
        """Return a column of the rows whose IDs the details of the events contain, by ID."""
        ids = sorted({details[name] for details in self._details.values() if details.get(name)})
        rows = db.session.execute(statement, {"ids": ids}) if ids else ()
        return {row[0]: row[1] for row in rows}

    def _fields(self, event: _StoredEvent, audience: Audience) -> dict[str, Any]:
        details = self._details[event.id]
        person = (
            event.signer or details.get("signer") or self._people.get(details.get("person", ""))
        )
        code = event.code if event.status in _WITH_CODE else details.get("code")
        fields = {
            **EMPTY,
            "id": event.id,
            "type": event.type,
            "version": VERSION,
            "at": format_time(event.at),
            "source": audience.source or event.source,
            "test": event.test if audience.test is None else audience.test,
            "message": event.message_id,
            "request": event.request_id,
            "request_external_id": event.request_external_id,
            "signer": person,
            "role": event.role or (PersonRole.SIGNER.value if person else None),
            "connection": event.connection or self._slugs.get(details.get("connection", "")),
            "channel": event.channel or details.get("channel"),
            "status": event.status,
            "code": code or None,
            "inbound": details.get("inbound"),
            "kind": details.get("kind"),
            "button": details.get("button") or None,
            "result": details.get("result"),
            "endpoint": details.get("endpoint"),
            "reason": details.get("reason"),
        }
        if audience.with_addresses:
            found = self._addresses.get(details.get("contact", "")) or event.address
            fields["address"] = details.get("from") or found
        if audience.with_texts:
            fields["text"] = details.get("text") if fields["inbound"] else _text_of(event)
        return fields


def example_body(event_id: str, event_type: str, at: datetime, audience: Audience) -> bytes:
    """Return the body of a test event: the example of its type, with its own ID."""
    example = handler_event_kinds()[event_type].example(
        with_addresses=audience.with_addresses, with_texts=audience.with_texts
    )
    changed: dict[str, Any] = {"id": event_id, "at": format_time(at)}
    if audience.source is not None:
        changed |= {"source": audience.source, "test": audience.test}
    return encode({**example, **changed})


def format_time(at: datetime) -> str:
    """Return a time as events contain it, such as `2027-01-15T09:30:00.000Z`."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encode(fields: Mapping[str, Any]) -> bytes:
    """Return a payload as the bytes that are signed and sent."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def _open(event: _StoredEvent) -> dict[str, Any]:
    """Return the details of an event.

    They are {} if they were erased or cannot be decrypted, because the rest is still worth sending.
    Those about a delivery are the provider's own fields, which are not sent.
    """
    if event.payload is None or event.is_about_delivery:
        return {}
    try:
        opened = keyring().open_json(
            PLATFORM_EVENT_PAYLOAD, event.id.partition("_")[2], event.payload
        )
    except DecryptionError:
        return {}
    return opened if isinstance(opened, dict) else {}


def _text_of(event: _StoredEvent) -> str | None:
    """Return the text of the message that an event is about; None if it was deleted."""
    if event.content is None or event.message_id is None:
        return None
    owner_id = event.message_id.partition("_")[2]
    try:
        return str(keyring().open_json(MESSAGE_CONTENT, owner_id, event.content).get("text", ""))
    except DecryptionError:
        return None


_event = get_table(PlatformEvent)
_message = get_table(Message)
_body = get_table(MessageBody)
_EVENTS = (
    select(
        _event.c.id,
        _event.c.type,
        _event.c.cause,
        _event.c.at,
        _event.c.payload,
        _event.c.message_id,
        _event.c.request_id,
        SigningRequest.external_id,
        Signer.external_id,
        Signer.role,
        _message.c.channel,
        _message.c.code,
        Connection.slug,
        Contact.address,
        _body.c.content,
        Source.slug,
        _event.c.test,
    )
    .select_from(_event)
    .outerjoin(_message, _message.c.id == _event.c.message_id)
    .outerjoin(SigningRequest, SigningRequest.id == _event.c.request_id)
    .outerjoin(Signer, Signer.id == _message.c.signer_id)
    .outerjoin(Connection, Connection.id == _message.c.connection_id)
    .outerjoin(Contact, Contact.id == _message.c.contact_id)
    .outerjoin(_body, _body.c.owner_id == _message.c.id)
    .outerjoin(Source, Source.id == _event.c.source_id)
    .where(_event.c.id.in_(bindparam("ids", expanding=True)))
)
_IDS: Any = bindparam("ids", expanding=True)
_SLUGS = select(Connection.id, Connection.slug).where(Connection.id.in_(_IDS))
_PEOPLE = select(Signer.id, Signer.external_id).where(Signer.id.in_(_IDS))
_ADDRESSES = select(Contact.id, Contact.address).where(Contact.id.in_(_IDS))
