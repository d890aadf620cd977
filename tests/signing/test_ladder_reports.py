"""Reports that arrive late or in another order: stored statuses, and later steps."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
import time_machine
from sqlalchemy import select

from hub.core.errors import OutcomeUnknown, PermanentError, SendError, TransientError
from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.types import now
from hub.integrations.base import Accepted, Price, StatusUpdate
from hub.messaging.policy.quiet_hours import QuietHours
from hub.messaging.send import calls, claims
from hub.messaging.track import statuses, timeline
from hub.messaging.track.statuses import Origin
from hub.models import Message, Usage
from hub.signing import ladders
from tests.conftest import POSTGRES
from tests.endpoints.event_steps import listen, types
from tests.hub_fixtures import make_due
from tests.messaging.policy.policy_steps import CHEAP, save_rules
from tests.signing.ladder_steps import (
    EMAIL_SMS,
    channels,
    connection_of,
    end_time,
    escalate,
    hand_over,
    invite,
    legs,
    let_time_end,
    post,
    report_status,
)

pytestmark = pytest.mark.usefixtures("ladder")


def begin_call(message: Message) -> calls.Claim:
    """Claim a message, as a worker that is about to call the provider."""
    make_due(message.id)
    [claim] = claims.record_and_claim([], {message.connection_id: 1})
    db.session.rollback()
    return claim


def end_call(claim: calls.Claim, error: SendError | None = None) -> None:
    """Record the provider's answer to a call."""
    accepted = None if error else Accepted("SM0011")
    claims.record_and_claim([calls.Outcome(claim, accepted, error, now(), 5, 201)], {})
    db.session.rollback()


def words(message: Message) -> list[str]:
    return [entry.title for entry in timeline.timeline(message)]


# ── While a message is being sent ─────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (None, "accepted"),
        (TransientError("Try again.", "30008"), "canceled"),
        (PermanentError("Rejected.", "21211"), "failed"),
        (OutcomeUnknown("No response.", "no_answer"), "unknown"),
    ],
    ids=["accepted", "temporary error", "rejected", "no answer"],
)
def test_message_that_is_being_sent_at_the_signature_is_the_last_one(
    error: SendError | None, status: str
) -> None:
    post()
    claim = begin_call(legs()[0])
    post("request.signed", signer="eric")
    end_call(claim, error)
    escalate()
    [invitation] = [leg for leg in legs() if leg.id == claim.message_id]
    assert (invitation.status, invitation.escalate_at) == (status, None)
    assert [leg.after_id for leg in legs()] == [None, None], "the invitation, and a confirmation"
    assert "Too late to cancel" in words(invitation)


@pytest.mark.parametrize("error", [None, OutcomeUnknown("No response.", "no_answer")])
def test_fallback_that_is_being_sent_is_not_recalled_by_a_late_delivery(
    error: SendError | None,
) -> None:
    invite()
    let_time_end(legs()[0])
    claim = begin_call(legs()[1])
    report_status(legs()[0], Status.DELIVERED)
    assert legs()[1].status == "sending"
    end_call(claim, error)
    escalate()
    assert [leg.status for leg in legs()] == ["delivered", "unknown" if error else "accepted"]


# ── At night ──────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def night() -> QuietHours:
    """Return quiet hours at Eric's place that began an hour ago and end in an hour."""
    local_time = now().astimezone(ZoneInfo("America/New_York"))
    begins, ends = (local_time + timedelta(hours=hours) for hours in (-1, 1))
    return QuietHours(f"{begins:%H:%M}", f"{ends:%H:%M}")


@pytest.mark.parametrize("delivered", [True, False])
def test_step_that_follows_at_night_waits_and_is_sent_only_if_still_needed(
    night: QuietHours, delivered: bool
) -> None:
    sms = connection_of("sms")
    save_rules(sms, quiet=night)
    invite()
    let_time_end(legs()[0])
    waiting = legs()[1]
    assert (waiting.status, waiting.code) == ("queued", "quiet_hours")
    assert waiting.due_at - now() > timedelta(minutes=55)
    if delivered:
        report_status(legs()[0], Status.DELIVERED)
    save_rules(sms)  # the morning
    make_due(waiting.id)
    sent = claims.record_and_claim([], {sms.id: 1})
    db.session.rollback()
    assert [claim.message_id for claim in sent] == ([] if delivered else [waiting.id])
    assert legs()[1].status == ("canceled" if delivered else "sending")


# ── Late deliveries ───────────────────────────────────────────────────────────────────────────────
def test_two_late_deliveries_are_both_reported_and_both_paid() -> None:
    endpoint = listen()
    for channel in ("whatsapp", "sms"):
        save_rules(connection_of(channel), prices=CHEAP)
    post()
    for position in range(2):
        hand_over(legs()[position])
        end_time(legs()[position])
        if position == 0:
            escalate()
    for leg in legs():
        update = StatusUpdate(
            message_id=leg.id,
            attempt=1,
            provider_status="delivered",
            status=Status.DELIVERED,
            price=Price(Decimal("0.02"), "USD"),
        )
        assert statuses.apply_status(update, Origin("callback", [leg.connection_id]))
        db.session.rollback()
    assert {"whatsapp_delivered", "sms_delivered"} <= set(types(endpoint))
    spent = {row.connection_id: row.price for row in db.session.scalars(select(Usage))}
    assert spent == {leg.connection_id: Decimal("0.02") for leg in legs()}


# ── Late failures ─────────────────────────────────────────────────────────────────────────────────
def test_accepted_message_of_a_provider_without_reports_has_reached_its_goal() -> None:
    invite(*EMAIL_SMS)
    assert legs()[0].escalate_at is None
    assert not ladders.is_due()


@pytest.mark.skipif(bool(POSTGRES), reason="PostgreSQL has its own clock")
def test_email_that_is_returned_two_days_later_leads_to_a_text() -> None:
    invite(*EMAIL_SMS)
    with time_machine.travel(now() + timedelta(days=2)):
        report_status(legs()[0], Status.UNDELIVERED, code="5.1.1")
        assert escalate() == 1
        assert channels() == ["email", "sms"]


def test_email_that_is_returned_after_the_signature_leads_to_nothing() -> None:
    invite(*EMAIL_SMS)
    post("request.signed", signer="eric")
    report_status(legs()[0], Status.UNDELIVERED)
    escalate()
    assert [leg.channel for leg in legs() if leg.after_id] == []


# ── Clocks ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.skipif(not POSTGRES, reason="SQLite has no clock of its own")
def test_worker_whose_clock_is_ahead_ends_no_time_early() -> None:
    invite()
    with time_machine.travel(now() + timedelta(hours=2), tick=True):
        assert escalate() == 0
    assert channels() == ["whatsapp"]
