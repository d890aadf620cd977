"""The provider gets the time at which a message that asks to sign is no longer of use."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from hub.db.engine import db
from hub.db.types import now
from hub.messaging.compose import resend
from hub.messaging.send import claims
from hub.messaging.send.calls import Claim
from hub.models import Connection
from tests.hub_fixtures import SigningApp, event_body, signer_body, update_message

TWO_HOURS = timedelta(hours=2)


def post(app: SigningApp, kind: str, expires_at: datetime) -> None:
    body = event_body(kind, signers=[signer_body("Eric")], id=f"{kind}-{expires_at}")
    body["request"]["expires_at"] = expires_at.isoformat()
    assert app.post("/events", body).status_code == 202


def claim_all() -> Iterator[Claim]:
    """Claim every message that is due."""
    db.session.rollback()
    connection_ids = list(db.session.scalars(select(Connection.id)))
    yield from claims.record_and_claim([], dict.fromkeys(connection_ids, 8))


def seconds_left(claimed: Claim) -> int:
    """Return for how many seconds the provider may try to send a message."""
    payload = claimed.integration.render(claimed.outbound)
    return int(payload["ValidityPeriod"])


@pytest.mark.parametrize("kind", ["request.sent", "request.reminder"])
def test_message_that_asks_to_sign_ends_with_the_request(
    signing_app: SigningApp, kind: str
) -> None:
    post(signing_app, kind, now() + TWO_HOURS)
    claimed = list(claim_all())
    assert claimed
    for item in claimed:
        assert 7100 < seconds_left(item) <= 7200


def test_expiry_that_was_brought_forward_counts(signing_app: SigningApp) -> None:
    post(signing_app, "request.sent", now() + timedelta(days=5))
    post(signing_app, "request.viewed", now() + TWO_HOURS)
    assert all(seconds_left(item) <= 7200 for item in claim_all())


def test_resent_message_ends_with_the_request(signing_app: SigningApp) -> None:
    post(signing_app, "request.sent", now() + TWO_HOURS)
    [first, *_] = claim_all()
    update_message(first.message_id, status="failed", due_at=None)
    resend.resend(first.message_id)
    [resent] = claim_all()
    assert 7100 < seconds_left(resent) <= 7200


def test_request_without_an_expiry_leaves_the_time_to_the_provider(
    signing_app: SigningApp,
) -> None:
    body = event_body(signers=[signer_body("Eric")])
    assert signing_app.post("/events", body).status_code == 202
    for item in claim_all():
        assert "ValidityPeriod" not in item.integration.render(item.outbound)
