"""Health checks while a hub runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from hub.db.engine import db
from hub.lib import disk
from hub.shared import startup_checks
from tests.conftest import POSTGRES
from tests.shared.start_up import ROOT


@pytest.mark.parametrize(
    ("revision", "error"),
    [("9999", "newer than this version"), ("0015", "before 0.2.0"), (None, "hub migrate")],
)
def test_readiness_names_a_database_of_another_version(
    app: Any, client: FlaskClient, revision: str | None, error: str
) -> None:
    before = startup_checks._revisions()[-1]
    set_revision(app, revision)
    try:
        response = client.get("/readyz")
    finally:
        set_revision(app, before)
    assert response.status_code == 503
    assert error in response.get_json()["database"]
    assert client.get("/readyz").get_json()["database"] == "ok"


def set_revision(app: Any, revision: str | None) -> None:
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
        if revision:
            connection.execute(
                text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": revision}
            )


def test_newest_revision_is_the_last_migration() -> None:
    script = ScriptDirectory(ROOT / "migrations")
    revisions = [revision.revision for revision in script.walk_revisions()]
    assert startup_checks._revisions() == tuple(reversed(revisions))


def test_full_disk_is_degraded(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.get("/readyz").get_json()["disk"] == "ok"
    monkeypatch.setattr(disk, "MIN_FREE_BYTES", 1 << 62)  # more than any disk has
    response = client.get("/readyz")
    assert (response.status_code, response.get_json()["status"]) == (200, "degraded")
    assert response.get_json()["disk"] == "almost full; free some space"


def add_users(create_user: Callable[[str, str], str]) -> None:
    for number in range(10_000):
        create_user(f"{number}@{'x' * 200}.example", "D" * 100)


@pytest.mark.skipif(bool(POSTGRES), reason="about the embedded database")
def test_write_that_failed_on_a_full_disk_is_reported(
    app: Any, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hub.accounts import users

    monkeypatch.setattr(disk, "_failed_at", float("-inf"))
    with app.app_context():
        with db.engine.connect() as connection:
            (pages,) = connection.exec_driver_sql("PRAGMA page_count").one()
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        with pytest.raises(OperationalError, match="full"):
            add_users(users.create_user)
    assert (
        client.get("/readyz").get_json()["disk"]
        == "a write failed in the last minute; free some space"
    )
