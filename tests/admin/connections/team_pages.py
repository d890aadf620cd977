"""Fixtures of the pages about posts to a team."""

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
from tests.fake_provider import Loft
from tests.fake_provider import loft as loft
from tests.hub_fixtures import a_signer, an_event, deliver, source_id
from tests.team_connections import connect, fly

T = TypeVar("T")
Look = Callable[[Callable[[], T]], T]


def words(page: TestResponse) -> str:
    """Return what a page says, without its marks."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


@dataclass
class Place:
    """A connection, as far as these tests need it."""

    id: str
    slug: str


Roof = Callable[[str], Place]


@pytest.fixture
def look(app: Flask) -> Look[Any]:
    """Give a function that asks the hub something apart from every request."""

    def ask(question: Callable[[], T]) -> T:
        with app.app_context():
            return question()

    return ask


@pytest.fixture
def roof(app: Flask, loft: Loft, look: Look[Any]) -> Roof:
    """Connect a place where a team looks, beside the demo's phones."""
    loft.fly = fly
    look(demo.prepare)

    def made(place: str) -> Place:
        one = db.session.get_one(Connection, connect(place))
        return Place(one.id, one.slug)

    return lambda place: look(lambda: made(place))


@pytest.fixture
def request_id(roof: Roof, look: Look[Any], monkeypatch: pytest.MonkeyPatch) -> str:
    """Send a document to Eric, and let the team read it."""
    roof("W1")

    def send() -> str:
        accept.accept_event(
            EventIn.model_validate(an_event(signers=[a_signer("Eric")])), source_id(), test=True
        )
        deliver()
        return db.session.scalars(select(SigningRequest.id)).one()

    return str(look(send))


@pytest.fixture
def signer(request_id: str, look: Look[Any]) -> Callable[[], Signer]:
    """Give a function that reads the one signer."""
    return lambda: look(lambda: db.session.scalars(select(Signer)).one())


@pytest.fixture
def link(request_id: str, loft: Loft) -> str:
    """Return the address behind the Remind button."""
    url = next(button.url for button in loft.flown[-1].buttons if button.text == "Remind Eric")
    return "/a/" + url.rpartition("/")[2]
