"""Databases with which tests begin: prepared once for each process and copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flask import Flask
from sqlalchemy import Connection, Engine, text

import hub
from hub.accounts import rate_limits
from hub.connections import demo
from hub.core import config
from hub.db.engine import Base, db
from hub.db.sqlite_connections import sqlite_connections
from hub.run import up
from hub.shared import audit

FILES = {"hub.db", "demo-key", "simulator.json"}


@dataclass(frozen=True)
class Template:
    """A data folder with its database, which is a file in it or a schema of PostgreSQL."""

    folder: Path
    schema: str

    def copy_files(self, folder: Path) -> None:
        """Copy everything that belongs to the database into a test's own data folder."""
        for path in self.folder.iterdir():
            if path.name in FILES:
                shutil.copy(path, folder / path.name)


@contextmanager
def template_app(
    folder: Path, queue_url: str, postgres_url: str, secret_keys: dict[str, str]
) -> Iterator[Flask]:
    """Create an application for a template, with its context pushed."""
    environ = {
        "HUB_DATA_DIR": str(folder),
        "HUB_REDIS_URL": queue_url,
        "HUB_DATABASE_URL": postgres_url,
        "HUB_DEMO": "1",
        **secret_keys,
    }
    audit.act_as(audit.SYSTEM)
    app = hub.create_app(config.load(environ))
    with app.app_context():
        yield app
        close(app)


def make_migrated(app: Flask, folder: Path) -> Template:
    """Migrate the database of an application, whose context is pushed."""
    up.migrate()
    return _save(folder, "migrated")


def make_demo(app: Flask, folder: Path) -> Template:
    """Prepare the demo in the migrated database of an application, whose context is pushed."""
    demo.prepare()
    return _save(folder, "demo")


def make_whole_demo(app: Flask, folder: Path) -> Template:
    """Add chats and email to the demo's database of an application, whose context is pushed."""
    demo.connect_chats_and_mail()
    return _save(folder, "whole_demo")


def _save(folder: Path, name: str) -> Template:
    db.session.rollback()
    if db.engine.dialect.name == "postgresql":
        with db.engine.begin() as connection:
            _copy_rows(connection, name)
    else:
        with db.engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")  # a checkpoint cannot run inside a transaction
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return Template(folder, name)


def _copy_rows(connection: Connection, schema: str) -> None:
    """Keep a copy of every table that has rows, and a function that restores all tables.

    The server plans the statements of a function once for each connection, and checks no foreign
    keys in this one.
    """
    connection.execute(text(f"CREATE SCHEMA {schema}"))
    # TRUNCATE makes new files for every table, which takes longer than to delete few rows
    statements = []
    for table in Base.metadata.sorted_tables:
        own = f'public."{table.name}"'
        kept = f'{schema}."{table.name}"'
        delete = f"DELETE FROM {own}"  # noqa: S608 - our own tables
        statements.append(f"IF EXISTS (SELECT FROM {own}) THEN {delete}; END IF")
        if connection.execute(table.select().limit(1)).first() is not None:
            connection.execute(text(f"CREATE TABLE {kept} AS TABLE {own}"))
            copy = f"INSERT INTO {own} SELECT * FROM {kept}"  # noqa: S608 - our own tables
            statements.append(copy)
    connection.exec_driver_sql(
        f"CREATE FUNCTION {schema}.restore() RETURNS void LANGUAGE plpgsql"
        " SET session_replication_role = replica"
        f" AS $$ BEGIN {'; '.join(statements)}; END $$"
    )


def restore(engine: Engine, schema: str) -> None:
    """Give every table of PostgreSQL the rows of a template, in one exchange with the server."""
    with engine.begin() as connection:
        connection.exec_driver_sql(f"SELECT {schema}.restore()")


def close(app: Flask) -> None:
    """Close everything that an application holds open."""
    db.session.remove()
    db.engine.dispose()
    if connections := sqlite_connections():
        connections.close()
    if group := app.extensions.get("hub.group_commit"):
        group.connections.close()
    elif storage := app.extensions.get("hub.callbacks"):
        storage.close()
    app.extensions["hub.waker"].redis.close()
    rate_limits.limiter.storage.storage.close()  # type: ignore[union-attr]
