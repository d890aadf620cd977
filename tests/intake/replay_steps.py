"""Shared callbacks and steps of the replay tests."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import delete, update

from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.intake.replay import Selection
from hub.integrations.base import Accepted
from hub.messaging.send import calls, claims
from hub.models import Connection, Message, PlatformEvent, StatusEvent
from tests.hub_fixtures import (
    post_callback,
    process_pending_callbacks,
    queue_text,
    status_form,
    status_target,
)

SID = "SM" + "0" * 32
EVERYTHING = Selection(since=datetime(2020, 1, 1, tzinfo=UTC))


@pytest.fixture
def sent(connection: Connection) -> str:
    """Return the ID of a message that Twilio accepted as SID."""
    return add_sent_message(connection, SID)


def add_sent_message(connection: Connection, sid: str) -> str:
    message_id = queue_text(text=sid)
    [claim] = claims.record_and_claim([], {connection.id: 1})
    claims.record_and_claim([calls.Outcome(claim, Accepted(sid), None, now(), 5, 201)], {})
    return message_id


@pytest.fixture
def delivered(hub_demo: Flask, sent: str) -> str:
    """Return the ID of a message whose three callbacks are processed."""
    for status in ("queued", "sent", "delivered"):
        post_callback(hub_demo, status_form(hub_demo, SID, status), target=status_target(sent))
    assert process_pending_callbacks() == 3
    return sent


@transaction
def remove_events(message_id: str, statuses: tuple[str, ...] = ()) -> None:
    """Undo the callbacks of a message as an old backup would, or only those with these statuses."""
    facts = delete(StatusEvent).where(
        StatusEvent.message_id == message_id, StatusEvent.source == "callback"
    )
    db.session.execute(
        facts.where(StatusEvent.provider_status.in_(statuses)) if statuses else facts
    )
    db.session.execute(delete(PlatformEvent).where(PlatformEvent.message_id == message_id))
    db.session.execute(
        update(Message).where(Message.id == message_id).values(status="accepted", code="")
    )
