"""Shared settings and steps of the connection tests."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from hub import integrations
from hub.connections import connections
from hub.core import data_dir
from hub.db.engine import db
from hub.models import Connection
from tests.conftest import config_of

NAME = "twilio_sms"
OTHER_TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def values(in_app: Flask) -> dict[str, Any]:
    """Return settings that the simulator accepts."""
    credentials = data_dir.simulator_credentials(config_of(in_app).data_dir)
    demo_settings = integrations.get(NAME).demo_settings(credentials)
    assert demo_settings is not None
    return {**demo_settings, "per_second": ""}


def add_connection(values: dict[str, Any], title: str = "Acme US") -> str:
    return connections.add(NAME, title, True, values)


def load_connection(connection_id: str) -> Connection:
    return db.session.get_one(Connection, connection_id, populate_existing=True)
