"""Fill a hub's tables directly: messages that wait, messages that were accepted, or a history of
what was delivered.

The rows are as the hub writes them, so far as they are read: addresses can be found, the bodies of
what is sent or looked at are sealed. Of a history, only the newest are; ids and the provider's SIDs
grow, as they do in time. Runs in a separate process, with the hub's settings in the environment,
while the hub's own processes rest.
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import select

from benchmarks.bulk_insert import Tables, generate_ids
from benchmarks.filled_names import SENDER, IndexEntries, document_title, person_name
from hub import create_app
from hub.core import config
from hub.db.encrypted_fields import (
    CONTACT_NAME,
    MESSAGE_CONTENT,
    REQUEST_SENDER,
    REQUEST_TITLE,
    SIGNER_DETAILS,
)
from hub.db.engine import db
from hub.models import (
    Attempt,
    Contact,
    Event,
    Message,
    MessageBody,
    ProviderCallback,
    Signer,
    SigningRequest,
    Source,
    StatusEvent,
)
from hub.shared.address_keys import address_key

TEXT = (
    'You\'ve been sent "Employment Agreement" by Acme HR. Please review & sign:'
    " https://sign.example/r/agr-{n}/eric"
)
READ = 2_000  # of a history, so many of the newest are looked at
SHOWN = 100
HOUR = 3_600_000
DAY = 86_400_000  # milliseconds


# ── Kinds ─────────────────────────────────────────────────────────────────────────────────────────
MESSAGE = (
    "id",
    "channel",
    "test",
    "source_id",
    "contact_id",
    "connection_id",
    "status",
    "tries",
    "due_at",
    "expires_at",
    "changed_at",
    "provider_id",
    "request_id",
)
ATTEMPT = (
    "message_id",
    "number",
    "connection_id",
    "started_at",
    "ended_at",
    "outcome",
    "http_status",
    "request_ref",
    "milliseconds",
    "sender",
    "provider_id",
)
FACT = ("id", "message_id", "attempt", "at", "status", "provider_status", "source")
CALLBACK = (
    "id",
    "subject",
    "detail",
    "endpoint",
    "scope",
    "connection_id",
    "request",
    "received_at",
    "due_at",
)
REQUEST = (
    "id",
    "source_id",
    "external_id",
    "test",
    "title",
    "sender",
    "state",
    "state_at",
    "reported_at",
    "created_at",
)
SIGNER = (
    "id",
    "request_id",
    "external_id",
    "details",
    "state",
    "turn",
    "state_at",
    "reported_at",
)
EVENT = ("id", "request_id", "source_id", "type", "occurred_at", "received_at")
Made = list[tuple[int, int]]


def add_queued(tables: Tables, count: int, connections: list[str]) -> list[Any]:
    """Add waiting messages to different people, in turn over the connections."""
    people = add_contacts(tables, count)
    ids = list(generate_ids(count, _current_milliseconds() - 1000, 900))
    source = _read_source_id(tables)
    carriers = [tables.known(connection) for connection in connections]

    def row(n: int, number: int, moment: int) -> tuple[Any, ...]:
        at = tables.time(moment)
        until = tables.time(moment + DAY)
        return (
            tables.id(number),
            "sms",
            False,
            source,
            people[n],
            carriers[n % len(carriers)],
            "queued",
            0,
            at,
            until,
            at,
            None,
            None,
        )

    tables.insert(Message, MESSAGE, _build_rows(ids, row))
    add_bodies(tables, ids)
    return []


def add_accepted(tables: Tables, count: int, connections: list[str]) -> list[Any]:
    """Add messages that the provider accepted, and return the ID and SID of each for callbacks."""
    people = add_contacts(tables, count)
    made = list(generate_ids(count, _current_milliseconds() - 60_000, 30_000))
    _add_messages(tables, made, people, connections, "accepted", [None])
    add_bodies(tables, made)
    return [[f"msg_{uuid.UUID(int=number)}", _sid(number)] for number, _ in made]


def add_history(tables: Tables, count: int, connections: list[str]) -> list[Any]:
    """Add messages that were delivered over the last 60 days, and return IDs of pages to open."""
    made = list(generate_ids(count, _current_milliseconds() - 60 * DAY, 60 * DAY - HOUR))
    entries = IndexEntries(tables)
    people = add_contacts(tables, max(1, count // 5), entries)
    requests = _add_requests(tables, max(1, count // 3), entries)
    _add_messages(tables, made, people, connections, "delivered", requests)
    for status, later in (("sent", 800), ("delivered", 2000)):
        _add_facts(tables, made, status, later)
    add_bodies(tables, made[-READ:])
    carrier = tables.known(connections[0])
    blob = os.urandom(600)  # sealed, and never opened again

    def callback(n: int, number: int, moment: int) -> tuple[Any, ...]:
        subject = _sid(made[n][0])
        at = tables.time(moment)
        return (
            tables.id(number),
            subject,
            "delivered:",
            "twilio/sms",
            "AC" + "0" * 32,
            carrier,
            blob,
            at,
            None,
        )

    tables.insert(
        ProviderCallback,
        CALLBACK,
        _build_rows(
            list(generate_ids(count, _current_milliseconds() - 60 * DAY + 2000, 60 * DAY - HOUR)),
            callback,
        ),
    )
    return [f"msg_{uuid.UUID(int=number)}" for number, _ in made[-READ :: READ // SHOWN]]


def _build_rows(
    made: Made, row: Callable[[int, int, int], tuple[Any, ...]]
) -> Iterator[tuple[Any, ...]]:
    return (row(n, number, moment) for n, (number, moment) in enumerate(made))


def _add_messages(
    tables: Tables,
    made: Made,
    people: list[Any],
    connections: list[str],
    status: str,
    requests: list[Any],
) -> None:
    source = _read_source_id(tables)
    carriers = [tables.known(connection) for connection in connections]

    def message(n: int, number: int, moment: int) -> tuple[Any, ...]:
        person = people[n % len(people)]
        carrier = carriers[n % len(carriers)]
        request = requests[n % len(requests)]
        times = None, tables.time(moment + DAY), tables.time(moment + 2000)
        return (
            tables.id(number),
            "sms",
            False,
            source,
            person,
            carrier,
            status,
            1,
            *times,
            _sid(number),
            request,
        )

    def attempt(n: int, number: int, moment: int) -> tuple[Any, ...]:
        times = (tables.time(moment), tables.time(moment + 100))
        carrier = carriers[n % len(carriers)]
        return (
            tables.id(number),
            1,
            carrier,
            *times,
            "accepted",
            201,
            "RQ" + "0" * 32,
            100,
            "+13175550100",
            _sid(number),
        )

    tables.insert(Message, MESSAGE, _build_rows(made, message))
    tables.insert(Attempt, ATTEMPT, _build_rows(made, attempt))


def _add_facts(tables: Tables, made: Made, status: str, later: int) -> None:
    facts = list(generate_ids(len(made), made[0][1] + later, made[-1][1] - made[0][1] + 1))

    def fact(n: int, number: int, moment: int) -> tuple[Any, ...]:
        return (
            tables.id(number),
            tables.id(made[n][0]),
            1,
            tables.time(moment),
            status,
            status,
            "callback",
        )

    tables.insert(StatusEvent, FACT, _build_rows(facts, fact))


def _add_requests(tables: Tables, count: int, entries: IndexEntries) -> list[Any]:
    """Add signing requests with a signer and an event each, and return their IDs as stored."""
    source = _read_source_id(tables)
    made, signers, events = (
        list(generate_ids(count, _current_milliseconds() - 61 * DAY, 61 * DAY - HOUR))
        for _ in range(3)
    )
    request_ids = [tables.id(number) for number, _ in made]

    def request(n: int, number: int, moment: int) -> tuple[Any, ...]:
        title = tables.seal(REQUEST_TITLE, number, document_title(n))
        sender = tables.seal(REQUEST_SENDER, number, {"name": SENDER})
        at = tables.time(moment)
        return request_ids[n], source, f"agr-{number:x}", False, title, sender, "open", at, at, at

    def signer(n: int, number: int, moment: int) -> tuple[Any, ...]:
        return (
            tables.id(number),
            request_ids[n],
            "eric",
            tables.seal(SIGNER_DETAILS, number, {"name": person_name(n)}),
            "pending",
            1,
            tables.time(moment),
            tables.time(moment),
        )

    def event(n: int, number: int, moment: int) -> tuple[Any, ...]:
        return (
            tables.id(number),
            request_ids[n],
            source,
            "request.sent",
            tables.time(moment),
            tables.time(moment),
        )

    tables.insert(SigningRequest, REQUEST, _build_rows(made, request))
    tables.insert(Signer, SIGNER, _build_rows(signers, signer))
    tables.insert(Event, EVENT, _build_rows(events, event))
    entries.add_requests(
        (request_id, f"{document_title(n)} {SENDER} {person_name(n)}")
        for n, request_id in enumerate(request_ids)
    )
    return request_ids


def add_contacts(tables: Tables, count: int, entries: IndexEntries | None = None) -> list[Any]:
    """Add people with different numbers. `entries`: of the search index, which finds them."""
    made = list(generate_ids(count, _current_milliseconds() - 61 * DAY, DAY))
    first = db.session.query(Contact).count()

    def contact(n: int, number: int, moment: int) -> tuple[Any, ...]:
        address = _address(first + n)
        return (
            tables.id(number),
            "phone",
            address,
            address_key("phone", address),
            False,
            None if entries is None else tables.seal(CONTACT_NAME, number, person_name(n)),
            tables.time(moment),
        )

    tables.insert(
        Contact,
        ("id", "kind", "address", "address_key", "test", "name", "created_at"),
        _build_rows(made, contact),
    )
    if entries is not None:
        entries.add_contacts(
            (tables.id(number), n, _address(first + n)) for n, (number, _) in enumerate(made)
        )
    return [tables.id(number) for number, _ in made]


def _address(position: int) -> str:
    """Return a number: every exchange of an area code from 200 on, then the next area code."""
    area = (317, 212, 415, 512)[position // 7_999_999 % 4]
    return f"+1{area}{2_000_000 + position % 7_999_999:07}"


def add_bodies(tables: Tables, made: Made) -> None:
    """Add the encrypted bodies of messages."""

    def body(n: int, number: int, _: int) -> tuple[Any, ...]:
        return tables.id(number), tables.seal(
            MESSAGE_CONTENT, number, {"subject": "", "text": TEXT.format(n=n)}
        )

    tables.insert(MessageBody, ("owner_id", "content"), _build_rows(made, body))


def _read_source_id(tables: Tables) -> Any:
    return tables.known(db.session.scalars(select(Source.id).where(Source.slug == "default")).one())


def _sid(number: int) -> str:
    return f"SM{number:032x}"


def _current_milliseconds() -> int:
    return time.time_ns() // 1_000_000


KINDS = {"queued": add_queued, "accepted": add_accepted, "history": add_history}


def main(kind: str, count: int, connections: list[str]) -> list[Any]:
    app = create_app(config.load())
    with app.app_context():
        tables = Tables(app)
        ids = KINDS[kind](tables, count, connections)
        db.session.rollback()
        tables.finish()
        return ids


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
