"""Steps of a signing app whose events a hub receives by webhooks."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from hub import integrations
from hub.connections import connections
from hub.core import data_dir
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.intake import process_callbacks
from hub.intake.source_callbacks import SourceReader
from hub.models import Connection, Event, Message, ProviderCallback, Signer, SigningRequest
from tests.conftest import config_of
from tests.integrations.http_recorder import HttpRecorder

ERIC = {"id": "eric", "email": "eric@example.com", "mobile_number": "13175551234"}
ANNA = {"id": "anna", "email": "anna@example.com", "mobile_number": "+442071234567"}


def signer_json(
    id: str, *, send_to: Any = None, link: str = "https://sign.example/", **fields: Any
) -> dict[str, Any]:
    """Return a signer as the API of PactSafe describes it."""
    return {
        "signer_id": id,
        "signer": {
            "additional_attributes": {"first_name": id.title(), "last_name": "Smith"},
            **fields,
        },
        "send_to": send_to or {"email": True, "mobile_number": True},
        "request_url": f"{link}{id}",
    }


@dataclass
class SigningAppSteps:
    """A simulated account of PactSafe, whose connection belongs to the default source."""

    app: Flask
    recorder: HttpRecorder
    connection_id: str = ""
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        cls = integrations.get("pactsafe")
        values = cls.demo_settings(data_dir.simulator_credentials(config_of(self.app).data_dir))
        assert values is not None
        self.recorder.answer(404, {"message": "Not found"})  # to the connection test
        self.connection_id = connections.add("pactsafe", "Leases", True, values)
        connections.enable(self.connection_id)
        self.recorder.seen.clear()
        self.secret = values["webhook_token"]

    @property
    def connection(self) -> Connection:
        db.session.rollback()
        return db.session.get_one(Connection, self.connection_id, populate_existing=True)

    def answer_requests(self, *signers: dict[str, Any], status: int = 200, **fields: Any) -> None:
        """Let the API describe every request with these signers."""
        content = {"name": "Lease", "signers": [signer_json(**signer) for signer in signers]}
        self.recorder.usual = (status, {**content, **fields} if status == 200 else "", {})

    def webhook(self, kind: str, minute: int = 0, **fields: Any) -> dict[str, Any]:
        return {
            "type": "webhook",
            "event_type": f"request_{kind}",
            "id": f"hook-{next(self.numbers)}",
            "request": "req-1",
            "created_time": f"2026-11-21T09:{minute:02}:00.000Z",
            **fields,
        }

    def post(self, body: dict[str, Any], secret: str | None = None) -> TestResponse:
        db.session.rollback()  # what it has read may be older than what pages changed
        headers = {} if secret == "" else {"Pactsafe-Webhook-Token": secret or self.secret}
        return self.app.test_client().post(
            "/api/rpc/webhooks/pactsafe/leases",
            data=json.dumps(body),
            content_type="application/json",
            headers=headers,
        )

    def receive(self, kind: str, minute: int = 0, **fields: Any) -> None:
        """Receive a webhook and process it."""
        assert self.post(self.webhook(kind, minute, **fields)).status_code == 200
        self.process()

    def process(self) -> None:
        """Process what was received, as a worker does."""
        db.session.rollback()
        process_callbacks.process_batch(now())
        with SourceReader() as reader:
            reader.finish()
        db.session.rollback()

    def callbacks(self) -> list[ProviderCallback]:
        rows = select(ProviderCallback).order_by(ProviderCallback.id)
        return list(db.session.scalars(rows.execution_options(populate_existing=True)))

    def make_due(self) -> None:
        """Let the time of the next try come."""
        _make_due()

    def request(self, external_id: str = "req-1") -> SigningRequest:
        query = select(SigningRequest).where(SigningRequest.external_id == external_id)
        return db.session.scalars(query.execution_options(populate_existing=True)).one()

    def signers(self, external_id: str = "req-1") -> dict[str, str]:
        """Return the state of each signer."""
        query = select(Signer).where(Signer.request_id == self.request(external_id).id)
        return {row.external_id: row.state for row in db.session.scalars(query)}

    def messages(self, external_id: str = "req-1", *, live: bool = True) -> list[tuple[str, ...]]:
        """Return the messages of a request: event, person and channel, by default the live ones."""
        query = (
            select(Event.type, Signer.external_id, Message.channel, Message.status)
            .join(Signer, Signer.id == Message.signer_id)
            .join(Event, Event.id == Message.event_id)
            .where(Message.request_id == self.request(external_id).id)
        )
        rows = db.session.execute(query).all()
        return sorted(
            (kind.partition(".")[2], person, channel)
            for kind, person, channel, status in rows
            if not live or status != "canceled"
        )


@transaction
def _make_due() -> None:
    db.session.execute(
        update(ProviderCallback)
        .where(ProviderCallback.fetch_at.is_not(None))
        .values(fetch_at=now())
    )
