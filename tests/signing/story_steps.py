"""Play a request over HTTP: post events, deliver messages, and read phones and mailboxes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from sqlalchemy import func, select

from hub.core.vocabulary import Channel, ConnectionState, Status
from hub.db.engine import db
from hub.jobs import chores
from hub.lib.shutdown import ShutdownSignal
from hub.models import Connection, Message
from tests.hub_fixtures import (
    OPT_OUT_LINE,
    SigningApp,
    deliver,
    eventually,
    json_of,
    process_pending_callbacks,
    set_connection_state,
    status,
)
from tests.short_link_steps import with_targets

IN_PROGRESS = (Status.QUEUED, Status.SENDING, Status.ACCEPTED, Status.UNKNOWN)


class Story:
    """A request, its signing app, and the phones and mailboxes of its people.

    Each event happens a second after the one before.
    """

    def __init__(self, app: SigningApp, simulator: Any) -> None:
        self.app = app
        self.simulator = simulator.extensions["simulator"]
        self.client = simulator.test_client()
        self.clock = datetime.now(UTC) - timedelta(hours=1)
        self.request: dict[str, Any] = {
            "id": "agr-1001",
            "title": "Lease",
            "sender": {"name": "Acme HR", "email": "hr@acme.example"},
        }

    def post(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Post an event, and return the answer."""
        self.clock += timedelta(seconds=1)
        body = {
            "type": f"request.{kind}",
            "occurred_at": self.clock.isoformat(),
            "request": self.request,
            **fields,
        }
        answer = self.app.post("/events", body)
        assert answer.status_code == 202, answer.text
        result: dict[str, Any] = json_of(answer)
        return result

    def read(self) -> dict[str, Any]:
        """Return the request as the API shows it."""
        result: dict[str, Any] = json_of(self.app.get(f"/requests/{self.request['id']}"))
        return result

    def states(self) -> dict[str, str]:
        """Return the state of each signer."""
        return {signer["id"]: signer["state"] for signer in self.read()["signers"]}

    def deliver(self) -> None:
        """Send what waits, and receive the reports of the providers."""
        deliver()

        def has_ended() -> bool:
            process_pending_callbacks()
            waiting = (
                select(func.count())
                .select_from(Message)
                .where(Message.status.in_(IN_PROGRESS), Message.channel != Channel.EMAIL)
            )
            return not db.session.scalar(waiting)

        eventually(has_ended)

    def wait_for(self, sent: Message, expected: Status) -> None:
        """Wait until a message has a status."""

        def has_status() -> bool:
            process_pending_callbacks()
            return status(sent.id) == expected

        eventually(has_status)

    def write_on_whatsapp(self, number: str) -> None:
        """Let a person write, so that the hub and the provider allow free text."""
        sent = {"channel": "whatsapp", "text": "Hello"}
        path = f"/simulator/phones/{quote(number)}/reply"
        assert self.client.post(path, json=sent).json["answer"] == "200"
        process_pending_callbacks()

    def do_chores(self) -> None:
        """Do what cron and its worker do in the meantime."""
        chores.run_chores(ShutdownSignal(10))
        db.session.rollback()

    def texts(self, number: str) -> list[str]:
        """Return the texts on a phone, oldest first, with the targets of their links."""
        bodies = [message.body for message in self.simulator.store.on_phone(number)]
        texts = [with_targets(body) for body in bodies]
        return [text.removesuffix(OPT_OUT_LINE) for text in texts]

    def emails(self, address: str) -> list[str]:
        """Return the subjects of the emails in a mailbox, oldest first."""
        return [email.subject for email in self.simulator.mailbox.list_emails(address)]


@pytest.fixture
def story(
    hub_demo: Flask,
    chats_and_mail: None,
    signing_app: SigningApp,
    simulator: Any,
    served: Flask,
) -> Story:
    """Return the story of a new request, in a hub with text messages, WhatsApp and email."""
    chats = select(Connection.id).where(Connection.channel == Channel.CHAT)
    for connection_id in db.session.scalars(chats).all():
        set_connection_state(connection_id, ConnectionState.DISABLED)
    hub_demo.extensions.pop("hub.cached", None)
    return Story(signing_app, simulator)
