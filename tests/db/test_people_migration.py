"""Requests of version 0.2.0 keep their signers and states, and ask nobody again."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import MetaData, insert, select
from sqlalchemy.exc import IntegrityError

from hub.core.vocabulary import PersonRole
from hub.db import engine
from hub.db.engine import db
from hub.db.store import transaction
from hub.models import Signer, SigningRequest
from hub.run import up
from tests.conftest import POSTGRES

NUMBERS = count(1)
SENT = datetime(2026, 11, 20, 9, tzinfo=UTC)
CHANGED = SENT + timedelta(hours=1)


class Hub020:
    """The database of a hub of version 0.2.0, to which tests add requests."""

    def __init__(self, app: Flask) -> None:
        flask_migrate.Migrate(app, db, directory=engine.MIGRATIONS)
        flask_migrate.upgrade(revision="0.2.0")
        self.tables = MetaData()
        names = ["sources", "requests", "signers", "events"]
        self.tables.reflect(db.engine, only=names)
        self.source = self._add(
            "sources", slug="acme", name="Acme", applies_to_all=False, created_at=SENT
        )

    def add_request(self, state: str, *, sent: bool, **signers: str) -> None:
        """Add a request in a state, with the state of each signer."""
        request = self._add(
            "requests",
            source_id=self.source,
            external_id=f"agr-{state}-{sent}",
            test=True,
            state=state,
            state_at=CHANGED,
            reported_at=CHANGED,
            created_at=SENT,
        )
        for name, signer_state in signers.items():
            self._add(
                "signers",
                request_id=request,
                external_id=name,
                turn=1,
                state=signer_state,
                state_at=CHANGED,
                reported_at=CHANGED,
                reminders=0,
            )
        if sent:
            self._add(
                "events",
                request_id=request,
                source_id=self.source,
                external_id="",
                type="request.sent",
                occurred_at=SENT,
                received_at=SENT,
            )

    def _add(self, table: str, **values: Any) -> Any:
        row_id = uuid.UUID(int=next(NUMBERS))
        stored_id = row_id if POSTGRES else row_id.bytes
        stored = {
            name: value
            if POSTGRES or not isinstance(value, datetime)
            else int(value.timestamp() * 1_000_000)
            for name, value in values.items()
        }
        with db.engine.begin() as connection:
            connection.execute(insert(self.tables.tables[table]).values(id=stored_id, **stored))
        return stored_id

    def upgrade(self) -> dict[str, SigningRequest]:
        """Upgrade, and return the requests by their ID in the app."""
        db.session.rollback()
        up.migrate()
        return {row.external_id: row for row in db.session.scalars(select(SigningRequest))}


@pytest.fixture
def hub(empty_app: Flask) -> Hub020:
    """Return a hub of version 0.2.0 without requests."""
    return Hub020(empty_app)


def test_signers_of_sent_requests_are_invited_and_others_are_not(hub: Hub020) -> None:
    hub.add_request("open", sent=True, eric="viewed", anna="pending")
    hub.add_request("open", sent=False, ravi="pending")
    requests = hub.upgrade()
    sent = requests["agr-open-True"]
    assert {signer.external_id: signer.invited_at for signer in sent.signers} == {
        "eric": SENT,
        "anna": SENT,
    }
    assert {signer.external_id: signer.opened_at for signer in sent.signers} == {
        "eric": CHANGED,
        "anna": None,
    }
    assert (sent.sent_at, sent.closed_at, sent.reopenings) == (SENT, None, 0)
    [ravi] = requests["agr-open-False"].signers
    assert (ravi.role, ravi.invited_at, ravi.removed_at) == (PersonRole.SIGNER, None, None)


def test_ended_requests_keep_the_time_of_their_end(hub: Hub020) -> None:
    hub.add_request("declined", sent=True, eric="declined", anna="signed")
    request = hub.upgrade()["agr-declined-True"]
    assert (request.state, request.closed_at) == ("declined", CHANGED)
    assert {signer.external_id: signer.declined_at for signer in request.signers} == {
        "eric": CHANGED,
        "anna": None,
    }


def test_ids_are_unique_within_a_role(hub: Hub020) -> None:
    hub.add_request("open", sent=True, eric="pending")
    request_id = hub.upgrade()["agr-open-True"].id

    @transaction
    def add(role: PersonRole) -> None:
        db.session.add(Signer(request_id=request_id, external_id="eric", role=role.value))

    add(PersonRole.OBSERVER)
    with pytest.raises(IntegrityError):
        add(PersonRole.SIGNER)
