"""Webhooks of Documenso in any order leave the same state and the same waiting notices."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count, permutations
from typing import Any

from flask import Flask
from sqlalchemy import select

from hub.db.engine import db
from hub.db.store import transaction
from hub.models import Event, Message, Signer, SigningRequest
from hub.signing.source_events import accept_source_event
from tests.hub_fixtures import source_id
from tests.integrations.test_documenso import RECIPIENT, read

NUMBERS = count()
RECEIVED = datetime(2026, 11, 21, 12, tzinfo=UTC)
ERIC = {**RECIPIENT, "id": 52}
ANNA = {**RECIPIENT, "id": 53, "email": "anna@example.com", "token": "other"}


def signed(recipient: dict[str, Any], minute: int) -> dict[str, Any]:
    at = f"2026-11-21T11:{minute}:00.000Z"
    return {**recipient, "signingStatus": "SIGNED", "signedAt": at}


def rejected(recipient: dict[str, Any], minute: int) -> dict[str, Any]:
    at = f"2026-11-21T11:{minute}:00.000Z"
    return {**recipient, "signingStatus": "REJECTED", "signedAt": at}


WEBHOOKS = [
    ("DOCUMENT_SENT", (ERIC, ANNA), {"updatedAt": "2026-11-21T11:48:00.000Z"}),
    ("DOCUMENT_SIGNED", (signed(ERIC, 50), ANNA), {}),
    ("DOCUMENT_REJECTED", (signed(ERIC, 50), rejected(ANNA, 52)), {}),
]


@transaction
def accept(kind: str, recipients: tuple[Any, ...], fields: dict[str, Any]) -> None:
    for event in read(kind, *recipients, **fields):
        accept_source_event(event, source_id(), test=True, received_at=RECEIVED)


def receive(order: Any) -> Any:
    """Accept webhooks about a new document; return its state, its signers and live messages."""
    name = f"envelope-{next(NUMBERS)}"
    for kind, recipients, fields in order:
        accept(kind, recipients, {**fields, "envelopeId": name})
    db.session.rollback()
    request = db.session.scalars(
        select(SigningRequest).where(SigningRequest.external_id == name)
    ).one()
    rows = db.session.execute(
        select(Event.type, Signer.external_id)
        .select_from(Message)
        .join(Signer, Signer.id == Message.signer_id)
        .join(Event, Event.id == Message.event_id)
        .where(Message.request_id == request.id, Message.status != "canceled")
    )
    return (
        request.state,
        {signer.external_id: signer.state for signer in request.signers},
        sorted((kind, person) for kind, person in rows),
    )


def test_any_order_leaves_the_same_state_and_notices(chats_and_mail: None, hub_demo: Flask) -> None:
    del chats_and_mail, hub_demo
    expected = receive(WEBHOOKS)
    assert expected[0] == "declined"
    assert ("request.declined", "52") in expected[2], "Eric signed before Anna declined"
    for order in permutations(WEBHOOKS):
        assert receive(order) == expected
