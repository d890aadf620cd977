"""An application with an empty database, in which migrations run."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from flask import Flask
from sqlalchemy import make_url

from tests.conftest import POSTGRES, make_app
from tests.databases import close


@pytest.fixture
def empty_app(
    tmp_path: Path, secret_keys: dict[str, str], queue_url: str, settings: dict[str, str]
) -> Iterator[Flask]:
    """Return an application with an empty database."""
    environ = {
        "HUB_DATA_DIR": str(tmp_path / "data"),
        "HUB_REDIS_URL": queue_url,
        **secret_keys,
        **settings,
    }
    if not POSTGRES:
        app = make_app(environ)
        with app.app_context():
            yield app
            close(app)
        return
    name = f"hub_{secrets.token_hex(6)}"
    server = make_url(POSTGRES)
    url = server.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    app = make_app(
        {
            **environ,
            "HUB_DATABASE_URL": server.set(database=name).render_as_string(hide_password=False),
        }
    )
    with app.app_context():
        yield app
        close(app)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
