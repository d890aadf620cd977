"""Migrations turn an empty database into the current tables, and can run again."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import flask_migrate
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from sqlalchemy import Column, MetaData, Table, func, inspect, select
from sqlalchemy import Connection as SqlConnection

from hub.db import engine
from hub.db.engine import Base, db
from hub.db.types import now
from hub.models import Route, Source, Template
from hub.run import up
from tests.conftest import POSTGRES


def test_migrated_empty_database_matches_the_models(empty_app: Flask) -> None:
    assert inspect(db.engine).get_table_names() == []
    up.migrate()
    db.session.rollback()
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    assert {*Base.metadata.tables} <= {*inspect(db.engine).get_table_names()}


def test_repeated_migration_changes_nothing(empty_app: Flask) -> None:
    up.migrate()
    before = count_rows()
    up.migrate()
    assert count_rows() == before
    assert before == (1, 13, 300)


def count_rows() -> tuple[int, ...]:
    db.session.rollback()
    return tuple(
        db.session.scalar(select(func.count()).select_from(model)) or 0
        for model in (Source, Route, Template)
    )


def test_every_foreign_key_and_index_is_named(empty_app: Flask) -> None:
    up.migrate()
    schema = inspect(db.engine)
    for table in Base.metadata.tables:
        assert all(key["name"] for key in schema.get_foreign_keys(table)), table
        assert all(index["name"] for index in schema.get_indexes(table)), table


def test_unmigrated_hub_is_not_ready(empty_app: Flask) -> None:
    answer = empty_app.test_client().get("/readyz")
    assert answer.status_code == 503
    assert "migrate" in answer.text
    up.migrate()
    assert empty_app.test_client().get("/readyz").status_code == 200


def test_postgresql_indexes_have_the_conditions_of_the_models(empty_app: Flask) -> None:
    """Models name a condition once, for SQLite; the migration must repeat it for PostgreSQL."""
    up.migrate()
    conditions = {
        index.name: index.dialect_options["sqlite"]["where"]
        for table in Base.metadata.tables.values()
        for index in table.indexes
    }
    option = "postgresql_where" if POSTGRES else "sqlite_where"
    inspector = inspect(db.engine)
    partial = {
        index["name"]
        for table in Base.metadata.tables
        for index in inspector.get_indexes(table)
        if index.get("dialect_options", {}).get(option) is not None
    }
    assert partial == {name for name, condition in conditions.items() if condition is not None}


def test_rows_of_0_2_0_survive_the_newest_migration(empty_app: Flask) -> None:
    """Every migration after 0.2.0 keeps existing rows."""
    directory = engine.MIGRATIONS
    flask_migrate.Migrate(empty_app, db, directory=directory)
    flask_migrate.upgrade(revision="0.2.0")
    with db.engine.begin() as connection:
        tables = reflect(connection)
        for table in tables.sorted_tables:
            connection.execute(table.insert().values(sample_row(table)))
    filled = set(tables.tables)
    up.migrate()
    with db.engine.connect() as connection:
        missing = [
            table.name
            for table in reflect(connection).sorted_tables
            if table.name in filled
            and not connection.scalar(select(func.count()).select_from(table))
        ]
    assert missing == []


def reflect(connection: SqlConnection) -> MetaData:
    """Return the tables as the database has them, except Alembic's own."""
    tables = MetaData()
    tables.reflect(connection, only=lambda name, _: name != "alembic_version")
    return tables


def sample_row(table: Table) -> dict[str, Any]:
    """Return a value for each column, with equal IDs so that every foreign key is valid."""
    return {column.name: sample_value(column) for column in table.columns}


def sample_value(column: Column[Any]) -> Any:
    kind = column.type.python_type
    if column.name == "address" and column.table.name == "contacts":
        return "+491701234567"
    if column.name == "kind" and column.table.name == "contacts":
        return "phone"
    if column.name == "token" or kind is bytes:
        return bytes(16)
    samples = {uuid.UUID: uuid.UUID(int=0), str: "x", datetime: now(), dict: {}, bool: False}
    return samples.get(kind, 1 if kind is not list else [])
