"""Tests of messages play on the common stage, with providers of their own."""

from __future__ import annotations

import pytest
from flask import Flask

from hub.accounts import connections
from hub.accounts.checks import locked, set_state
from hub.extensions import db
from hub.models import Connection
from hub.store import transaction
from hub.vocabulary import ConnectionState
from tests.pigeon import Loft
from tests.pigeon import loft as loft
from tests.stage import connection as connection
from tests.stage import hub_demo as hub_demo
from tests.stage import served as served
from tests.stage import signing_app as signing_app


@transaction
def _connect(integration: str) -> str:
    made = locked(connections.create(integration, integration, test=True))
    made.settings = {}
    made.settings_version = 1
    set_state(made, ConnectionState.ENABLED)
    return made.id


@pytest.fixture
def pigeons(loft: Loft, hub_demo: Flask) -> Connection:
    """Connect a provider that cannot be asked afterwards; its slug is `pigeon`."""
    return db.session.get_one(Connection, _connect("pigeon"))


@pytest.fixture
def homing_pigeons(loft: Loft, hub_demo: Flask) -> Connection:
    """Connect a provider that can be asked what it has."""
    return db.session.get_one(Connection, _connect("homing_pigeon"))


@pytest.fixture
def ringed_pigeons(loft: Loft, hub_demo: Flask) -> Connection:
    """Connect a provider that can be asked for outcomes; its slug is `ringed-pigeon`."""
    return db.session.get_one(Connection, _connect("ringed_pigeon"))


@pytest.fixture
def many_pigeons(loft: Loft, hub_demo: Flask) -> Connection:
    """Connect a provider for whom twice is better than not at all."""
    return db.session.get_one(Connection, _connect("many_pigeons"))
