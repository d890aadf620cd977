"""Shared steps of tests of a connection's page."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from hub import integrations
from hub.connections import connections
from hub.core import data_dir
from hub.db.engine import db
from hub.models import Connection
from tests.conftest import config_of

NAME = "twilio_sms"
NEW = f"/integrations/{NAME}/new"
PAGE = "/connections/acme-us"
OTHER_TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def values(app: Flask) -> dict[str, str]:
    """Return the form values that connect the simulator's account."""
    demo_settings = integrations.get(NAME).demo_settings(
        data_dir.simulator_credentials(config_of(app).data_dir)
    )
    assert demo_settings is not None
    return {**demo_settings, "title": "Acme US", "test": "y"}


@pytest.fixture
def stored(app: Flask, values: dict[str, str]) -> str:
    """Store the connection and return its ID."""
    with app.app_context():
        return connections.add(NAME, "Acme US", True, values)


def only_connection(app: Flask) -> Connection:
    return db.session.scalars(select(Connection)).one()


def words(page: TestResponse) -> str:
    """Return the text of a page without markup."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page.text))


def hidden_value(page: TestResponse, name: str) -> str:
    match = re.search(rf'name="{name}" value="([^"]*)"', page.text)
    return match[1] if match else ""
