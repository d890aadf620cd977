"""After its expiry moves to a later time, a request asks pending signers again."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import update

from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.models import SigningRequest
from hub.signing import reminders
from tests.hub_fixtures import event_body
from tests.signing.ladder_steps import (
    OtherwiseStep,
    channels,
    end_time,
    escalate,
    hand_over,
    legs,
    post,
    refuse_claim,
    report_status,
    set_route,
)

pytestmark = pytest.mark.usefixtures("ladder")
HOUR = timedelta(hours=1)


def request_until(expires_at: datetime | None) -> dict[str, object]:
    at = None if expires_at is None else expires_at.isoformat()
    return event_body()["request"] | {"expires_at": at}


def ask_for(for_time: timedelta = HOUR) -> None:
    post(request=request_until(now() + for_time))


def prolong(until: datetime | None, kind: str = "request.viewed") -> None:
    post(kind, request=request_until(until))


@transaction
def let_request_expire() -> None:
    db.session.execute(update(SigningRequest).values(expires_at=now() - timedelta(seconds=1)))


@pytest.mark.parametrize("kind", ["request.viewed", "request.sent"])
@pytest.mark.parametrize("later", [HOUR, None], ids=["later", "never"])
def test_step_that_the_expiry_stopped_follows(kind: str, later: timedelta | None) -> None:
    ask_for()
    hand_over(legs()[0])
    end_time(legs()[0])
    let_request_expire()
    escalate()
    assert channels() == ["whatsapp"]
    prolong(later and now() + later, kind)
    escalate()
    assert channels() == ["whatsapp", "sms"]
    assert escalate() == 0


@pytest.mark.parametrize(
    "steps",
    [(("whatsapp", None, None),), (("whatsapp", None, None), ("sms", "delivered", 30))],
    ids=["one step", "ladder"],
)
def test_invitation_that_was_not_sent_in_time_is_sent(steps: tuple[OtherwiseStep, ...]) -> None:
    set_route(*steps)
    ask_for()
    let_request_expire()
    refuse_claim(legs()[0])
    escalate()
    assert [(leg.channel, leg.status) for leg in legs()] == [("whatsapp", "expired")]
    prolong(now() + HOUR)
    escalate()
    former, again = legs()
    assert (again.channel, again.status, again.after_id) == ("whatsapp", "queued", former.id)
    escalate()
    assert len(legs()) == 2


def test_waiting_message_may_wait_until_the_new_expiry() -> None:
    ask_for()
    until = now() + 3 * HOUR
    prolong(until)
    [waiting] = legs()
    assert abs(waiting.expires_at - until) < timedelta(seconds=1)
    prolong(now() + timedelta(days=30))
    assert legs()[0].expires_at - now() < timedelta(hours=25), "its lifetime ends earlier"


@pytest.mark.parametrize("status", [Status.DELIVERED, Status.READ])
def test_message_that_reached_its_goal_is_not_followed(status: Status) -> None:
    ask_for()
    hand_over(legs()[0])
    report_status(legs()[0], status)
    let_request_expire()
    prolong(now() + HOUR)
    escalate()
    assert channels() == ["whatsapp"]


def test_message_that_only_its_failure_ends_is_not_followed() -> None:
    set_route(("sms", None, None), ("email", "delivered", None))
    ask_for()
    hand_over(legs()[0])
    let_request_expire()
    prolong(now() + HOUR)
    escalate()
    assert channels() == ["sms"]


def test_signer_who_has_signed_is_not_asked_again() -> None:
    ask_for()
    let_request_expire()
    refuse_claim(legs()[0])
    post("request.signed", signer="eric")
    before = len(legs())
    prolong(now() + HOUR)
    escalate()
    assert len(legs()) == before


@pytest.mark.parametrize("ahead", [timedelta(minutes=-30), timedelta()])
def test_expiry_that_is_not_later_starts_nothing(ahead: timedelta) -> None:
    ask_for()
    let_request_expire()
    refuse_claim(legs()[0])
    prolong(now() - timedelta(seconds=1) + ahead)
    escalate()
    assert [leg.status for leg in legs()] == ["expired"]


def test_reminder_that_was_not_sent_in_time_is_left_to_the_schedule() -> None:
    set_route(("sms", None, None), event_type="request.reminder")
    ask_for()
    hand_over(legs()[0])
    report_status(legs()[0], Status.DELIVERED)
    reminders.remind(legs()[0].request_id)
    let_request_expire()
    refuse_claim(legs()[-1])
    prolong(now() + HOUR)
    escalate()
    assert [leg.status for leg in legs()] == ["delivered", "expired"]
