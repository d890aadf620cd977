"""Migrations lead from an empty database to the tables that the code expects, and the command can
be given again.
"""

from __future__ import annotations

import importlib.util
import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from flask import Flask
from sqlalchemy import func, inspect, make_url, select

from hub.db.engine import Base, db
from hub.db.store import transaction
from hub.messaging.contacts.contacts import contact_for
from hub.models import Connection, Message, Route, Source, Suppression, Template
from hub.run import up
from hub.shared.address_keys import address_key
from tests.conftest import POSTGRES, make_app


@pytest.fixture
def empty(tmp_path: Path, keys: dict[str, str], queue_url: str) -> Iterator[Flask]:
    """Give an application on a database in which nothing is."""
    environ = {"HUB_DATA_DIR": str(tmp_path / "data"), "HUB_REDIS_URL": queue_url, **keys}
    if not POSTGRES:
        app = make_app(environ)
        with app.app_context():
            yield app
            _close(app)
        return
    name = f"hub_{secrets.token_hex(6)}"
    server = make_url(POSTGRES)
    where = server.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(where, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    app = make_app(
        {
            **environ,
            "HUB_DATABASE_URL": server.set(database=name).render_as_string(hide_password=False),
        }
    )
    with app.app_context():
        yield app
        _close(app)
    with psycopg.connect(where, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _close(app: Flask) -> None:
    db.session.remove()
    db.engine.dispose()
    app.extensions["hub.waker"].redis.close()


def test_an_empty_database_becomes_what_the_models_say(empty: Flask) -> None:
    assert inspect(db.engine).get_table_names() == []
    up.migrate()
    db.session.rollback()
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    assert {*Base.metadata.tables} <= {*inspect(db.engine).get_table_names()}


def test_migrating_again_changes_nothing(empty: Flask) -> None:
    up.migrate()
    before = counts()
    up.migrate()
    assert counts() == before
    assert before == (1, 5, 13)


def counts() -> tuple[int, ...]:
    db.session.rollback()
    return tuple(
        db.session.scalar(select(func.count()).select_from(model)) or 0
        for model in (Source, Route, Template)
    )


def test_every_foreign_key_and_index_has_a_name(empty: Flask) -> None:
    up.migrate()
    found = inspect(db.engine)
    for table in Base.metadata.tables:
        assert all(key["name"] for key in found.get_foreign_keys(table)), table
        assert all(index["name"] for index in found.get_indexes(table)), table


def test_a_hub_that_is_not_migrated_is_not_ready(empty: Flask) -> None:
    answer = empty.test_client().get("/readyz")
    assert answer.status_code == 503
    assert "migrate" in answer.text
    up.migrate()
    assert empty.test_client().get("/readyz").status_code == 200


def rerun(number: str, part: str = "upgrade") -> None:
    """Run a migration's change of rows again, on a database that has every table."""
    [path] = (Path(up.__file__).parents[2] / "migrations" / "versions").glob(f"{number}_*.py")
    spec = importlib.util.spec_from_file_location(f"migration_{number}", path)
    assert spec is not None and spec.loader is not None  # noqa: PT018
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with (
        db.engine.begin() as connection,
        Operations.context(MigrationContext.configure(connection)),
    ):
        getattr(module, part)()


def test_an_opt_out_of_a_blank_sender_becomes_that_of_its_connection(empty: Flask) -> None:
    up.migrate()

    @transaction
    def fill() -> dict[str, str]:
        made = {}
        for slug, channel, sender in (
            ("a", "chat", ""),
            ("b", "chat", ""),
            ("c", "chat", "@bot"),
            ("d", "sms", ""),
        ):
            row = Connection(
                integration="x", slug=slug, title=slug, channel=channel, test=False, sender=sender
            )
            db.session.add(row)
            db.session.flush()
            made[slug] = row.id
        contact = contact_for("chat", "roof", test=False)
        message = Message(
            contact_id=contact.id, connection_id=made["a"], channel="chat", test=False
        )
        db.session.add(message)
        db.session.flush()
        for key, reason, sender, message_id in (
            (b"1", "provider", "", message.id),
            (b"2", "keyword", "", None),
            (b"3", "admin", "", None),
            (b"4", "provider", "@bot", None),
        ):
            db.session.add(
                Suppression(
                    address_key=key * 32,
                    channel="chat",
                    sender=sender,
                    test=False,
                    reason=reason,
                    message_id=message_id,
                )
            )
        return made

    made = fill()
    rerun("0010")
    db.session.rollback()
    found = [(row.address_key[:1], row.sender) for row in db.session.scalars(select(Suppression))]
    of_own = [(b"1", made["a"]), (b"2", made["a"]), (b"2", made["b"])]
    assert sorted(found) == sorted([*of_own, (b"3", ""), (b"4", "@bot")])


def test_what_closed_a_teams_destination_is_lifted_and_a_persons_chat_stays_closed(
    empty: Flask,
) -> None:
    up.migrate()

    @transaction
    def fill() -> None:
        db.session.add(
            Connection(
                integration="x",
                slug="a",
                title="a",
                channel="chat",
                test=False,
                sender="@bot",
                place="roof",
            )
        )
        for address in ("roof", "nest"):
            for reason in ("provider", "admin"):
                key = contact_for("chat", address, test=False).address_key
                sender = "@bot" if reason == "provider" else ""
                db.session.add(
                    Suppression(
                        address_key=key, channel="chat", sender=sender, test=False, reason=reason
                    )
                )

    fill()
    rerun("0014", "lift_suppressions")
    db.session.rollback()
    lifted = [row for row in db.session.scalars(select(Suppression)) if row.lifted_at is not None]
    assert [(row.address_key, row.reason) for row in lifted] == [
        (address_key("chat", "roof"), "provider")
    ]
