"""Record the title and the people of a request when an event corrects them.

The rows have room for the newest details only. What was known before, such as the number to which
a message was sent, is recorded in the transaction that overwrites it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select

from hub.db.engine import db
from hub.db.types import now
from hub.evidence import recording, request_facts
from hub.evidence.facts import Fact
from hub.models import SigningRequest, Source


@dataclass(frozen=True)
class RequestDetails:
    """The details of a request that are evidence."""

    title: str | None
    expires_at: datetime | None
    sender: Mapping[str, Any] | None

    def differ(self, other: RequestDetails) -> bool:
        """Return whether other details are a correction."""
        return (self.title, self.expires_at) != (other.title, other.expires_at)


@dataclass(frozen=True)
class PersonDetails:
    """A person of a request, apart from the sender."""

    id: str
    role: str
    external_id: str
    turn: int
    details: Mapping[str, Any] | None

    def differ(self, other: PersonDetails) -> bool:
        """Return whether other details are a correction."""
        return _differ(self.details, other.details)


def _differ(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> bool:
    return request_facts.person_values(before) != request_facts.person_values(after)


def record_corrections(
    request_id: str,
    request: tuple[RequestDetails, RequestDetails],
    people: Sequence[tuple[PersonDetails, PersonDetails]],
) -> None:
    """Record the details that a transaction overwrites, and the new ones, each with its time.

    `request`, `people`: details before and after. It executes nothing if they are the same.
    """
    before, after = request
    is_new_title = before.differ(after)
    is_new_sender = _differ(before.sender, after.sender)
    corrected = [pair for pair in people if pair[0].differ(pair[1])]
    if not (is_new_title or is_new_sender or corrected):
        return
    # not the row itself: the transaction changes it outside of the session
    query = select(
        SigningRequest.id,
        SigningRequest.created_at,
        SigningRequest.external_id,
        SigningRequest.source_id,
    )
    row = db.session.execute(query.where(SigningRequest.id == request_id)).one()
    stored_at = row.created_at
    corrected_at = max(now(), stored_at)
    facts: list[Fact] = []
    if is_new_title:
        facts += _titles(row, before, after, corrected_at)
    if is_new_sender:
        if before.sender:
            facts.append(request_facts.sender_fact(request_id, before.sender, at=stored_at))
        sender = request_facts.sender_fact(request_id, after.sender, at=corrected_at)
        facts.append(replace(sender, is_correction=True))
    for pair in corrected:
        facts += _person(request_id, pair, stored_at, corrected_at)
    recording.store_facts(facts)


def _titles(
    row: Row[str, datetime, str, str],
    before: RequestDetails,
    after: RequestDetails,
    corrected_at: datetime,
) -> Iterator[Fact]:
    origin = request_facts.describe_origin(row.external_id, db.session.get(Source, row.source_id))
    for details, at in ((before, row.created_at), (after, corrected_at)):
        fact = request_facts.title_fact(
            row.id, details.title, details.expires_at, at=at, details=origin
        )
        yield replace(fact, is_correction=details is after)


def _person(
    request_id: str,
    pair: tuple[PersonDetails, PersonDetails],
    stored_at: datetime,
    corrected_at: datetime,
) -> Iterator[Fact]:
    before, after = pair
    first_at = request_facts.person_stored_at(before.id, stored_at)
    for person, at in ((before, first_at), (after, max(corrected_at, first_at))):
        fact = request_facts.person_fact(
            request_id,
            person.id,
            person.role,
            person.details,
            at=at,
            details={"external_id": person.external_id, "turn": person.turn},
        )
        yield replace(fact, is_correction=person is after)
