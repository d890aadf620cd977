"""Frequent queries use an index, so that a million rows are no slower than a few.

SQLite plans a statement without looking at the contents of tables, so a few rows are enough.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select

from hub.admin.contacts import people_rows
from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.sqlite_connections import sqlite_connections
from hub.db.types import now
from hub.intake import waiting_callbacks
from hub.jobs import cron
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.compose import cancellation
from hub.messaging.track import reconcile, status_polling
from hub.models import Connection, Contact, Message
from hub.search import lookup
from hub.shared import clock_check
from hub.signing import (
    automatic_reminders,
    ladders,
    plan_scheduled,
    reminder_clock,
    scheduled_events,
    unreached,
)
from tests.conftest import POSTGRES
from tests.hub_fixtures import (
    SigningApp,
    deliver,
    event_body,
    json_of,
    make_due,
    message,
    post_callback,
    process_pending_callbacks,
    queue_text,
    signer_body,
    status,
    status_form,
    status_target,
    update_message,
)
from tests.hub_fixtures import connection as connection
from tests.hub_fixtures import hub_demo as hub_demo
from tests.hub_fixtures import signing_app as signing_app
from tests.search.index_steps import index_all
from tests.signing.reminder_steps import let_pass, send

GROWING = (
    "messages|bodies|attempts|status_events|platform_events|receipts|events|requests|signers"
    "|contacts|idempotency|suppressions|audit|contact_words|request_words|search_prefixes"
    "|address_parts"
)
# a whole table, or all that one connection ever sent
GROWS = re.compile(
    rf"SCAN ({GROWING})\b|SEARCH attempts .*\(connection_id=\?( AND provider_id>\?)?\)"
)
ASKED = re.compile(r"\s*(SELECT|UPDATE|DELETE|INSERT)", re.IGNORECASE)


@pytest.fixture
def executed_statements(hub_demo: Flask) -> Iterator[Callable[[], list[str]]]:
    """Return a function that lists every statement executed since, with its values."""
    connections = sqlite_connections()
    if connections is None:
        pytest.skip("PostgreSQL plans by what the tables hold")
    statements: list[str] = []

    def trace(connection: Any, *_: Any) -> None:
        connection.set_trace_callback(statements.append)

    db.session.remove()
    event.listen(db.engine, "checkout", trace)
    for opened in [connections.take() for _ in range(8)]:  # more than are used at once
        trace(opened)
        connections.give_back(opened)
    yield lambda: [statement for statement in statements if ASKED.match(statement)]
    event.remove(db.engine, "checkout", trace)
    connections.close()


def query_plan(statement: str) -> list[str]:
    with db.engine.connect() as fresh:
        return [
            row[3]
            for row in fresh.exec_driver_sql("EXPLAIN QUERY PLAN " + statement.replace("%", "%%"))
        ]


def unindexed_steps(statements: list[str]) -> list[str]:
    """Return each step of these statements that slows down as its table grows."""
    plans = {
        re.sub(r"X'[0-9A-F]*'|'[^']*'|\b\d+\b", "?", statement): statement
        for statement in statements
    }
    return [
        f"{step} in {plan}"
        for short, plan in plans.items()
        for step in query_plan(plan)
        if GROWS.search(step)
    ]


def test_unindexed_step_is_detected(executed_statements: Callable[[], list[str]]) -> None:
    of_connection = (
        "SELECT number FROM attempts WHERE provider_id IS NOT NULL AND connection_id IN ('a') AND"
        " provider_id IN ('b', 'c', 'd')"
    )
    assert (
        len(unindexed_steps([of_connection, "SELECT id FROM messages WHERE stop_reason = 'x'"]))
        == 2
    )
    assert unindexed_steps(["SELECT id FROM messages WHERE id = 'x'"]) == []


def test_sending_and_processing_an_event_uses_indexes_only(
    hub_demo: Flask,
    signing_app: SigningApp,
    simulator: Any,
    executed_statements: Callable[[], list[str]],
) -> None:
    answer = signing_app.post(
        "/events",
        event_body(signers=[signer_body("Eric"), signer_body("Anna", "+442071234567")]),
        Idempotency_Key="k1",
    )
    direct = json_of(
        signing_app.post("/messages", {"channel": "sms", "to": "+13175551234", "text": "Hello"})
    )
    assert deliver() == 3
    for delivered_message in (*json_of(answer)["messages"], direct):
        sid = message(delivered_message["id"]).provider_id or ""
        post_callback(
            hub_demo,
            status_form(hub_demo, sid, "delivered"),
            target=status_target(delivered_message["id"]),
        )
    process_pending_callbacks()
    assert status(direct["id"]) == Status.DELIVERED
    signing_app.post("/events", event_body("request.signed", signer={"id": "eric"}))
    statements = executed_statements()
    assert len(statements) > 50
    assert unindexed_steps(statements) == []
    named = [
        statement
        for statement in statements
        if statement.startswith("UPDATE messages") and "contact_id=" in statement
    ]
    assert named == [], (
        "the index of a column that is named is written, and the larger it is, the more pages of it"
    )


def test_reconciliation_uses_indexes_only(
    hub_demo: Flask,
    connection: Connection,
    simulator: Any,
    executed_statements: Callable[[], list[str]],
) -> None:
    silent = queue_text("+15005550016")
    broken = queue_text("+15005550014")
    waiting = queue_text()
    update_message(waiting, due_at=None)
    deliver()
    make_due(silent)
    make_due(broken)
    cron.wake_queues()
    assert reconcile.look_up_unknown() + status_polling.poll_statuses() >= 2
    cancellation.end_waiting()
    assert unindexed_steps(executed_statements()) == []


def test_list_of_people_uses_indexes_only(
    signing_app: SigningApp, executed_statements: Callable[[], list[str]]
) -> None:
    signing_app.post("/events", event_body(signers=[signer_body("Eric")]))
    contacts = db.session.scalars(select(Contact).where(Contact.kind == "phone")).all()
    posted = len(executed_statements())
    assert [row.name for row in people_rows.list_people(contacts)] == ["Eric"]
    statements = executed_statements()[posted:]
    assert len(statements) < 10
    assert unindexed_steps(statements) == []


def test_indexing_and_searching_uses_indexes_only(
    signing_app: SigningApp, executed_statements: Callable[[], list[str]]
) -> None:
    index_all()  # what was stored before is read in the order of the primary key
    upgrade = len(executed_statements())
    signing_app.post("/events", event_body(signers=[signer_body("Eric")]))
    index_all()
    lookup.find_requests("employment eric", 20)
    lookup.find_contacts("eric", 20)
    lookup.find_by_address("317555", 20)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lookup, "MAX_COMPARED", 1)  # as if the words were common
        assert lookup.find_requests("employment eric", 20).ids
        assert lookup.find_requests("employment", 20).ids
    statements = executed_statements()[upgrade:]
    compared = [query_plan(statement) for statement in statements if "EXISTS" in statement]
    compared = [plan for plan in compared if any("_words" in step for step in plan)]
    assert compared
    for plan in compared:
        # a term may have a thousand words, so the few words of a row are looked up among them
        assert re.search(r"\((prefix=\? AND word|word=\? AND prefix)=\?\)", str(plan)), plan
    assert unindexed_steps(statements) == []


def test_fallbacks_use_indexes_only(
    signing_app: SigningApp, executed_statements: Callable[[], list[str]]
) -> None:
    signing_app.post("/events", event_body(signers=[signer_body("Eric")]))
    [invitation] = db.session.scalars(select(Message)).all()
    update_message(
        invitation.id, fallback_goal="delivered", status="undelivered", escalate_at=now()
    )
    upgrade = len(executed_statements())
    cron.wake_queues()
    assert ladders.is_due()
    assert ladders.escalate_due(waiting_callbacks.process_waiting) == 1
    assert len(unreached.list_unreached(now() - timedelta(days=1), 10)) == 1
    statements = executed_statements()[upgrade:]
    assert any("escalate_at" in statement for statement in statements)
    assert unindexed_steps(statements) == []


def test_reminders_and_scheduled_events_use_indexes_only(
    signing_app: SigningApp, executed_statements: Callable[[], list[str]]
) -> None:
    send(signing_app)
    send_at = (now() + timedelta(days=1)).isoformat()
    scheduled = json_of(signing_app.post("/events", event_body("request.viewed", send_at=send_at)))
    let_pass(timedelta(days=3))
    assert clock_check.is_trusted(), "its first check reads the newest rows"
    upgrade = len(executed_statements())
    cron.wake_queues()
    assert reminder_clock.correct_reminders() == 0
    assert automatic_reminders.send_due(ShutdownSignal(10)) == 1
    assert plan_scheduled.plan_due(ShutdownSignal(10)) == 0
    scheduled_events.cancel(scheduled["event"]["id"])
    statements = executed_statements()[upgrade:]
    assert any("remind_at" in statement for statement in statements)
    assert unindexed_steps(statements) == []


@pytest.mark.skipif(not POSTGRES, reason="SQLite has no clock of its own")
@pytest.mark.parametrize(
    ("is_due", "column"),
    [
        (plan_scheduled.is_due, "due_at"),
        (automatic_reminders.is_due, "remind_at"),
        (ladders.is_due, "escalate_at"),
    ],
)
def test_chores_look_up_due_times_in_an_index(
    in_app: Flask, is_due: Callable[[], bool], column: str
) -> None:
    executed: list[tuple[str, Any]] = []
    event.listen(
        db.engine, "before_cursor_execute", lambda _, __, *sql: executed.append((sql[0], sql[1]))
    )
    assert not is_due()
    [(statement, values)] = [item for item in executed if f"{column} <=" in item[0]]
    with db.engine.connect() as connection:
        for other_plan in ("seqscan", "sort"):  # which PostgreSQL may choose for few rows
            connection.exec_driver_sql(f"SET LOCAL enable_{other_plan} = off")
        plan = [row[0] for row in connection.exec_driver_sql(f"EXPLAIN {statement}", values)]
    assert any("Index Cond" in step and column in step for step in plan), plan
