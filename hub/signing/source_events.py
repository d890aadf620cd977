"""Accept the events of signing apps that integrations report, as events that apps post."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import structlog
from pydantic import ValidationError
from sqlalchemy import select

from hub.core.errors import Refused
from hub.core.vocabulary import EventType
from hub.db.engine import db
from hub.integrations.source_events import SourceEvent, SourcePerson
from hub.lib import phones, times
from hub.lib.text import clean_line
from hub.models import Event, SigningRequest
from hub.signing.accept import accept_event
from hub.signing.events import EventIn, RequestIn, SignerIn

log = structlog.get_logger(__name__)

MAX_TEXT = 500  # characters of a title or a name


def accept_source_event(
    reported: SourceEvent, source_id: str, *, test: bool, received_at: datetime
) -> bool:
    """Accept an event of a signing app, and return whether it is new.

    Inside a transaction. Raises Refused if the event cannot be used.
    """
    event = build_event(reported, received_at)
    if event.id and _was_accepted(event, source_id, test=test):
        return False
    accept_event(event, source_id, test=test)
    return True


def _was_accepted(event: EventIn, source_id: str, *, test: bool) -> bool:
    query = (
        select(Event.id)
        .join(SigningRequest, SigningRequest.id == Event.request_id)
        .where(
            SigningRequest.source_id == source_id,
            SigningRequest.external_id == event.request.id,
            SigningRequest.test == test,
            Event.external_id == event.id,
        )
        .limit(1)
    )
    return db.session.scalar(query) is not None


def build_event(reported: SourceEvent, received_at: datetime) -> EventIn:
    """Return an event in the form that apps post, without values that cannot be used.

    Raises Refused if its request, its signer or its ID cannot be used.
    """
    people = {person.id: person for person in reversed(reported.people)}
    signers = [person for person in reversed(people.values()) if not person.observes]
    observers = [person for person in reversed(people.values()) if person.observes]
    fields: dict[str, Any] = {
        "type": reported.type,
        "id": reported.id or None,
        "occurred_at": times.clamp_reported(reported.at, received_at),
        "request": _request_fields(reported),
        "signers": [_person_fields(person, reported.region) for person in signers],
        "observers": [_person_fields(person, reported.region) for person in observers],
        "signer": reported.signer or None,
    }
    if reported.type == EventType.SIGNED and not reported.signer:
        raise Refused("no_signer", "The webhook names no signer.")
    try:
        return EventIn.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        raise Refused("bad_event", f"The event cannot be used. {place}: {message}") from None


def _request_fields(reported: SourceEvent) -> dict[str, Any]:
    sender = {"name": _short(reported.sender_name), "email": reported.sender_email}
    usable_sender = dict(_usable("sender", SignerIn, {"id": "sender"}, sender))
    optional = {
        "title": _short(reported.title),
        "expires_at": reported.expires_at,
        "url": reported.url,
    }
    fields = {"id": reported.request, **dict(_usable("request", RequestIn, {"id": "r"}, optional))}
    return {**fields, "sender": usable_sender} if usable_sender else fields


def _person_fields(person: SourcePerson, region: str) -> dict[str, Any]:
    fields = {
        "name": _short(person.name),
        "email": person.email.strip(),
        "mobile_number": _read_phone(person.phone, region),
        "locale": person.locale,
        "time_zone": person.time_zone,
        "signing_url": "" if person.observes else person.signing_url,
        "download_url": person.download_url,
        "order": None if person.observes else person.order,
    }
    chosen = {"mobile_number": person.uses_phone, "email": person.uses_email}
    send_to = {name: wanted for name, wanted in chosen.items() if wanted is not None}
    usable = {"id": person.id, **dict(_usable("person", SignerIn, {"id": "s"}, fields))}
    return {**usable, "send_to": send_to} if send_to else usable


def _read_phone(text: str, region: str) -> str:
    """Return the normal form of a number, or "" if it is none."""
    if not text.strip():
        return ""
    try:
        return phones.parse_in_region(text, region) if region else phones.parse_typed(text)
    except ValueError:
        log.warning("source.value_ignored", part="person", field="mobile_number")
        return ""


def _usable(
    part: str, model: type[RequestIn] | type[SignerIn], required: Any, fields: dict[str, Any]
) -> Iterator[tuple[str, Any]]:
    """Yield the fields that are known and valid. One wrong address must not lose the event."""
    for name, value in fields.items():
        if value in (None, ""):
            continue
        try:
            model.model_validate({**required, name: value})
        except ValidationError:
            log.warning("source.value_ignored", part=part, field=name)
        else:
            yield name, value


def _short(text: str) -> str:
    return clean_line(text)[:MAX_TEXT].strip()
