"""Next steps that are due for more than a day expire instead of surprising people."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.models import AuditEntry, PlatformEvent, SigningRequest
from hub.shared import clock_check
from hub.signing import ladders, overdue_fallbacks
from tests.conftest import Browser
from tests.effort import examples
from tests.hub_fixtures import message, update_message
from tests.signing.ladder_steps import channels, escalate, hand_over, legs, post, report_status
from tests.signing.ladder_steps import ladder as ladder

pytestmark = pytest.mark.usefixtures("ladder")
DAY = timedelta(days=1)


def send_late(overdue: timedelta) -> str:
    """Send an invitation whose next step has been due for some time; return its message."""
    post()
    row = legs()[-1]
    hand_over(row)
    update_message(row.id, escalate_at=now() - overdue)
    return row.id


def reports() -> list[str | None]:
    db.session.rollback()
    query = select(PlatformEvent).where(PlatformEvent.type == "signer_not_reached")
    return [event.message_id for event in db.session.scalars(query)]


def test_step_that_is_due_for_more_than_a_day_expires(admin: Browser) -> None:
    message_id = send_late(DAY + timedelta(minutes=1))
    escalate()
    assert channels() == ["whatsapp"]
    assert message(message_id).escalate_at is None
    assert reports() == [message_id], "the app, the overview and the team learn of it"
    assert "Next step expired" in admin.get(f"/messages/{message_id}").text
    assert "1 fallback expired" in admin.get("/").text
    assert "left out fallbacks" in admin.get("/activity").text.lower()


def test_step_that_is_due_for_less_than_a_day_follows() -> None:
    send_late(DAY - timedelta(minutes=1))
    escalate()
    assert channels() == ["whatsapp", "sms"]
    assert overdue_fallbacks.count_expired(now() - DAY) == 0


def test_delivered_message_is_not_reported() -> None:
    message_id = send_late(DAY * 2)
    report_status(message(message_id), Status.DELIVERED)
    update_message(message_id, fallback_goal="opened", escalate_at=now() - DAY * 2)
    escalate()
    assert channels() == ["whatsapp"]
    assert reports() == []


def test_expired_steps_are_one_entry_of_the_activity() -> None:
    for number in range(3):
        send_late(DAY * 2)
        rename(f"old-{number}")
    assert escalate() == 3
    entries = db.session.scalars(
        select(AuditEntry).where(AuditEntry.action == "fallbacks.expired")
    ).all()
    assert [entry.detail for entry in entries] == [{"messages": 3}]
    assert overdue_fallbacks.count_expired(now() - DAY) == 3
    assert overdue_fallbacks.count_expired(now() + timedelta(seconds=1)) == 0


@transaction
def rename(external_id: str) -> None:
    """Let the next request be a new one."""
    newest = select(SigningRequest.id).order_by(SigningRequest.id.desc()).limit(1)
    db.session.execute(
        update(SigningRequest)
        .where(SigningRequest.id == db.session.scalar(newest))
        .values(external_id=external_id)
    )


def test_nothing_expires_by_a_clock_that_cannot_be_trusted() -> None:
    late = send_late(DAY * 2)
    assert clock_check.is_trusted()
    with time_machine.travel(now() + 30 * DAY, tick=True):
        escalate()
        assert not ladders.is_due(), "the chore does not run in vain"
    assert message(late).escalate_at is not None
    assert channels() == ["whatsapp"]
    escalate()
    assert message(late).escalate_at is None
    assert overdue_fallbacks.count_expired(now() - DAY) == 1


@settings(
    max_examples=examples(40),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(hours=st.integers(0, 100), lost=st.booleans())
def test_step_follows_exactly_within_a_day(hours: int, *, lost: bool) -> None:
    message_id = send_late(timedelta(hours=hours, minutes=30))
    if lost:
        update_message(message_id, status=Status.UNDELIVERED.value)
    before = len(legs())
    escalate()
    followed = len(legs()) > before
    assert followed == (hours < 24)
    rename(f"old-{message_id}")
