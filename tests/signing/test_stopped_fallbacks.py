"""An admin stops the fallbacks of a version of a route: nothing follows what began before."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from hub.core.errors import NotFound
from hub.core.vocabulary import Audience, Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.messaging.compose import resend
from hub.messaging.send import claims
from hub.models import Message, PlatformEvent, Route, SigningRequest
from hub.signing import routes, stopping
from tests.effort import examples
from tests.hub_fixtures import make_due, message, update_message
from tests.signing.ladder_steps import (
    channels,
    end_time,
    eric,
    escalate,
    hand_over,
    legs,
    post,
    report_status,
    set_route,
)
from tests.signing.ladder_steps import ladder as ladder

pytestmark = pytest.mark.usefixtures("ladder")


def version() -> Route:
    db.session.rollback()
    return routes.read_routes_in_force(None)["request.sent", Audience.SIGNER]


def stop() -> None:
    stopping.stop_fallbacks(version().id)
    db.session.rollback()


def claim(row: Message) -> None:
    make_due(row.id)
    claims.record_and_claim([], {row.connection_id: 8})
    db.session.rollback()


def reports() -> list[PlatformEvent]:
    db.session.rollback()
    query = select(PlatformEvent).where(PlatformEvent.type == "signer_not_reached")
    return list(db.session.scalars(query))


def test_sent_message_has_no_next_step() -> None:
    post()
    hand_over(legs()[0])
    assert stopping.count_waiting([version().id]) == {version().id: 1}
    stop()
    assert legs()[0].escalate_at is None
    assert stopping.count_waiting([version().id]) == {}
    escalate()
    assert channels() == ["whatsapp"]


def test_later_failure_has_no_next_step_and_is_reported() -> None:
    post()
    hand_over(legs()[0])
    stop()
    report_status(legs()[0], Status.UNDELIVERED, code="30003")
    escalate()
    assert channels() == ["whatsapp"]
    assert [report.message_id for report in reports()] == [legs()[0].id]


def test_earlier_failure_is_reported_instead_of_followed() -> None:
    post()
    hand_over(legs()[0])
    report_status(legs()[0], Status.UNDELIVERED, code="30003")
    stop()
    escalate()
    assert channels() == ["whatsapp"]
    assert len(reports()) == 1


def test_first_message_that_waits_is_still_sent() -> None:
    post()
    stop()
    hand_over(legs()[0])
    assert legs()[0].status == Status.ACCEPTED


def test_waiting_message_of_a_later_step_is_canceled() -> None:
    post()
    hand_over(legs()[0])
    end_time(legs()[0])
    escalate()
    assert channels() == ["whatsapp", "sms"]
    stop()
    claim(legs()[1])
    assert legs()[1].status == Status.CANCELED
    assert legs()[1].tries == 0
    escalate()
    assert channels() == ["whatsapp", "sms"]


def test_message_that_is_resent_on_purpose_is_sent() -> None:
    post()
    hand_over(legs()[0])
    report_status(legs()[0], Status.UNDELIVERED, code="30003")
    stop()
    successor = resend.resend(legs()[0].id).id
    claim(message(successor))
    assert message(successor).status == Status.SENDING


def test_ladder_that_begins_later_has_fallbacks() -> None:
    post()
    stop()
    post("request.expired")
    post()  # reopens the request
    newest = legs()[-1]
    hand_over(newest)
    end_time(message(newest.id))
    escalate()
    assert channels()[-1] == "sms"


def test_other_version_is_not_stopped() -> None:
    post()
    hand_over(legs()[0])
    former = version().id
    set_route(("sms", None, None), ("email", "delivered", 30))
    stop()
    assert version().id != former
    end_time(legs()[0])
    escalate()
    assert channels() == ["whatsapp", "sms"], "by the version with which it began"


def test_replaced_version_is_stopped() -> None:
    post()
    hand_over(legs()[0])
    former = version().id
    set_route(("sms", None, None))
    stopping.stop_fallbacks(former)
    escalate()
    assert legs()[0].escalate_at is None


def test_route_without_fallbacks_cannot_be_stopped() -> None:
    set_route(("sms", None, None))
    with pytest.raises(NotFound):
        stop()


STATUSES = [status for status in Status if status not in (Status.SUPPRESSED, Status.CANCELED)]


@settings(
    max_examples=examples(40),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(before=st.sampled_from(STATUSES), after=st.sampled_from(STATUSES), escalated=st.booleans())
def test_nothing_follows_a_message_of_a_stopped_version(
    before: Status, after: Status, *, escalated: bool
) -> None:
    """Whatever status it has when the fallbacks are stopped, and later."""
    start_over()
    post(signers=[eric()])
    row = legs()[-1]
    set_status(row.id, before, is_due=escalated)
    stop()
    set_status(row.id, after, is_due=True)
    escalate()
    db.session.rollback()
    assert db.session.scalar(select(Message).where(Message.after_id == row.id)) is None
    assert message(row.id).escalate_at is None


def set_status(message_id: str, status: Status, *, is_due: bool) -> None:
    row = message(message_id)
    due_at = row.created_at if is_due else None
    update_message(message_id, status=status.value, escalate_at=due_at, due_at=None)


@transaction
def start_over() -> None:
    """Let the next request be a new one."""
    for row in db.session.scalars(select(SigningRequest)):
        row.external_id = f"old-{row.id}"
    db.session.execute(update(Route).values(stopped_at=None))
