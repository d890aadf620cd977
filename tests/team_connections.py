"""Connections to a team's channels, for the tests of all folders."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from hub.connections import connections
from hub.connections.connection_tests import lock_connection, set_state
from hub.core.vocabulary import ConnectionState
from hub.db.engine import db
from hub.db.store import transaction
from hub.integrations.base import Accepted, Outbound
from hub.models import Connection
from hub.signing import team_subscriptions
from tests.fake_provider import FakeProvider


@pytest.fixture
def connect_team(fake_provider: FakeProvider, hub_demo: Flask) -> Callable[[str], Connection]:
    """Return a function that connects a channel of a team, or people alone for ''.

    `T…` keeps threads, and posts in `W…` cannot be edited.
    """
    fake_provider.on_send = accept_post
    return lambda destination: db.session.get_one(Connection, add_team_connection(destination))


def accept_post(outbound: Outbound) -> Accepted:
    """Accept a post as its kind of channel does."""
    if outbound.edits:
        return Accepted(outbound.edits)
    begins = outbound.to.startswith("T") and not outbound.thread
    return Accepted(
        "" if outbound.to.startswith("W") else outbound.id,
        thread=f"thread of {outbound.id}" if begins else "",
    )


@transaction
def add_team_connection(destination: str) -> str:
    """Add an enabled connection that posts to a channel, and return its ID."""
    connection = lock_connection(connections.create("team_chat", f"Team {destination}", test=True))
    connection.settings = {"place": destination}
    connection.settings_version = 1
    connection.sender = "team_chat"
    connection.destination = destination
    team_subscriptions.subscribe_new(connection)
    set_state(connection, ConnectionState.ENABLED)
    return connection.id
