"""Lists of messages match their filters, in order, and read no more than they show."""

from __future__ import annotations

import itertools
import random
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert, select, update

from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import new_id, now
from hub.messaging.state.message_batch import messages as table
from hub.messaging.track import message_queries
from hub.messaging.track.message_queries import Filters
from hub.models import Attempt, Connection, Message
from tests.hub_fixtures import (
    ERIC,
    copy_connection,
    message,
    queue_text,
    source_id,
    update_message,
)

WORDS = list(Status)


@pytest.fixture
def many_messages(hub_demo: Flask, connection: Connection) -> list[Message]:
    """Add messages of every status over three connections of two channels, newest first."""
    other_connections = [copy_connection(title, like=connection) for title in ("Second", "Third")]
    first = message(queue_text())
    _add_messages(first, [connection.id, *other_connections])
    return list(db.session.scalars(select(Message).order_by(Message.id.desc())))


@transaction
def _add_messages(like: Message, carriers: list[str]) -> None:
    rng = random.Random(7)
    row = {column.name: getattr(like, column.name) for column in table.columns}
    unique = {"dedup_key": None, "after_id": None, "due_at": None}
    rows = [
        {
            **row,
            **unique,
            "id": new_id("msg"),
            "connection_id": rng.choice(carriers),
            "status": rng.choice(WORDS).value,
            "code": rng.choice(["", "30003"]),
        }
        for _ in range(150)
    ]
    db.session.execute(insert(table), rows)
    db.session.execute(
        update(Connection).where(Connection.id == carriers[2]).values(channel="email", test=False)
    )
    db.session.execute(
        update(table)
        .where(table.c.connection_id == carriers[2])
        .values(channel="email", test=False)
    )


def connection_slug(message: Message) -> str:
    return message.connection.slug


def test_list_matches_its_filters(many_messages: list[Message]) -> None:
    status_sets: list[tuple[Status, ...]] = [
        (),
        (Status.DELIVERED,),
        (Status.FAILED, Status.UNDELIVERED),
    ]
    kinds: list[bool | None] = [None, True, False]
    for statuses, channel, slug, test in itertools.product(
        status_sets, ("", "sms", "email", "voice"), ("", "second", "nowhere"), kinds
    ):
        expected = [
            message.id
            for message in many_messages
            if (not statuses or message.status in statuses)
            and channel in ("", message.channel)
            and slug in ("", connection_slug(message))
            and test in (None, message.test)
        ]
        branches = Filters(statuses, channel=channel, slug=slug, test=test).branches()
        assert [
            message.id for message in message_queries.newest_messages(branches, 1000)
        ] == expected, (
            statuses,
            channel,
            slug,
            test,
        )
        assert [message.id for message in message_queries.newest_messages(branches, 7)] == expected[
            :7
        ]


def test_pages_follow_one_another_in_both_directions(many_messages: list[Message]) -> None:
    branches = Filters((Status.DELIVERED, Status.SENT, Status.FAILED)).branches()
    expected = [message.id for message in message_queries.newest_messages(branches, 1000)]
    for index in range(len(expected)):
        assert [
            message.id
            for message in message_queries.newest_messages(branches, 5, before=expected[index])
        ] == expected[index + 1 : index + 6]
        assert [
            message.id
            for message in message_queries.newest_messages(branches, 5, after=expected[index])
        ] == expected[:index][::-1][:5]


def test_list_is_complete_with_more_branches_than_a_statement_allows(
    many_messages: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    branches = Filters(channel="sms").branches()
    expected = [message.id for message in message_queries.newest_messages(branches, 20)]
    monkeypatch.setattr(message_queries, "AT_ONCE", 3)
    assert [message.id for message in message_queries.newest_messages(branches, 20)] == expected


def test_search_respects_filters(many_messages: list[Message]) -> None:
    results = message_queries.newest_messages(
        Filters((Status.FAILED,), slug="second").narrow(message_queries.match_code("30003")), 1000
    )
    assert [found_message.id for found_message in results] == [
        message.id
        for message in many_messages
        if (message.code, message.status, connection_slug(message)) == ("30003", "failed", "second")
    ]
    assert len(
        message_queries.newest_messages(
            message_queries.match_address([("phone", ERIC), ("email", ERIC)]), 1000
        )
    ) == len(many_messages)
    assert (
        message_queries.newest_messages(
            message_queries.match_address([("phone", "+15550000000")]), 10
        )
        == []
    )


@transaction
def add_attempt(message: Message, provider_id: str) -> None:
    db.session.add(
        Attempt(
            message_id=message.id,
            number=1,
            connection_id=message.connection_id,
            provider_id=provider_id,
        )
    )


def test_message_is_found_by_the_provider_id_of_an_earlier_attempt(
    many_messages: list[Message],
) -> None:
    add_attempt(many_messages[3], "SM1")
    update_message(many_messages[3].id, provider_id="SM2", tries=2)
    assert [
        message.id
        for message in message_queries.newest_messages(message_queries.match_provider_id("SM1"), 10)
    ] == [many_messages[3].id]
    assert message_queries.newest_messages(message_queries.match_provider_id("SM3"), 10) == []


def test_messages_of_a_day_are_counted_up_to_a_limit(many_messages: list[Message]) -> None:
    failures = sum(message.status == "failed" for message in many_messages)
    assert (
        message_queries.count_messages((Status.FAILED,), now() - timedelta(days=1), 1000)
        == failures
    )
    assert message_queries.count_messages((Status.FAILED,), now() - timedelta(days=1), 2) == 2
    assert message_queries.count_messages((Status.FAILED,), now(), 1000) == 0


def query_plans(run: Any) -> list[str]:
    """Return SQLite's plans of the statements that a function executes."""
    if db.engine.dialect.name != "sqlite":
        pytest.skip(
            "PostgreSQL chooses by what is in the tables, of which there is too little here"
        )
    from sqlalchemy import event

    statements: list[tuple[str, Any]] = []

    def record_statement(
        connection: Any,
        cursor: Any,
        statement: str,
        parameters: Any,
        context: Any,
        many_messages: bool,
    ) -> None:
        statements.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", record_statement)
    try:
        run()
    finally:
        event.remove(db.engine, "before_cursor_execute", record_statement)
    cursor = db.session.connection().connection.cursor()
    explained = [
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
        for sql, values in statements
        if "FROM messages" in sql
    ]
    return [row[3] for row in itertools.chain.from_iterable(explained)]


@pytest.mark.parametrize(
    "filters",
    [
        Filters((Status.FAILED, Status.UNDELIVERED)),
        Filters(channel="sms", test=True),
        Filters((Status.SENT,), slug="second"),
    ],
)
def test_filtered_list_reads_one_index_for_each_branch(
    many_messages: list[Message], filters: Filters
) -> None:
    index_names = (
        message_queries.BesideIndex(Message.source_id) == source_id()
    ) & message_queries.BesideIndex(Message.test)
    for also in (None, index_names):
        plans = query_plans(
            lambda also=also: message_queries.newest_messages(
                filters.branches(), 5, before=many_messages[0].id, extra_condition=also
            )
        )  # type: ignore[misc]
        assert any("ix_messages_connection_id_status_id" in step for step in plans), plans
        assert not [
            step for step in plans if step.startswith("SCAN messages") or "source_id" in step
        ], plans


@pytest.mark.parametrize(
    ("branches", "index"),
    [
        (lambda: message_queries.match_code("30003"), "ix_messages_code_id"),
        (lambda: message_queries.match_address([("phone", ERIC)]), "ix_messages_contact_id_id"),
    ],
    ids=["code", "address"],
)
def test_search_reads_the_index_of_its_column(
    many_messages: list[Message], branches: Any, index: str
) -> None:
    narrowed = Filters((Status.FAILED,), slug="second").narrow(branches())
    plans = query_plans(lambda: message_queries.newest_messages(narrowed, 5))
    assert any(index in step for step in plans), plans
    assert not [step for step in plans if step.startswith("SCAN messages")], plans
