"""Conversations in which somebody opts out."""

from __future__ import annotations

from flask import Flask
from sqlalchemy import select

from hub.db.engine import db
from hub.messaging.compose import direct
from hub.models import Consent
from tests.hub_fixtures import ERIC, process_pending_callbacks, status
from tests.messaging.whatsapp_steps import receive_whatsapp

NEXT = iter(range(10**9))


def receive_text(app: Flask, text: str, channel: str = "whatsapp:", **more: str) -> str:
    """Let Eric write, and let the hub hear it; return the message's SID."""
    sid = f"SM{next(NEXT):032x}"
    assert receive_whatsapp(app, text, sid=sid, channel=channel, **more).status_code == 200
    process_pending_callbacks()
    db.session.rollback()
    return sid


def send(channel: str, text: str = "Your contract is ready.") -> str:
    """Queue a text to Eric and return what became of it at once."""
    return status(direct.send_message(to=ERIC, text=text, channel=channel, test=True))


def ledger() -> list[tuple[bool, str, str]]:
    db.session.rollback()
    return [
        (one.given, one.channel, one.evidence)
        for one in db.session.scalars(select(Consent).order_by(Consent.id))
    ]
