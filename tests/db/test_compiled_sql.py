"""Compiled statements behave like SQLAlchemy's own execution."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from hub.db.compiled_sql import Statement, get_table
from hub.db.engine import db
from hub.db.store import list_param, read, transaction, write
from hub.db.types import new_id, now
from hub.models import Throttle, Usage
from tests.hub_fixtures import connection as connection
from tests.hub_fixtures import hub_demo as hub_demo

throttles = get_table(Throttle)
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


def make_row(name: str, value: int = 1) -> dict[str, Any]:
    return {"name": name, "reason": "day", "epoch": value}


add = transaction(lambda *rows: write(ADD, rows))


def find_rows(*names: str) -> list[tuple[Any, ...]]:
    db.session.rollback()
    return read(FIND, reason="day", names=list(names))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_list_parameter_may_have_any_length(in_app: Flask, count: int) -> None:
    names = [f"{n}" for n in range(count)]
    add(*map(make_row, names))
    assert find_rows(*names) == [(name, 1) for name in names]
    assert find_rows(*names[:1], "no such") == [("0", 1)]


@given(st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=9), st.integers(0, 4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_values_of_one_execution_do_not_remain_for_the_next(
    in_app: Flask, names: list[str], value: int
) -> None:
    @transaction
    def replace_rows() -> None:
        write(REMOVE, {"names": list("abcdefghij")})
        write(ADD, [make_row(name, value) for name in set(names)])

    replace_rows()
    expected = sorted(set(names)) if value in (1, 2, 3) else []
    assert find_rows(*names) == [(name, value) for name in expected]
    assert find_rows("no such") == []


def test_empty_list_parameter_is_refused(in_app: Flask) -> None:
    with pytest.raises(ValueError, match="empty"):
        find_rows()


def test_literal_values_of_a_statement_apply(in_app: Flask) -> None:
    add(make_row("a", 3), make_row("b", 4))
    assert find_rows("a", "b") == [("a", 3)]


def test_update_runs_for_each_row(in_app: Flask) -> None:
    add(make_row("a"), make_row("b"), make_row("c"))
    transaction(lambda: write(SET, [{"key": "a", "new_value": 2}, {"key": "b", "new_value": 3}]))()
    transaction(lambda: write(REMOVE, {"names": ["c"]}))()
    assert find_rows("a", "b", "c") == [("a", 2), ("b", 3)]


def test_writing_no_rows_is_allowed(in_app: Flask) -> None:
    transaction(lambda: write(ADD, []))()


def test_conflicting_rows_are_skipped_on_request(in_app: Flask) -> None:
    add(make_row("a"))
    transaction(lambda: write(ADD_ONCE, [make_row("a", 2), make_row("b", 2)]))()
    assert find_rows("a", "b") == [("a", 1), ("b", 2)]


def test_write_outside_a_transaction_is_refused(in_app: Flask) -> None:
    with pytest.raises(RuntimeError, match="@transaction"):
        write(ADD, make_row("a"))


def test_missing_value_is_an_error(in_app: Flask) -> None:
    with pytest.raises(KeyError):
        transaction(lambda: write(SET, {"key": "a"}))()
    with pytest.raises(IntegrityError):
        add({"reason": "day"})


def test_omitted_column_gets_its_default(in_app: Flask) -> None:
    add({"name": "a", "reason": "day"})
    assert read(Statement(select(throttles.c.epoch))) == [(0,)]


def test_errors_match_sqlalchemy_and_hide_values(in_app: Flask) -> None:
    add(make_row("secret"))
    with pytest.raises(IntegrityError) as caught:
        add(make_row("secret"))
    assert caught.value.params is None
    assert isinstance(caught.value, DBAPIError)


def test_failed_savepoint_is_rolled_back_alone(in_app: Flask) -> None:
    @transaction
    def change() -> None:
        write(ADD, make_row("a"))
        with suppress(IntegrityError), db.session.begin_nested():
            write(ADD, make_row("b"))
            write(ADD, make_row("a"))
        write(ADD, make_row("c"))

    change()
    assert find_rows("a", "b", "c") == [("a", 1), ("c", 1)]


def test_every_type_of_value_survives_a_round_trip(hub_demo: Flask, connection: Any) -> None:
    usage = get_table(Usage)
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
    expected_values = (
        connection.id,
        connection.test,
        connection.created_at,
        None,
        connection._settings,
    )
    assert [
        tuple(find_rows)
        for find_rows in read(Statement(select(*columns).where(connections.c.id == connection.id)))
    ] == [expected_values]
    assert (
        read(
            Statement(select(connections.c.id).where(connections.c.created_at > bindparam("at"))),
            at=moment,
        )
        == []
    )


def test_id_of_another_kind_is_refused(hub_demo: Flask, connection: Any) -> None:
    connections = get_table(type(connection))
    with pytest.raises(ValueError, match="con_"):
        read(
            Statement(select(connections.c.slug).where(connections.c.id == bindparam("id"))),
            id=new_id("msg"),
        )
