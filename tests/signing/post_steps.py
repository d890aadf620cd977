"""Signing requests that are posted to teams."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import func, select

from hub.db.engine import db
from hub.integrations.base import Outbound
from hub.models import Connection, Message, Signer, SigningRequest
from hub.signing import accept
from hub.signing.events import EventIn
from tests.fake_provider import FakeProvider
from tests.hub_fixtures import deliver, event_body, signer_body, source_id

ConnectTeam = Callable[[str], Connection]


def post_event(kind: str = "request.sent", **fields: Any) -> dict[str, Any]:
    fields.setdefault("signers", [signer_body("Eric"), signer_body("Anna", "+442071234567")])
    return accept.accept_event(
        EventIn.model_validate(event_body(kind, **fields)), source_id(), test=True
    )


def deliver_posts(fake_provider: FakeProvider, to: str = "") -> list[Outbound]:
    """Deliver queued messages until no post is waiting, and return the sent ones."""
    before = len(fake_provider.sent)
    deliver()
    while db.session.scalar(
        select(func.count())
        .select_from(Message)
        .where(Message.status == "queued", Message.thread != "")
    ):
        time.sleep(0.1)
        deliver()
    return [outbound for outbound in fake_provider.sent[before:] if not to or outbound.to == to]


def load_request() -> SigningRequest:
    db.session.rollback()
    return db.session.scalars(select(SigningRequest)).one()


def button_token(outbound: Outbound, text: str) -> str:
    return next(button.token for button in outbound.buttons if button.text.startswith(text))


def card_facts(outbound: Outbound) -> dict[str, str]:
    assert outbound.card is not None
    return dict(outbound.card.facts)


def count_reminders_to_eric() -> int:
    db.session.rollback()
    query = select(func.count()).select_from(Message).join(Signer, Signer.id == Message.signer_id)
    return db.session.scalar(query.where(Signer.external_id == "eric", Message.lane == "bulk")) or 0
