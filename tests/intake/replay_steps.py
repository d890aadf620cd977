"""Receipts and steps that tests of replaying share."""

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
    """Give a message that Twilio has accepted as SID."""
    return a_sent_message(connection, SID)


def a_sent_message(connection: Connection, sid: str) -> str:
    message_id = queue_text(text=sid)
    [claim] = claims.record_and_claim([], {connection.id: 1})
    claims.record_and_claim([calls.Outcome(claim, Accepted(sid), None, now(), 5, 201)], {})
    return message_id


@pytest.fixture
def delivered(hub_demo: Flask, sent: str) -> str:
    """Give a message whose three callbacks are settled."""
    for word in ("queued", "sent", "delivered"):
        post_callback(hub_demo, status_form(hub_demo, SID, word), target=status_target(sent))
    assert process_pending_callbacks() == 3
    return sent


@transaction
def forget(message_id: str, words: tuple[str, ...] = ()) -> None:
    """Put a message back to where it was before its callbacks, as an old backup does; or only some
    of what they told.
    """
    facts = delete(StatusEvent).where(
        StatusEvent.message_id == message_id, StatusEvent.source == "callback"
    )
    db.session.execute(facts.where(StatusEvent.provider_status.in_(words)) if words else facts)
    db.session.execute(delete(PlatformEvent).where(PlatformEvent.message_id == message_id))
    db.session.execute(
        update(Message).where(Message.id == message_id).values(status="accepted", code="")
    )
