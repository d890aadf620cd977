"""Webhooks that tests post, and their messages."""

from __future__ import annotations

from flask import Flask

from hub.db.types import now
from hub.integrations.base import Accepted
from hub.messaging.send import calls, claims
from hub.models import Connection
from tests.hub_fixtures import queue_text

SID = "SM" + "0" * 32


def add_sent_message(app: Flask, connection: Connection, sid: str = SID) -> str:
    message_id = queue_text(text=sid, channel="", connection_slug=connection.slug)
    [claim] = claims.record_and_claim([], {connection.id: 1})
    claims.record_and_claim([calls.Outcome(claim, Accepted(sid), None, now(), 5, 201)], {})
    return message_id
