"""A connection whose integration is not installed keeps a page and can be archived."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from hub.connections import connections
from hub.core.vocabulary import Role
from hub.db.engine import db
from hub.db.store import transaction
from hub.models import Connection
from tests.conftest import Browser


@pytest.fixture
def uninstalled_connection(app: Flask) -> str:
    """Add a connection of an integration that is not installed; return its ID."""

    @transaction
    def add() -> str:
        connection = db.session.get_one(
            Connection, connections.create("twilio_sms", "Old pager", test=False)
        )
        connection.integration = "uninstalled"
        return connection.id

    with app.app_context():
        return add()


def test_connection_without_its_integration_has_a_page(
    app: Flask, uninstalled_connection: str, browser_for: Callable[..., Browser]
) -> None:
    admin = browser_for(Role.ADMIN)
    page = admin.get("/connections/old-pager")
    assert page.status_code == 200
    assert "The integration “uninstalled” is not installed." in page.text
    assert "install the package" in page.text
    assert "/connections/old-pager/archive" in page.text


def test_connection_is_listed_among_integrations(
    app: Flask, uninstalled_connection: str, browser_for: Callable[..., Browser]
) -> None:
    page = browser_for().get("/integrations").text
    assert "Integrations that are not installed" in page
    assert "/connections/old-pager" in page


def test_connection_can_be_archived_by_admins_only(
    app: Flask, uninstalled_connection: str, browser_for: Callable[..., Browser]
) -> None:
    admin = browser_for(Role.ADMIN)
    assert "/archive" not in browser_for(Role.VIEWER).get("/connections/old-pager").text
    assert admin.get("/connections/old-pager/archive").status_code == 200
    assert admin.post("/connections/old-pager/archive", {}).status_code == 303
    with app.app_context():
        archived = db.session.get_one(Connection, uninstalled_connection)
        slug = archived.slug
        assert archived.archived_at is not None
    page = admin.get(f"/connections/{slug}")
    assert page.status_code == 200
    assert "/archive" not in page.text
