"""Two sources, and shared steps of tests of their separation."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from hub.accounts import api_keys
from hub.db.engine import db
from hub.db.store import transaction
from hub.models import (
    Source,
)
from tests.hub_fixtures import ERIC, SigningApp, json_of, status
from tests.hub_fixtures import signing_app as signing_app


@pytest.fixture
def other_source(signing_app: SigningApp) -> SigningApp:
    """Return the signing app of another source, Leases."""
    add_source("leases")
    return SigningApp(signing_app.client, api_keys.create_key("Leases", test=True, source="leases"))


@transaction
def add_source(slug: str) -> None:
    db.session.add(Source(slug=slug, name=slug.title()))


@transaction
def apply_to_all(slug: str) -> None:
    db.session.execute(update(Source).where(Source.slug == slug).values(applies_to_all=True))


def send(app: SigningApp, to: str = ERIC) -> str:
    """Send a direct message as a signing app and return its ID."""
    answer = app.post("/messages", {"channel": "sms", "to": to, "text": "Your lease is ready."})
    assert answer.status_code == 202
    return str(json_of(answer)["id"])


def statuses_of_both(*apps: SigningApp) -> list[str]:
    """Return the status of a new message of each signing app."""
    return [status(send(app)) for app in apps]
