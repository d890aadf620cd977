"""The short form of `make chaos`: a few quick faults, one after another on one hub.

Faults that end in a lookup at the provider take a minute or two, and run in the long form only.
"""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import make_url

from tests.chaos import signatures
from tests.chaos.faults import combine_faults
from tests.chaos.scenario import Plan, run
from tests.conftest import POSTGRES
from tests.effort import LONG

MESSAGES = 150
QUICK = ("parent-killed", "redis-stopped", "web-killed")


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """Return the address of a separate PostgreSQL database, or '' for SQLite."""
    if not postgres_url:
        yield ""
        return
    server = make_url(postgres_url)
    name = f"{make_url(postgres_url).database}_chaos"
    url = server.set(drivername="postgresql", database="postgres").render_as_string(
        hide_password=False
    )
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield server.set(database=name).render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.skipif(not LONG, reason="it takes a minute")
def test_nobody_is_asked_to_sign_after_signing_while_jobs_are_killed(database_url: str) -> None:
    line = signatures.line(database_url=database_url)
    assert line.has_held, line


@pytest.mark.skipif(bool(POSTGRES) and not LONG, reason="on PostgreSQL in the long form only")
def test_no_message_is_lost_or_sent_twice_during_a_fault(database_url: str) -> None:
    seconds = 3 * len(QUICK)
    plan = Plan(rate=MESSAGES / seconds, seconds=seconds, database_url=database_url)
    line = run(combine_faults(*QUICK), plan)
    assert line.has_held, line
    accepted, received, delivered = line.cells[:3]
    assert accepted == received == delivered
    assert int(accepted) >= 100
