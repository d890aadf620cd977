"""Webhooks with contents, and their payloads."""

from __future__ import annotations

from typing import Any

from flask import Flask
from sqlalchemy import select

from hub.db.engine import db
from hub.models import InboundMessage, PlatformEvent
from tests.hub_fixtures import ERIC, credentials, post_callback, process_pending_callbacks

INBOUND = "/api/rpc/webhooks/twilio/inbound"


def content_form(app: Flask, **fields: str) -> dict[str, str]:
    """Return the form of a WhatsApp message without a text."""
    account = credentials(app)
    sid = "MM" + f"{abs(hash(tuple(sorted(fields.items())))):032x}"[:32]
    known_fields = {
        "AccountSid": account.account_sid,
        "From": "whatsapp:" + ERIC,
        "To": "whatsapp:" + account.phone_number,
        "MessageSid": sid,
        "SmsMessageSid": sid,
        "SmsSid": sid,
        "SmsStatus": "received",
        "ApiVersion": "2010-04-01",
        "ReferralNumMedia": "0",
    }
    return {name: value for name, value in {**known_fields, **fields}.items() if value != "-"}


def sent(app: Flask, **fields: str) -> list[InboundMessage]:
    answer = post_callback(app, content_form(app, **fields), target=INBOUND)
    assert (answer.status_code, answer.mimetype) == (200, "text/xml")
    process_pending_callbacks()
    return list(db.session.scalars(select(InboundMessage)))


def last_payload() -> dict[str, Any]:
    received = PlatformEvent.type.endswith("_received")
    [event] = db.session.scalars(select(PlatformEvent).where(received))
    payload: dict[str, Any] = event.payload
    return payload
