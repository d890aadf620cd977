"""Steps of tests about calls: callbacks as Twilio signs them, and people who press keys."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from flask import Flask
from sqlalchemy import select
from twilio.request_validator import RequestValidator
from werkzeug.test import TestResponse

from hub.core.config import Config
from hub.core.data_dir import simulator_credentials
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.intake import process_callbacks
from hub.integrations.base import Accepted
from hub.messaging.compose import direct
from hub.messaging.send import claims
from hub.messaging.send.calls import Claim, Outcome
from hub.models import Attempt, Connection, Message, PlatformEvent
from tests.hub_fixtures import clear_throttle

PATH = "/api/rpc/webhooks/twilio/voice"
LONDON = "+442071838750"
ENDS = ("completed", "busy", "no-answer", "failed", "canceled")
PROGRESS = ("queued", "initiated", "ringing", "in-progress")


def calls(app: Flask) -> Connection:
    """Return the demo's connection for calls."""
    return db.session.scalars(select(Connection).where(Connection.slug == "demo-calls")).one()


def post_form(app: Flask, fields: Mapping[str, str], query: str = "") -> TestResponse:
    """Post a signed webhook of a call, as Twilio does."""
    config: Config = app.extensions["hub.config"]
    credentials = simulator_credentials(config.data_dir)
    form = {"AccountSid": credentials.account_sid, "ApiVersion": "2010-04-01", **fields}
    url = f"{config.public_url}{PATH}{'?' + query if query else ''}"
    signature = RequestValidator(credentials.auth_token).compute_signature(url, form)
    return app.test_client().post(
        f"{PATH}{'?' + query if query else ''}",
        data=urlencode(form),
        content_type="application/x-www-form-urlencoded",
        headers={"X-Twilio-Signature": signature},
    )


def report(
    app: Flask,
    status: str,
    *,
    message: str = "",
    sid: str = "CA" + "1" * 32,
    number: int = 0,
    to: str = LONDON,
    **fields: str,
) -> TestResponse:
    """Report a status of a call: of a message, or of a call that another program made."""
    query = f"message={message}&attempt=1" if message else ""
    number_of_hub = simulator_credentials(app.extensions["hub.config"].data_dir).phone_number
    form = {
        "CallSid": sid,
        "CallStatus": status,
        "From": number_of_hub,
        "To": to,
        "Direction": "outbound-api",
        "SequenceNumber": str(number),
        "CallbackSource": "call-progress-events",
        **fields,
    }
    return post_form(app, form, query)


def press(app: Flask, key: str, *, message: str, sid: str, reading: int = 1) -> TestResponse:
    """Press a key during the call of a message."""
    number_of_hub = simulator_credentials(app.extensions["hub.config"].data_dir).phone_number
    form = {
        "CallSid": sid,
        "CallStatus": "in-progress",
        "From": number_of_hub,
        "To": LONDON,
        "Direction": "outbound-api",
        "Digits": key,
    }
    return post_form(app, form, f"message={message}&attempt=1&reading={reading}")


def settle() -> None:
    """Process all stored webhooks."""
    while process_callbacks.process_batch():
        pass
    db.session.rollback()


def call_events(message_id: str | None = None) -> list[str]:
    """Return the types of the platform events of calls, sorted."""
    query = select(PlatformEvent.type).where(PlatformEvent.type.startswith("call_"))
    if message_id:
        query = query.where(PlatformEvent.message_id == message_id)
    return sorted(db.session.scalars(query))


def successor(message_id: str) -> Message | None:
    """Return the message that follows another one."""
    return db.session.scalar(select(Message).where(Message.after_id == message_id))


def accepted_sid(message_id: str) -> str:
    """Return the provider's ID of the call of a message."""
    query = select(Attempt.provider_id).where(Attempt.message_id == message_id)
    return str(db.session.scalars(query).one())


def daytime_zone() -> str:
    """Return a time zone in which it is about noon now, whenever the tests run."""
    hours = 12 - datetime.now(UTC).hour
    return f"Etc/GMT{'-' if hours >= 0 else '+'}{abs(hours)}" if hours else "UTC"


@transaction
def let_it_be_day(message_id: str) -> None:
    """Move the recipient of a message to a time zone in which calls are allowed now."""
    row = db.session.get_one(Message, message_id)
    row.contact.time_zone = daytime_zone()
    row.due_at = now()
    row.code = ""


def queue_call(to: str = LONDON, text: str = "A document waits.", **options: Any) -> str:
    """Queue a direct message that is read aloud, to a person who is awake."""
    message_id = direct.send_message(to=to, text=text, test=True, channel="voice", **options)
    let_it_be_day(message_id)
    return message_id


def claim_calls(connection: Connection, threads: int = 4) -> list[Claim]:
    """Claim the due calls of a connection."""
    db.session.rollback()
    return claims.record_and_claim([], {connection.id: threads})


def start_call(connection: Connection, sid: str = "CA" + "1" * 32, **options: Any) -> str:
    """Make a call that Twilio accepts, and return the message."""
    message_id = queue_call(**options)
    clear_throttle(connection)
    [claim] = claim_calls(connection)
    accepted = Accepted(sid, event="queued")
    claims.record_and_claim([Outcome(claim, accepted, None, ended_at=now(), milliseconds=1)], {})
    db.session.rollback()
    return message_id
