"""Fixtures of message tests: a demo hub with several kinds of fake providers."""

from __future__ import annotations

import pytest
from flask import Flask

from hub.connections import connections
from hub.connections.connection_tests import lock_connection, set_state
from hub.core.vocabulary import ConnectionState
from hub.db.engine import db
from hub.db.store import transaction
from hub.models import Connection
from tests.fake_provider import FakeProvider
from tests.fake_provider import fake_provider as fake_provider
from tests.hub_fixtures import connection as connection
from tests.hub_fixtures import hub_demo as hub_demo
from tests.hub_fixtures import served as served
from tests.hub_fixtures import signing_app as signing_app


@transaction
def _connect(integration: str) -> str:
    connection = lock_connection(connections.create(integration, integration, test=True))
    connection.settings = {}
    connection.settings_version = 1
    set_state(connection, ConnectionState.ENABLED)
    return connection.id


@pytest.fixture
def fake_chat(fake_provider: FakeProvider, hub_demo: Flask) -> Connection:
    """Connect a provider without lookups, with the slug `fake-chat`."""
    return db.session.get_one(Connection, _connect("fake_chat"))


@pytest.fixture
def searchable_chat(fake_provider: FakeProvider, hub_demo: Flask) -> Connection:
    """Connect a provider that can search for sent messages."""
    return db.session.get_one(Connection, _connect("searchable_chat"))


@pytest.fixture
def pollable_chat(fake_provider: FakeProvider, hub_demo: Flask) -> Connection:
    """Connect a provider whose statuses can be polled, with the slug `pollable-chat`."""
    return db.session.get_one(Connection, _connect("pollable_chat"))


@pytest.fixture
def resending_chat(fake_provider: FakeProvider, hub_demo: Flask) -> Connection:
    """Connect a provider for which sending twice is better than not sending."""
    return db.session.get_one(Connection, _connect("resending_chat"))
