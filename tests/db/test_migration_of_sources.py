"""Migration 0011: which source older rows get, and that going back loses no opt-out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import select, text

from hub.db.engine import MIGRATIONS, db
from hub.db.types import new_id, now, raw
from hub.models import (
    ApiKey,
    Chat,
    Connection,
    Consent,
    Contact,
    Inbound,
    Message,
    PlatformEvent,
    Source,
    Suppression,
)
from tests.db.test_migrations import empty as empty


def add(model: Any, **values: Any) -> str:
    """Insert a row with these columns alone, as an older version wrote it; return its id."""
    table = model.__table__
    prefix = getattr(table.c.id.type, "prefix", "") if "id" in table.c else ""
    values = {"id": new_id(prefix), **values} if prefix else values
    with db.engine.begin() as connection:
        rows = {
            name: raw(table.c[name], value, connection.dialect) for name, value in values.items()
        }
        marks = ", ".join(f":{name}" for name in rows)
        insert = f"INSERT INTO {table.name} ({', '.join(rows)}) VALUES ({marks})"  # noqa: S608
        connection.execute(text(insert), rows)
    return str(values.get("id", ""))


@dataclass
class Older:
    """A hub as it was before sources were kept apart."""

    sources: list[str]
    contact: str
    connection: str

    def message(self, source: str | None, status: str = "delivered") -> str:
        return add(
            Message,
            contact_id=self.contact,
            connection_id=self.connection,
            source_id=source,
            channel="sms",
            test=False,
            lane="now",
            thread="",
            status=status,
            code="",
            tries=1,
            exempt=False,
            by_hand=False,
            changed_at=now(),
        )

    def inbound(self) -> str:
        row_id = new_id("inb")
        return add(
            Inbound,
            id=row_id,
            connection_id=self.connection,
            contact_id=self.contact,
            provider_id=row_id,
            kind="text",
            keyword="",
            at=now(),
        )

    def event(self, cause: str, message: str | None = None) -> str:
        return add(PlatformEvent, cause=cause, type="sms_received", message_id=message, at=now())


@pytest.fixture
def older(empty: Flask) -> Older:
    flask_migrate.Migrate(empty, db, directory=MIGRATIONS)
    flask_migrate.upgrade(revision="0010")
    sources = [add(Source, slug=slug, name=slug, created_at=now()) for slug in ("one", "two")]
    contact = add(
        Contact,
        kind="phone",
        address="+13175551234",
        address_key=b"k" * 32,
        test=False,
        time_zone="",
        created_at=now(),
    )
    connection = add(
        Connection,
        integration="twilio_sms",
        slug="sms",
        title="SMS",
        channel="sms",
        test=False,
        state="enabled",
        why="",
        state_at=now(),
        settings_version=1,
        account="AC1",
        sender="+13175550100",
        place="",
        rules="",
        created_at=now(),
    )
    return Older(sources, contact, connection)


def key_of(source: str) -> None:
    add(
        ApiKey,
        source_id=source,
        name="Key",
        digest=source.encode(),
        test=False,
        scopes="*",
        created_at=now(),
    )


def suppression(reason: str) -> str:
    return add(
        Suppression,
        address_key=reason.encode() * 4,
        channel="",
        sender="",
        test=False,
        reason=reason,
        code="",
        why="",
        lifted_why="",
        since=now(),
    )


def sources_after(model: Any) -> dict[str, str | None]:
    flask_migrate.upgrade()
    db.session.rollback()
    return {row.id: row.source_id for row in db.session.scalars(select(model))}


@pytest.mark.parametrize("keys_of", [(0,), (1, 1), (0, 1), ()])
def test_an_opt_out_gets_the_source_that_surely_recorded_it(
    older: Older, keys_of: tuple[int, ...]
) -> None:
    for number in dict.fromkeys(keys_of):
        key_of(older.sources[number])
    mine = suppression("api")
    theirs = suppression("keyword")
    consent = add(
        Consent,
        contact_id=older.contact,
        channel="",
        purpose="",
        given=True,
        source="api",
        at=now(),
        ip="",
        agent="",
    )
    owner = older.sources[keys_of[0]] if len(set(keys_of)) == 1 else None
    assert sources_after(Suppression) == {mine: owner, theirs: None}
    assert sources_after(Consent) == {consent: owner}


def test_what_came_in_gets_the_source_of_what_it_answers_or_of_who_wrote_last(older: Older) -> None:
    one, two = older.sources
    orphan = older.inbound()
    older.event(f"{orphan}:received")
    first = older.message(one)
    older.message(two)
    older.message(one, status="failed")
    answer = older.inbound()
    later = older.inbound()
    events = [older.event(f"{answer}:received", first), older.event(f"{later}:received")]
    older.message(one)
    delivered = older.event(f"{first}:delivered", first)
    assert sources_after(Inbound) == {orphan: None, answer: one, later: two}
    found = sources_after(PlatformEvent)
    assert [found[row_id] for row_id in (*events, delivered)] == [one, two, one]


def test_a_chat_s_consent_gets_the_source_whose_link_was_opened(older: Older) -> None:
    add(
        Chat,
        connection_id=older.connection,
        source_id=older.sources[1],
        address_key=b"a" * 32,
        contact_id=older.contact,
        linked_at=now(),
    )
    consent = add(
        Consent,
        contact_id=older.contact,
        channel="chat",
        purpose="",
        given=True,
        source="link",
        at=now(),
        ip="",
        agent="",
    )
    assert sources_after(Consent) == {consent: older.sources[1]}


def test_many_rows_are_filled_in(older: Older) -> None:
    older.message(older.sources[0])
    rows = [older.inbound() for _ in range(1003)]
    found = sources_after(Inbound)
    assert {found[row_id] for row_id in rows} == {older.sources[0]}


def test_going_back_keeps_one_opt_out_for_each_address(older: Older) -> None:
    flask_migrate.upgrade()
    for source in (None, *older.sources):
        add(
            Suppression,
            address_key=b"same" * 8,
            channel="",
            sender="",
            test=False,
            reason="api",
            code="",
            why="",
            lifted_why="",
            since=now(),
            source_id=source,
        )
    flask_migrate.downgrade(revision="0010")
    with db.engine.connect() as connection:
        query = text("SELECT count(*) FROM suppressions WHERE lifted_at IS NULL")
        assert connection.scalar(query) == 1
