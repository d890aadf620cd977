"""Conversations in which a person opts out."""

from __future__ import annotations

from flask import Flask
from sqlalchemy import select

from hub.db.engine import db
from hub.messaging.compose import direct
from hub.models import Consent
from tests.hub_fixtures import ERIC, process_pending_callbacks, status
from tests.messaging.whatsapp_steps import receive_whatsapp

NEXT = iter(range(10**9))


def receive_text(app: Flask, text: str, channel: str = "whatsapp:", **fields: str) -> str:
    """Receive and process a text from Eric, and return the message's SID."""
    sid = f"SM{next(NEXT):032x}"
    assert receive_whatsapp(app, text, sid=sid, channel=channel, **fields).status_code == 200
    process_pending_callbacks()
    db.session.rollback()
    return sid


def send(channel: str, text: str = "Your contract is ready.") -> str:
    """Queue a text to Eric and return its status."""
    return status(direct.send_message(to=ERIC, text=text, channel=channel, test=True))


def list_consents() -> list[tuple[bool, str, str]]:
    db.session.rollback()
    return [
        (consent.given, consent.channel, consent.evidence)
        for consent in db.session.scalars(select(Consent).order_by(Consent.id))
    ]
