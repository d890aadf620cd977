"""Connections to SQLite stay open for the next thread of their application and process."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import bindparam, create_engine, select
from sqlalchemy.exc import OperationalError

from hub.db.compiled_sql import Statement
from hub.db.engine import db
from hub.db.sqlite_connections import SqliteConnections, sqlite_connections
from hub.db.store import read
from hub.models import Setting
from tests.conftest import POSTGRES, close, make_app
from tests.databases import Template
from tests.db.rows import add_settings, setting_names

COUNT = "SELECT count(*) FROM things"
FIND = Statement(select(Setting.name).where(Setting.name == bindparam("name")))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "things.db"


@pytest.fixture
def connections(path: Path) -> Iterator[SqliteConnections]:
    opened = SqliteConnections(create_engine(f"sqlite:///{path}"))
    with opened.borrow() as connection:
        connection.execute("CREATE TABLE things (name TEXT PRIMARY KEY)")
    yield opened
    opened.close()


def open_files(folder: Path) -> list[str]:
    """Return the files below a folder that this process holds open."""
    links = [entry.readlink() for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
    return [str(link) for link in links if folder in link.parents]


def test_connection_is_used_again(connections: SqliteConnections) -> None:
    first = connections.take()
    connections.give_back(first)
    assert connections.take() is first
    connections.give_back(first)


def test_threads_use_different_connections_at_the_same_time(connections: SqliteConnections) -> None:
    with connections.borrow() as first, connections.borrow() as second:
        assert first is not second


def test_failed_use_closes_the_connection_and_its_transaction(
    connections: SqliteConnections,
) -> None:
    with suppress(ZeroDivisionError), connections.borrow() as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO things VALUES ('a')")
        raise ZeroDivisionError
    assert connections.fetch(COUNT, ()) == [(0,)]


def test_driver_error_is_raised_as_sqlalchemy_raises_it(path: Path) -> None:
    for database in (path, path / "nowhere.db"):
        with pytest.raises(OperationalError):
            SqliteConnections(create_engine(f"sqlite:///{database}")).fetch(COUNT, ())


def test_closed_connections_hold_no_file_open(connections: SqliteConnections, path: Path) -> None:
    assert open_files(path.parent)
    connections.close()
    assert not open_files(path.parent)
    assert connections.fetch(COUNT, ()) == [(0,)], "the next use opens the file again"


def test_child_process_opens_connections_of_its_own(path: Path) -> None:
    code = """
        import os, sys
        from sqlalchemy import create_engine
        from hub.db.sqlite_connections import SqliteConnections

        connections = SqliteConnections(create_engine("sqlite:///" + sys.argv[1]))
        connections.fetch("CREATE TABLE things (name TEXT)", ())
        parents = connections.take()
        connections.give_back(parents)
        if os.fork() == 0:
            own = connections.take()
            own.execute("INSERT INTO things VALUES ('child')")
            connections.give_back(own)
            connections.close()
            os._exit(own is parents)
        print(os.waitstatus_to_exitcode(os.wait()[1]))
        print(connections.take() is parents, parents.execute("SELECT * FROM things").fetchall())
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(path)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert output.splitlines() == ["0", "True [('child',)]"]


@pytest.mark.skipif(bool(POSTGRES), reason="only SQLite is a file in the data folder")
def test_new_application_reads_its_own_data_folder(
    environ: dict[str, str], template: Template
) -> None:
    folder = Path(environ["HUB_DATA_DIR"])
    for name in ("a", "b"):
        app = make_app(environ)
        with app.app_context():
            add_settings(name)
            assert [row for each in "ab" for row in read(FIND, name=each)] == [(name,)]
            close(app)
        assert not open_files(folder)
        shutil.rmtree(folder)
        folder.mkdir(mode=0o700)
        template.copy_files(folder)


# ── Reads of an application ───────────────────────────────────────────────────────────────────────
def add_elsewhere(app: Flask, name: str) -> None:
    def run() -> None:
        with app.app_context():
            add_settings(name)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def test_read_needs_no_session(in_app: Flask) -> None:
    if sqlite_connections() is None:
        pytest.skip("on PostgreSQL, the session reads")
    assert read(FIND, name="a") == []
    assert not db.session.registry.has()
    add_elsewhere(in_app, "a")
    assert read(FIND, name="a") == [("a",)]


@pytest.mark.skipif(bool(POSTGRES), reason="there each statement has its own snapshot")
def test_read_uses_the_snapshot_of_a_session_that_has_begun(in_app: Flask) -> None:
    assert setting_names() == set()
    add_elsewhere(in_app, "a")
    assert read(FIND, name="a") == []
    db.session.rollback()
    assert read(FIND, name="a") == [("a",)]
