"""An application with an empty database, in which migrations run."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from flask import Flask
from sqlalchemy import make_url

from tests.conftest import POSTGRES, make_app
from tests.databases import close


@contextmanager
def new_database(template: str = "") -> Iterator[str]:
    """Create an empty database or a copy of another, or return '' without a server."""
    if not POSTGRES:
        yield ""
        return
    name = f"hub_{secrets.token_hex(6)}"
    server = make_url(POSTGRES)
    url = server.set(drivername="postgresql").render_as_string(hide_password=False)
    copied = f"TEMPLATE {make_url(template).database}" if template else ""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} {copied}")
    yield server.set(database=name).render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def end_connections(url: str) -> None:
    """End all connections to a database, which cannot be copied while it has one."""
    with psycopg.connect(POSTGRES.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [make_url(url).database],
        )


@pytest.fixture
def empty_app(
    tmp_path: Path, secret_keys: dict[str, str], queue_url: str, settings: dict[str, str]
) -> Iterator[Flask]:
    """Return an application with an empty database."""
    with new_database() as url:
        environ = app_environ(tmp_path / "data", url, queue_url, secret_keys | settings)
        with running_app(environ) as app:
            yield app


def app_environ(
    folder: Path, database_url: str, queue_url: str, settings: dict[str, str]
) -> dict[str, str]:
    """Return the environment of an application with a database of its own."""
    database = {"HUB_DATABASE_URL": database_url} if database_url else {}
    return {"HUB_DATA_DIR": str(folder), "HUB_REDIS_URL": queue_url, **settings, **database}


@contextmanager
def running_app(environ: dict[str, str]) -> Iterator[Flask]:
    """Create an application, with its context pushed, and close it in the end."""
    app = make_app(environ)
    with app.app_context():
        yield app
        close(app)
