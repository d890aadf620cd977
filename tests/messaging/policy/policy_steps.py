"""Messages and rules that policy tests share."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hub.connections import rules as changing
from hub.db.engine import db
from hub.messaging.contacts import consents
from hub.messaging.contacts.consents import ConsentEntry
from hub.messaging.policy.rules import Rules
from hub.messaging.send import calls, claims
from hub.models import Connection
from tests.hub_fixtures import ERIC, message, queue_text, source_id

CHEAP = {"US": Decimal("0.01"), "": Decimal("0.5")}


def post_message(to: str = ERIC, text: str = "Your contract is ready.", **fields: Any) -> str:
    """Queue a message as a signing app posts it."""
    return queue_text(to, text, source_id=source_id(), **fields)


def save_rules(connection: Connection, **settings: Any) -> None:
    changing.save(connection.id, Rules(**settings))
    db.session.rollback()


def status_and_code(message_id: str) -> tuple[str, str]:
    row = message(message_id)
    return row.status, row.code


def claim(connection: Connection, threads: int = 64) -> list[calls.Claim]:
    return claims.record_and_claim([], {connection.id: threads})


def receive_text(is_consent: bool, channel: str = "whatsapp", **fields: Any) -> None:
    consents.record_consent(
        ConsentEntry(ERIC, is_consent, channel, **fields), source="api", test=True
    )
