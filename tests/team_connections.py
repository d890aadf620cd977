"""Connections that post where a team looks, for tests of any room."""

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
from tests.fake_provider import Loft


@pytest.fixture
def roof(loft: Loft, hub_demo: Flask) -> Callable[[str], Connection]:
    """Connect a place where a team looks: `T…` keeps threads, `W…` changes nothing afterwards; ''
    is for people only.
    """
    loft.fly = fly
    return lambda place: db.session.get_one(Connection, connect(place))


def fly(outbound: Outbound) -> Accepted:
    """Carry a post as the place it goes to does."""
    if outbound.edits:
        return Accepted(outbound.edits)
    begins = outbound.to.startswith("T") and not outbound.thread
    return Accepted(
        "" if outbound.to.startswith("W") else outbound.id,
        thread=f"thread of {outbound.id}" if begins else "",
    )


@transaction
def connect(place: str) -> str:
    """Add an enabled connection that posts to a place; return its id."""
    made = lock_connection(connections.create("flock", f"Roof {place}", test=True))
    made.settings = {"place": place}
    made.settings_version = 1
    made.sender = "flock"
    made.destination = place
    team_subscriptions.subscribe_new(made)
    set_state(made, ConnectionState.ENABLED)
    return made.id
