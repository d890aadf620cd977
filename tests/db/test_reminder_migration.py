"""Reminders are switched on by an upgrade from version 0.2.0, and nobody is flooded."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import flask_migrate
from flask import Flask
from sqlalchemy import MetaData, select

from hub.db import engine
from hub.db.engine import db
from hub.db.types import now
from hub.models import Signer, Source
from hub.run import up
from hub.signing import reminder_times
from hub.signing.reminder_settings import read_source_reminders
from tests.conftest import POSTGRES

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def stored_id(number: int) -> Any:
    return uuid.UUID(int=number) if POSTGRES else uuid.UUID(int=number).bytes


def stored(time: datetime) -> Any:
    return time if POSTGRES else (time - EPOCH) // timedelta(microseconds=1)


class Hub020:
    """The database of a hub of version 0.2.0."""

    def __init__(self, app: Flask) -> None:
        flask_migrate.Migrate(app, db, directory=engine.MIGRATIONS)
        flask_migrate.upgrade(revision="0.2.0")
        self.tables = MetaData()
        self.tables.reflect(db.engine, only=["sources", "requests", "signers", "events"])
        self.sent_at = stored(now() - timedelta(days=30))

    def add_source(self, number: int, *events: str, test: bool = True) -> None:
        """Add a source with a request that was sent 30 days ago, and its events."""
        source_id = stored_id(number)
        request_id = stored_id(number + 1)
        sent_at = self.sent_at
        self._add(
            "sources",
            id=source_id,
            slug=f"acme-{number}",
            name="Acme",
            applies_to_all=False,
            created_at=sent_at,
        )
        self._add(
            "requests",
            id=request_id,
            source_id=source_id,
            external_id="agr-1",
            test=test,
            state="open",
            created_at=sent_at,
            state_at=sent_at,
            reported_at=sent_at,
        )
        self._add_signer(number + 2, request_id, "pending")
        self._add_signer(number + 3, request_id, "signed")
        for position, kind in enumerate(events, 4):
            self._add(
                "events",
                id=stored_id(number + position),
                request_id=request_id,
                source_id=source_id,
                external_id="r1",
                type=kind,
                occurred_at=sent_at,
                received_at=sent_at,
            )

    def _add_signer(self, number: int, request_id: Any, state: str) -> None:
        self._add(
            "signers",
            id=stored_id(number),
            request_id=request_id,
            external_id=state,
            turn=1,
            state=state,
            reminders=0,
            state_at=self.sent_at,
            reported_at=self.sent_at,
        )

    def _add(self, table: str, **values: Any) -> None:
        with db.engine.begin() as connection:
            connection.execute(self.tables.tables[table].insert().values(**values))


def test_open_requests_count_from_the_upgrade(empty_app: Flask) -> None:
    hub = Hub020(empty_app)
    hub.add_source(100, "request.sent")
    hub.add_source(200, "request.sent", "request.reminder", test=False)
    hub.add_source(300, "request.sent", "request.reminder", test=True)
    up.migrate()
    db.session.rollback()
    owners = {
        source.slug: (source.id, source.reminded_by, source.test_reminded_by)
        for source in db.session.scalars(select(Source).where(Source.slug != "default"))
    }
    assert {slug: senders for slug, (_, *senders) in owners.items()} == {
        "acme-100": ["hub", "hub"],
        "acme-200": ["app", "hub"],
        "acme-300": ["hub", "app"],
    }, "an app that reminded itself goes on, for its kind of keys"
    signers = {
        (signer.request.source_id, signer.state): signer
        for signer in db.session.scalars(select(Signer))
    }
    source_id = owners["acme-100"][0]
    pending = signers[source_id, "pending"]
    assert pending.remind_at is not None, "the chore checks it"
    assert signers[source_id, "signed"].remind_at is None
    due_at = reminder_times.next_automatic(
        pending.request, pending, read_source_reminders(source_id, test=True), now()
    )
    assert due_at is not None
    assert due_at - now() > timedelta(days=2, hours=23), "nobody is reminded at once"
