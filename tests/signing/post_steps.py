"""Requests that are posted to teams."""

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
from tests.fake_provider import Loft
from tests.hub_fixtures import (
    a_signer,
    an_event,
    deliver,
    source_id,
)

Roof = Callable[[str], Connection]


def tell(kind: str = "request.sent", **more: Any) -> dict[str, Any]:
    more.setdefault("signers", [a_signer("Eric"), a_signer("Anna", "+442071234567")])
    return accept.accept_event(
        EventIn.model_validate(an_event(kind, **more)), source_id(), test=True
    )


def flown(loft: Loft, to: str = "") -> list[Outbound]:
    """Deliver what waits, a second for each of a thread, and return what was carried."""
    before = len(loft.flown)
    deliver()
    while db.session.scalar(
        select(func.count())
        .select_from(Message)
        .where(Message.status == "queued", Message.thread != "")
    ):
        time.sleep(0.1)
        deliver()
    return [one for one in loft.flown[before:] if not to or one.to == to]


def request() -> SigningRequest:
    db.session.rollback()
    return db.session.scalars(select(SigningRequest)).one()


def token(one: Outbound, text: str) -> str:
    return next(button.token for button in one.buttons if button.text.startswith(text))


def facts(one: Outbound) -> dict[str, str]:
    assert one.card is not None
    return dict(one.card.facts)


def reminders_to_eric() -> int:
    db.session.rollback()
    query = select(func.count()).select_from(Message).join(Signer, Signer.id == Message.signer_id)
    return db.session.scalar(query.where(Signer.external_id == "eric", Message.lane == "bulk")) or 0
