"""Shared fixtures of tests of team-post pages."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from hub.connections import demo
from hub.db.engine import db
from hub.models import Connection, Signer, SigningRequest
from hub.signing import accept
from hub.signing.events import EventIn
from tests.fake_provider import FakeProvider
from tests.fake_provider import fake_provider as fake_provider
from tests.hub_fixtures import deliver, event_body, signer_body, source_id
from tests.team_connections import accept_post, add_team_connection

T = TypeVar("T")
RunInApp = Callable[[Callable[[], T]], T]


def text_of(page: TestResponse) -> str:
    """Return the text of a page without markup."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


@dataclass
class TeamConnection:
    """The connection attributes that these tests need."""

    id: str
    slug: str


ConnectTeam = Callable[[str], TeamConnection]


@pytest.fixture
def run_in_app(app: Flask) -> RunInApp[Any]:
    """Return a function that runs a callable in a separate application context."""

    def run(question: Callable[[], T]) -> T:
        with app.app_context():
            return question()

    return run


@pytest.fixture
def connect_team(app: Flask, fake_provider: FakeProvider, run_in_app: RunInApp[Any]) -> ConnectTeam:
    """Return a function that connects a team destination beside the demo's phones."""
    fake_provider.on_send = accept_post
    run_in_app(demo.prepare)

    def add_connection(destination: str) -> TeamConnection:
        connection = db.session.get_one(Connection, add_team_connection(destination))
        return TeamConnection(connection.id, connection.slug)

    return lambda destination: run_in_app(lambda: add_connection(destination))


@pytest.fixture
def request_id(
    connect_team: ConnectTeam, run_in_app: RunInApp[Any], monkeypatch: pytest.MonkeyPatch
) -> str:
    """Send a document to Eric that the team follows, and return the request's ID."""
    connect_team("W1")

    def send() -> str:
        accept.accept_event(
            EventIn.model_validate(event_body(signers=[signer_body("Eric")])),
            source_id(),
            test=True,
        )
        deliver()
        return db.session.scalars(select(SigningRequest.id)).one()

    return str(run_in_app(send))


@pytest.fixture
def signer(request_id: str, run_in_app: RunInApp[Any]) -> Callable[[], Signer]:
    """Return a function that loads the request's only signer."""
    return lambda: run_in_app(lambda: db.session.scalars(select(Signer)).one())


@pytest.fixture
def action_link(request_id: str, fake_provider: FakeProvider) -> str:
    """Return the URL behind the Remind button."""
    url = next(
        button.url for button in fake_provider.sent[-1].buttons if button.text == "Remind Eric"
    )
    return "/a/" + url.rpartition("/")[2]
