"""An unreadable row blocks no other row: every column of a table is damaged in its own row."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from itertools import cycle
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Boolean, Column, Float, LargeBinary, Numeric, Table, select, text
from sqlalchemy.exc import DBAPIError

from hub.core.vocabulary import ConnectionState, Status
from hub.db.engine import Base, db
from hub.db.store import transaction
from hub.db.types import Id, Time, now
from hub.jobs import chores, cron
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.policy.rules import Rules
from hub.messaging.state import job_failures
from hub.models import (
    Connection,
    Contact,
    LinkedChat,
    Message,
    RecipientPace,
    SessionWindow,
    Source,
    Thread,
    Throttle,
    Usage,
)
from tests import every_page
from tests.conftest import POSTGRES, Browser
from tests.effort import sized
from tests.hub_fixtures import (
    SigningApp,
    copy_connection,
    deliver,
    event_body,
    post_callback,
    process_pending_callbacks,
    queue_text,
    signer_body,
    status_form,
)

OTHER_MESSAGES = sized(100, 20)
MORE_THAN_A_PAGE = 60  # of the list of messages
CONNECTIONS = 30  # of the table of connections, whose columns are damaged one by one
OTHER_CONNECTIONS = sized(CONNECTIONS, 6)
TABLES = (
    "contacts",
    "consents",
    "suppressions",
    "session_windows",
    "messages",
    "message_bodies",
    "attempts",
    "status_events",
    "platform_events",
    "requests",
    "signers",
    "events",
    "inbound_messages",
    "conversations",
    "provider_callbacks",
    "throttles",
    "recipient_paces",
    "usage",
    "connections",
    "idempotency_keys",
    "threads",
    "linked_chats",
)
# short runs on both databases try each table once: with all pages, or with the chores
BLOCKING = sized(TABLES, TABLES[bool(POSTGRES) :: 4])
CHORES = sized(TABLES, TABLES[2 + bool(POSTGRES) :: 4])
HUGE = 2**62
DAMAGED: dict[str, Callable[[Column[Any]], Any]] = {
    "huge": lambda column: HUGE if isinstance(column.type, Time) else b"\xff" * 40,
    "text": lambda _: "garbage",
    "cut": lambda column: -(2**60) if isinstance(column.type, Time) else b"",
}
IN_POSTGRESQL: dict[str, Callable[[Column[Any]], Any]] = {
    "huge": lambda column: _for_postgresql(column, "infinity"),
    "text": lambda column: _for_postgresql(column, "4000-01-01 00:00:00+00"),
    "cut": lambda column: _for_postgresql(column, "4713-01-01 00:00:00+00 BC"),
}


def _for_postgresql(column: Column[Any], moment: str) -> Any:
    if isinstance(column.type, Time):
        return moment
    if isinstance(column.type, Float | Numeric):
        return "NaN"
    if isinstance(column.type, LargeBinary) and not isinstance(column.type, Id):
        return b"\xff" * 40
    return (
        None
        if isinstance(column.type, Id | Boolean) or column.type.python_type is int
        else "garbage"
    )


# ── People whose rows are going to be spoiled ─────────────────────────────────────────────────────
@dataclass
class PopulatedHub:
    """A hub with people who have rows of every kind, each over their own connection."""

    app: Flask
    signing_app: SigningApp
    slugs: list[str]

    def person(self, n: int) -> str:
        number = f"+1317556{n:04}"
        consent = {"address": number, "given": True, "at": "2026-01-01T00:00:00Z", "proof": "yes"}
        assert self.signing_app.post("/consents", consent).status_code == 201
        closed = {"address": number, "channel": "voice", "why": "asked"}
        assert self.signing_app.post("/suppressions", closed).status_code == 201
        event = event_body(signers=[signer_body(f"Signer{n}", number)], id=f"evt-{n}")
        event["request"] = {**event["request"], "id": f"agr-{n}"}
        assert (
            self.signing_app.post("/events", event, Idempotency_Key=f"key-{n}").status_code == 202
        )
        inbound_form = status_form(self.app, f"SM{n:032x}", "received", Body="Hello", From=number)
        for name in ("MessageStatus", "SmsStatus"):
            inbound_form.pop(name)
        inbound_form["To"] = status_form(self.app, "SM", "x")["From"]
        inbound_form["SmsStatus"] = "received"
        assert (
            post_callback(
                self.app, inbound_form, target="/api/rpc/webhooks/twilio/inbound"
            ).status_code
            == 200
        )
        return number


@pytest.fixture
def populated_hub(
    hub_demo: Flask,
    served: Flask,
    simulator: Any,
    signing_app: SigningApp,
    connection: Any,
    name: str,
) -> PopulatedHub:
    made = [
        copy_connection(f"Spoiled {n}", like=connection, sender=f"+131755501{n:02}")
        for n in range(CONNECTIONS if name == "connections" else OTHER_CONNECTIONS)
    ]
    db.session.rollback()
    slugs = [db.session.get_one(Connection, one).slug for one in made]
    db.session.rollback()  # what this session has read would be older than the user who signs in
    return PopulatedHub(hub_demo, signing_app, slugs)


@transaction
def add_slow_rows() -> None:
    """Add rows that take long to arise otherwise, one for each damaged connection."""
    connections = list(
        db.session.scalars(select(Connection).where(Connection.title.startswith("Spoiled")))
    )
    people = list(db.session.scalars(select(Contact).order_by(Contact.id)))
    source = db.session.scalars(select(Source.id).limit(1)).one()
    moment = now()
    for n, connection in enumerate(connections):
        person = people[n % len(people)]
        connection.rules = Rules(prices={"": Decimal("0.01")}, spend_day=Decimal(5)).to_json()
        connection.per_second = 50.0
        db.session.add_all(
            [
                SessionWindow(
                    sender=connection.sender,
                    contact_id=person.id,
                    opened_at=moment,
                    closes_at=moment,
                ),
                Throttle(name=connection.throttle, refilled_at=moment),
                RecipientPace(name=connection.throttle, contact_id=person.id, next_at=moment),
                Usage(connection_id=connection.id, day=f"{moment:%Y-%m-%d}", messages=1),
                Thread(connection_id=connection.id, subject="agr", provider_thread="1"),
                LinkedChat(
                    connection_id=connection.id,
                    source_id=source,
                    address_key=person.address_key,
                    contact_id=person.id,
                ),
            ]
        )


def damage(table: Table, key: dict[str, Any], column: Column[Any], value: Any) -> bool:
    """Write a value past every check, and return False if the database refuses it."""
    where = " AND ".join(f"{name} = :key_{name}" for name in key)
    sql = f'UPDATE {table.name} SET "{column.name}" = :value WHERE {where}'  # noqa: S608
    statement = text(sql)
    with db.engine.connect() as connection:
        if POSTGRES:
            connection.execute(text("SET session_replication_role = replica"))
        else:
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            values = {f"key_{name}": given for name, given in key.items()}
            kind = f"CAST(:value AS {column.type.compile(db.engine.dialect)})"
            done = connection.execute(
                text(statement.text.replace(":value", kind)) if POSTGRES else statement,
                {"value": value, **values},
            )
            connection.commit()
        except DBAPIError:
            connection.rollback()
            return False
        finally:
            if not POSTGRES:
                (
                    connection.exec_driver_sql("COMMIT")
                    if connection.connection.driver_connection.in_transaction
                    else None
                )
                connection.exec_driver_sql("PRAGMA foreign_keys=ON")
            connection.invalidate()
        return bool(done.rowcount)


def keys_of(table: Table) -> list[dict[str, Any]]:
    names = [column.name for column in table.primary_key.columns]
    listed = ", ".join(f'"{name}"' for name in names)
    with db.engine.connect() as connection:
        query = f"SELECT {listed} FROM {table.name} ORDER BY {listed}"  # noqa: S608
        rows = connection.execute(text(query)).all()
        connection.rollback()
    return [dict(zip(names, row, strict=True)) for row in rows]


def damage_all(table: Table) -> int:
    """Damage every column of a table in every way, each in its own row; return the count."""
    rows = keys_of(table)
    spoiled = 0
    if table.name == "connections":  # the oldest is the others'
        rows = rows[-CONNECTIONS:]
    value_makers = (IN_POSTGRESQL if POSTGRES else DAMAGED).values()
    place = 0
    for make_value in value_makers:
        for column in table.columns:
            value = make_value(column)
            place += 1
            if rows and value is not None:
                spoiled += damage(table, rows[place % len(rows)], column, value)
    return spoiled


# ── Work that continues ───────────────────────────────────────────────────────────────────────────
def assert_others_are_delivered(count: int = OTHER_MESSAGES) -> None:
    """Send messages to other people and check that each is delivered."""
    ids = [
        queue_text(f"+1317557{n:04}", connection_slug="demo-sms", channel="") for n in range(count)
    ]
    statuses: dict[str, str] = {}
    deadline = time.monotonic() + 30
    while set(statuses.values()) != {Status.DELIVERED}:
        assert time.monotonic() < deadline, statuses
        deliver(30)
        process_pending_callbacks()
        db.session.rollback()
        found = select(Message.id, Message.status).where(Message.id.in_(ids))
        statuses = {row[0]: row[1] for row in db.session.execute(found)}
        time.sleep(0.1)


def assert_api_lists_work(populated_hub: PopulatedHub, numbers: list[str]) -> None:
    for path, query in [
        ("/messages", {}),
        ("/suppressions", {}),
        ("/messages", {"status": "queued"}),
        *(("/consents", {"address": number}) for number in numbers),
    ]:
        assert populated_hub.signing_app.get(path, **query).status_code == 200, (path, query)


def prepare(populated_hub: PopulatedHub, table: Table) -> list[str]:
    """Store rows in every table and return the numbers of their people.

    Messages are sent, unless that would leave no row of the table to damage.
    """
    numbers = [populated_hub.person(n) for n in range(len(table.columns))]
    for n, slug in enumerate(populated_hub.slugs):
        queue_text(numbers[n % len(numbers)], connection_slug=slug, channel="")
    process_pending_callbacks()
    add_slow_rows()
    if table.name not in ("messages", "provider_callbacks", "signers", "requests"):
        deliver()
    return numbers


@pytest.mark.parametrize(
    ("name", "zone"), list(zip(BLOCKING, cycle(every_page.ZONES), strict=False))
)
def test_damaged_rows_of_a_table_block_no_other_rows(
    populated_hub: PopulatedHub, admin: Browser, name: str, zone: str
) -> None:
    table = Base.metadata.tables[name]
    numbers = prepare(populated_hub, table)
    if not damage_all(table):
        pytest.skip("nothing of this table is there")
    assert_others_are_delivered(MORE_THAN_A_PAGE if name == "messages" else OTHER_MESSAGES)
    chores.run_chores(ShutdownSignal(20))
    cron.wake_queues()
    assert_others_are_delivered(3)
    every_page.assert_all_open(admin, zone)
    assert_api_lists_work(populated_hub, numbers)
    assert job_failures.recent_failures() == {}


@pytest.mark.parametrize("name", CHORES)
def test_old_damaged_rows_do_not_stop_chores(populated_hub: PopulatedHub, name: str) -> None:
    """Give each chore work: old rows, disabled or archived connections, expired messages."""
    table = Base.metadata.tables[name]
    prepare(populated_hub, table)
    make_old()
    if not damage_all(table):
        pytest.skip("nothing of this table is there")
    expire_everything(populated_hub.app)
    for _ in range(3):
        chores.run_chores(ShutdownSignal(20))
    assert job_failures.recent_failures() == {}


@transaction
def make_old() -> None:
    """Disable connections, archive some, and expire queued messages."""
    moment = now()
    for n, connection in enumerate(db.session.scalars(select(Connection))):
        connection.state = ConnectionState.DISABLED.value
        connection.archived_at = moment if n % 2 else None
    for n, message in enumerate(db.session.scalars(select(Message))):
        message.expires_at = moment - timedelta(hours=1)
        message.estimate = Decimal("0.01")
        if n % 3 == 0 and message.status != Status.QUEUED:
            message.status = (Status.UNKNOWN if n % 2 else Status.SENDING).value
            message.due_at = moment - timedelta(hours=1)


def expire_everything(app: Flask) -> None:
    """Make every stored row old enough to be removed."""
    app.extensions["hub.config"] = replace(
        app.extensions["hub.config"],
        body_days=0,
        metadata_days=0,
        receipt_days=0,
        media_days=0,
    )
