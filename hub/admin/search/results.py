"""Collect the results of a search: people, requests and messages, with the reasons.

The index only proposes results. Each is compared with what is stored now, so that a name that has
just changed, or was erased, is not shown.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from hub.admin.messages import message_list
from hub.admin.search import reasons
from hub.admin.view.message_rows import MessageListRow, contact_name, request_title, rows
from hub.core.errors import DecryptionError
from hub.db.engine import db
from hub.messaging.track import message_queries
from hub.models import Contact, Message, SigningRequest
from hub.search import lookup, progress
from hub.search.lookup import Found

MAX_RESULTS = 20  # of people and of requests
MAX_MESSAGES = 10
MAX_RELATED = 10  # people and requests whose messages are listed


@dataclass(frozen=True)
class PersonResult:
    """A contact, and why it was found."""

    id: str
    name: str
    address: str
    test: bool
    reason: str


@dataclass(frozen=True)
class RequestResult:
    """A signing request, and why it was found."""

    id: str
    title: str
    state: str
    test: bool
    at: datetime
    reason: str


@dataclass(frozen=True)
class MessageResult:
    """A message, and why it was found."""

    row: MessageListRow
    reason: str


@dataclass
class Results:
    """The results of a search. `more`: the groups in which more may match."""

    people: list[PersonResult] = field(default_factory=list)
    requests: list[RequestResult] = field(default_factory=list)
    messages: list[MessageResult] = field(default_factory=list)
    more: set[str] = field(default_factory=set)
    problem: str = ""
    indexed_since: datetime | None = None
    is_indexing: bool = False

    def __bool__(self) -> bool:
        return bool(self.people or self.requests or self.messages)


def search(query: str) -> Results:
    """Return what a query finds."""
    results = Results()
    _read_progress(results)
    results.people = _people(query, results)
    results.requests = _requests(query, results)
    results.messages = _messages(query, results)
    return results


def _read_progress(results: Results) -> None:
    try:
        current = progress.read()
    except DecryptionError:
        return  # the search itself reports the missing key
    results.is_indexing = not current.is_done
    results.indexed_since = current.indexed_since


def _find(find: Callable[[str, int], Found], query: str, group: str, results: Results) -> list[str]:
    try:
        found = find(query, MAX_RESULTS)
    except DecryptionError as error:
        results.problem = f"Signpost cannot search by name. {error}"
        return []
    if found.has_more:
        results.more.add(group)
    return list(found.ids)


def _by_id(model: Any, ids: Iterable[str], *options: Any) -> list[Any]:
    """Return rows in the order of their IDs."""
    wanted = list(dict.fromkeys(ids))
    query = select(model).where(model.id.in_(wanted)).options(*options)
    found = {row.id: row for row in db.session.scalars(query)}
    return [found[row_id] for row_id in wanted if row_id in found]


def _people(query: str, results: Results) -> list[PersonResult]:
    by_address = lookup.find_by_address(query, MAX_RESULTS)
    if by_address.has_more:
        results.more.add("people")
    ids = [*by_address.ids, *_find(lookup.find_contacts, query, "people", results)]
    people = [
        PersonResult(row.id, contact_name(row), row.address, row.test, reason)
        for row in _by_id(Contact, ids)
        if (reason := reasons.contact_reason(row, query))
    ]
    if len(people) > MAX_RESULTS:
        results.more.add("people")
    return people[:MAX_RESULTS]


def _requests(query: str, results: Results) -> list[RequestResult]:
    by_app_id = list(db.session.scalars(message_queries.select_requests(query)))
    ids = [*by_app_id, *_find(lookup.find_requests, query, "requests", results)]
    names = {person.id: person for person in results.people[:MAX_RELATED]}
    related = _requests_of_people(names)
    requests = []
    options = (selectinload(SigningRequest.people),)
    for row in _by_id(SigningRequest, [*ids, *related], *options):
        reason = reasons.request_reason(row, query)
        if not reason and row.id in related:
            reason = f"Messages to {names[related[row.id]].name}"
        if reason:
            title = request_title(row)
            requests.append(
                RequestResult(row.id, title, row.state, row.test, row.created_at, reason)
            )
    if len(requests) > MAX_RESULTS:
        results.more.add("requests")
    return requests[:MAX_RESULTS]


def _requests_of_people(contact_ids: Collection[str]) -> dict[str, str]:
    """Return the newest requests of people, each with the contact that it has a message to."""
    branches = [Message.contact_id == contact_id for contact_id in contact_ids]
    newest = message_queries.newest_messages(
        branches, MAX_RESULTS, extra_condition=Message.request_id.is_not(None)
    )
    return {
        message.request_id: message.contact_id for message in reversed(newest) if message.request_id
    }


def _messages(query: str, results: Results) -> list[MessageResult]:
    people = {person.id: person.name for person in results.people[:MAX_RELATED]}
    requests = {request.id: request.reason for request in results.requests[:MAX_RELATED]}
    branches = [
        *message_list.search_branches(query),
        *(Message.contact_id == contact_id for contact_id in people),
    ]
    if not people:  # otherwise, messages to other signers of their requests come first
        branches += [Message.request_id == request_id for request_id in requests]
    newest = message_queries.newest_messages(branches, MAX_MESSAGES + 1) if branches else []
    if len(newest) > MAX_MESSAGES:
        results.more.add("messages")
    shown: Sequence[Message] = newest[:MAX_MESSAGES]
    return [
        MessageResult(row, reasons.message_reason(message, query, people, requests))
        for message, row in zip(shown, rows(shown), strict=True)
    ]
