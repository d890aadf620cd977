"""Statements that are compiled once do what SQLAlchemy's own execution does."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from hub.db.compiled_sql import Statement, table_of
from hub.db.engine import db
from hub.db.store import list_param, read, transaction, write
from hub.db.types import new_id, now
from hub.models import Throttle, Usage
from tests.hub_fixtures import connection as connection
from tests.hub_fixtures import hub_demo as hub_demo

throttles = table_of(Throttle)
ADD = Statement.insert(throttles)
ADD_ONCE = Statement.insert(throttles, on_conflict_do_nothing=True)
SET = Statement(
    update(throttles)
    .where(throttles.c.name == bindparam("key"))
    .values(epoch=bindparam("new_value"))
)
REMOVE = Statement(delete(throttles).where(throttles.c.name.in_(list_param("names"))))
FIND = Statement(
    select(throttles.c.name, throttles.c.epoch)
    .where(
        throttles.c.reason == bindparam("reason"),
        throttles.c.name.in_(list_param("names")),
        throttles.c.epoch.in_([1, 2, 3]),
    )
    .order_by(throttles.c.name)
)


def row(name: str, value: int = 1) -> dict[str, Any]:
    return {"name": name, "reason": "day", "epoch": value}


add = transaction(lambda *rows: write(ADD, rows))


def found(*names: str) -> list[tuple[Any, ...]]:
    db.session.rollback()
    return read(FIND, reason="day", names=list(names))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_a_list_may_have_any_length(in_app: Flask, count: int) -> None:
    names = [f"{n}" for n in range(count)]
    add(*map(row, names))
    assert found(*names) == [(name, 1) for name in names]
    assert found(*names[:1], "no such") == [("0", 1)]


def test_an_empty_list_is_not_asked_for(in_app: Flask) -> None:
    with pytest.raises(ValueError, match="empty"):
        found()


def test_values_that_are_part_of_the_statement_hold(in_app: Flask) -> None:
    add(row("a", 3), row("b", 4))
    assert found("a", "b") == [("a", 3)]


def test_changes_are_run_for_each_row(in_app: Flask) -> None:
    add(row("a"), row("b"), row("c"))
    transaction(lambda: write(SET, [{"key": "a", "new_value": 2}, {"key": "b", "new_value": 3}]))()
    transaction(lambda: write(REMOVE, {"names": ["c"]}))()
    assert found("a", "b", "c") == [("a", 2), ("b", 3)]


def test_nothing_to_write_is_no_mistake(in_app: Flask) -> None:
    transaction(lambda: write(ADD, []))()


def test_once_leaves_out_what_is_there(in_app: Flask) -> None:
    add(row("a"))
    transaction(lambda: write(ADD_ONCE, [row("a", 2), row("b", 2)]))()
    assert found("a", "b") == [("a", 1), ("b", 2)]


def test_outside_a_change_nothing_is_written(in_app: Flask) -> None:
    with pytest.raises(RuntimeError, match="@transaction"):
        write(ADD, row("a"))


def test_a_value_that_is_missing_is_a_mistake(in_app: Flask) -> None:
    with pytest.raises(KeyError):
        transaction(lambda: write(SET, {"key": "a"}))()
    with pytest.raises(IntegrityError):
        add({"reason": "day"})


def test_a_value_that_is_left_out_of_a_row_is_the_plain_default(in_app: Flask) -> None:
    add({"name": "a", "reason": "day"})
    assert read(Statement(select(throttles.c.epoch))) == [(0,)]


def test_errors_are_those_of_sqlalchemy_and_tell_no_values(in_app: Flask) -> None:
    add(row("secret"))
    with pytest.raises(IntegrityError) as caught:
        add(row("secret"))
    assert caught.value.params is None
    assert isinstance(caught.value, DBAPIError)


def test_failed_savepoint_is_rolled_back_alone(in_app: Flask) -> None:
    @transaction
    def change() -> None:
        write(ADD, row("a"))
        with suppress(IntegrityError), db.session.begin_nested():
            write(ADD, row("b"))
            write(ADD, row("a"))
        write(ADD, row("c"))

    change()
    assert found("a", "b", "c") == [("a", 1), ("c", 1)]


def test_every_kind_of_value_comes_back_as_it_went_in(hub_demo: Flask, connection: Any) -> None:
    usage = table_of(Usage)
    moment = now()
    values = {
        "connection_id": connection.id,
        "day": "2026-11-21",
        "messages": 2,
        "segments": 3,
        "estimate": Decimal("1.25000"),
        "price": Decimal("0.00790"),
    }
    transaction(lambda: write(Statement.insert(usage), values))()
    assert read(Statement(select(*usage.columns))) == [
        tuple(values[column.name] for column in usage.columns)
    ]
    connections = type(connection).__table__
    columns = [
        connections.c[name] for name in ("id", "test", "created_at", "archived_at", "settings")
    ]
    mine = (connection.id, connection.test, connection.created_at, None, connection._settings)
    assert [
        tuple(found)
        for found in read(Statement(select(*columns).where(connections.c.id == connection.id)))
    ] == [mine]
    assert (
        read(
            Statement(select(connections.c.id).where(connections.c.created_at > bindparam("at"))),
            at=moment,
        )
        == []
    )


def test_an_id_of_another_kind_is_refused(hub_demo: Flask, connection: Any) -> None:
    connections = table_of(type(connection))
    with pytest.raises(ValueError, match="con_"):
        read(
            Statement(select(connections.c.slug).where(connections.c.id == bindparam("id"))),
            id=new_id("msg"),
        )
