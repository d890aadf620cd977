"""Record facts about requests, so that they outlive messages and texts.

Facts are recorded when evidence is exported, and before their rows are deleted or corrected. Until
then, they stand in the rows themselves, so that sending writes nothing twice.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain, count, groupby
from typing import Any

from sqlalchemy import func, select

from hub.db.engine import db
from hub.db.store import transaction
from hub.evidence import contact_facts, message_facts, request_facts, retention
from hub.evidence.facts import BY_SIGNPOST, Fact
from hub.models import EvidenceRow, Message, SigningRequest

UNREADABLE = "entries.unreadable"  # the kind of an entry in place of a damaged row
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@transaction
def record_request(request_id: str) -> None:
    """Record everything known about a request that is not recorded yet."""
    request = db.session.get_one(SigningRequest, request_id)
    messages = list(db.session.scalars(select(Message).where(Message.request_id == request_id)))
    requests = {request.id: request}
    store_facts([*request_facts.collect(requests), *_message_facts(requests, messages)])


@transaction
def record_requests(request_ids: Collection[str]) -> None:
    """Record titles, people and events of requests, before their texts are deleted."""
    store_facts(request_facts.collect(_read_requests(request_ids)))


@transaction
def record_messages(message_ids: Collection[str]) -> None:
    """Record messages, with all that concerns their recipients, before they are deleted."""
    query = select(Message).where(Message.id.in_(message_ids), Message.request_id.is_not(None))
    messages = list(db.session.scalars(query))
    requests = _read_requests({str(message.request_id) for message in messages})
    store_facts(_message_facts(requests, messages, with_running=True))


@transaction
def record_contacts(contact_ids: Collection[str]) -> None:
    """Record the consents, opt-outs and replies of contacts, before replies are deleted."""
    store_facts(_contact_facts(contact_facts.notified_contacts(list(contact_ids))))


def _read_requests(request_ids: Collection[str]) -> dict[str, SigningRequest]:
    query = select(SigningRequest).where(retention.kept_requests(request_ids))
    return {request.id: request for request in db.session.scalars(query)}


def _message_facts(
    requests: dict[str, SigningRequest],
    messages: Sequence[Message],
    *,
    with_running: bool = False,
) -> Iterator[Fact]:
    messages = [message for message in messages if message.request_id in requests]
    yield from message_facts.collect(messages, with_running=with_running)
    yield from request_facts.collect_actions(
        {message.id: str(message.request_id) for message in messages}
    )
    yield from _contact_facts(contact_facts.find_notified(requests, messages))


def _contact_facts(notified: Sequence[contact_facts.Notified]) -> Iterator[Fact]:
    facts = list(contact_facts.collect(notified))
    yield from facts
    for request_id, grouped in groupby(
        sorted((fact for fact in facts if fact.kind == "opt_out.added"), key=_request_id),
        key=_request_id,
    ):
        yield from request_facts.collect_actions({fact.id: request_id for fact in grouped})


def _request_id(fact: Fact) -> str:
    return fact.request_id


def store_facts(facts: Iterable[Fact]) -> None:
    """Store the facts that are not recorded yet, in the order of their times."""
    new = list(facts)
    # read first: if another transaction records between the queries, the numbers are taken, so that
    # this transaction is repeated
    numbers = _last_numbers({fact.request_id for fact in new})
    recorded = _read_recorded({fact.request_id for fact in new})
    groups: dict[tuple[str, str, tuple[bytes, ...]], list[Fact]] = {}
    for fact in sorted(new, key=_order):
        known = recorded[fact.request_id]
        if fact.is_correction:
            fact = replace(fact, id=known.unused_id(fact.id))
        if fact.id not in known.ids and (fact.is_correction or not known.has_details(fact)):
            known.add(fact.id, fact.kind, fact.subject)
            # a row is erased by the addresses of its values
            key = (fact.request_id, fact.subject, fact.address_keys)
            groups.setdefault(key, []).append(fact)
    for (request_id, *_), group in groups.items():
        numbers[request_id] = numbers.get(request_id, 0) + 1
        db.session.add(_row(group, numbers[request_id]))
    db.session.flush()


def _order(fact: Fact) -> tuple[datetime, bool, str]:
    return fact.at or EPOCH, fact.is_correction, fact.id


@dataclass
class _Recorded:
    """The recorded entries of a request: their IDs, and whose details they contain."""

    ids: set[str] = field(default_factory=set)
    described: set[tuple[str, str]] = field(default_factory=set)  # kinds and subjects

    def add(self, fact_id: str, kind: str, subject: str) -> None:
        self.ids.add(fact_id)
        self.described.add((kind, subject))

    def has_details(self, fact: Fact) -> bool:
        """Return whether a title or a person is recorded. Later details are corrections."""
        return fact.kind in _DESCRIBED and (fact.kind, fact.subject) in self.described

    def unused_id(self, fact_id: str) -> str:
        """Return an ID for details that can have been stored before, such as a former title."""
        ids = (f"{fact_id}/{number}" for number in count(2))
        return next(name for name in chain([fact_id], ids) if name not in self.ids)


_DESCRIBED = (request_facts.REQUEST_STORED, request_facts.PERSON_STORED)


def _read_recorded(request_ids: Collection[str]) -> dict[str, _Recorded]:
    recorded = {request_id: _Recorded() for request_id in request_ids}
    query = select(EvidenceRow.id, EvidenceRow.request_id, EvidenceRow.content).where(
        EvidenceRow.request_id.in_(request_ids)
    )
    for row_id, request_id, content in db.session.execute(query):
        for entry in read_entries(row_id, content):
            subject = entry.get("person") or request_id
            recorded[request_id].add(entry["id"], entry["kind"], subject)
    return recorded


def _last_numbers(request_ids: Collection[str]) -> dict[str, int]:
    query = select(EvidenceRow.request_id, func.max(EvidenceRow.number)).where(
        EvidenceRow.request_id.in_(request_ids)
    )
    rows = db.session.execute(query.group_by(EvidenceRow.request_id))
    return {request_id: number for request_id, number in rows}  # noqa: C416 - types of a row


def _row(group: Sequence[Fact], number: int) -> EvidenceRow:
    entries: list[dict[str, Any]] = []
    values: dict[str, Any] = {}
    for fact in group:
        entry, entry_values = fact.build()
        entries.append(entry)
        values |= entry_values
    first = group[0]
    keys = [*first.address_keys, None, None]
    row = EvidenceRow(
        request_id=first.request_id,
        number=number,
        contact_id=first.contact_id,
        address_key=keys[0],
        other_key=keys[1],
        last_at=max(fact.at or EPOCH for fact in group),
        content=write_entries(entries),
    )
    row.values = values or None
    return row


def write_entries(entries: Sequence[dict[str, Any]]) -> bytes:
    """Return entries as a row stores them."""
    return zlib.compress(json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode())


def read_entries(row_id: str, content: bytes) -> list[dict[str, Any]]:
    """Return the entries that a row stores, or one that says that the row is damaged.

    A damaged row must neither hide nor stop the other evidence of its request.
    """
    try:
        entries: list[dict[str, Any]] = json.loads(zlib.decompress(content))
    except (TypeError, ValueError, zlib.error):
        return [{"id": row_id, "at": None, "kind": UNREADABLE, "by": BY_SIGNPOST}]
    return entries
