"""A WhatsApp connection, and messages to and from people over it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask, current_app
from sqlalchemy import select

from hub.core.vocabulary import Address
from hub.db.engine import db
from hub.db.types import now
from hub.integrations.base import Accepted, FilledTemplate
from hub.messaging.compose import outbox
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.send import calls
from hub.messaging.send import claims as delivery
from hub.models import (
    Connection,
)
from tests.hub_fixtures import ERIC, credentials, post_callback

INBOUND = "/api/rpc/webhooks/twilio/inbound"
STATUS = "/api/rpc/webhooks/twilio/whatsapp"
HOUR = timedelta(hours=1)


@pytest.fixture
def whatsapp(hub_demo: Flask) -> Connection:
    """Return the demo's WhatsApp connection."""
    return db.session.scalars(select(Connection).where(Connection.slug == "demo-whatsapp")).one()


def receive_whatsapp(
    app: Flask,
    text: str = "Hello",
    *,
    sid: str = "SM" + "1" * 32,
    channel: str = "whatsapp:",
    target: str = INBOUND,
    **fields: str,
) -> Any:
    """Post a WhatsApp message from a person as Twilio does."""
    account = credentials(app)
    form = {
        "AccountSid": account.account_sid,
        "ApiVersion": "2010-04-01",
        "From": channel + ERIC,
        "To": channel + account.phone_number,
        "MessageSid": sid,
        "SmsMessageSid": sid,
        "SmsSid": sid,
        "SmsStatus": "received",
        "Body": text,
        "NumMedia": "0",
        "NumSegments": "1",
        **({"ProfileName": "Ericsson", "WaId": ERIC[1:]} if channel else {}),
        **fields,
    }
    return post_callback(app, form, target=target)


def claim_one(connection: Connection) -> calls.Claim | None:
    claims = delivery.record_and_claim([], {connection.id: 1})
    return claims[0] if claims else None


def record_accepted(claim: calls.Claim, sid: str = "SM" + "2" * 32) -> None:
    delivery.record_and_claim([calls.Outcome(claim, Accepted(sid), None, now(), 5, 201)], {})


def queue_draft(connection: Connection, template: FilledTemplate | None = None) -> str:
    """Queue a message of an event over WhatsApp, with or without an approved template."""
    contact = get_or_create_contact(Address.PHONE, ERIC, test=True)
    text = "Please sign: https://sign.example/r/1"
    return outbox.add_message(
        outbox.Draft(connection=connection.info, recipient=contact, text=text, template=template)
    )


def forget_window() -> None:
    """Clear cached values, so that windows are read again."""
    db.session.rollback()
    current_app.extensions.pop("hub.cached", None)


TEMPLATE = FilledTemplate(
    "HX" + "a" * 32, {"1": "Employment Agreement", "2": "https://sign.example/r/1"}
)
