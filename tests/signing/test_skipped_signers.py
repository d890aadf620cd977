"""A signer for whom every step is skipped is reported to the app, the admins and the team, once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from hub.core.vocabulary import EventType
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.messaging.compose import plan
from hub.messaging.contacts import suppressions
from hub.models import Connection, Message, MessageBody, PlatformEvent, SigningRequest
from hub.signing import reminders, skipped_signers
from tests.conftest import Browser
from tests.effort import examples
from tests.endpoints.event_steps import bodies, listen
from tests.hub_fixtures import SigningApp, event_body, signer_body
from tests.signing.ladder_steps import eric, escalate, legs, post, set_route
from tests.signing.ladder_steps import ladder as ladder
from tests.signing.reminder_steps import check, daytime, let_pass, send
from tests.team_connections import connect_team as connect_team

pytestmark = pytest.mark.usefixtures("ladder")
DAY = timedelta(days=1)


def unreachable(name: str = "Eric", **fields: Any) -> dict[str, Any]:
    """Return a signer without an address."""
    return signer_body(name, None, **fields)


def reports() -> list[PlatformEvent]:
    db.session.rollback()
    query = select(PlatformEvent).where(PlatformEvent.type == "signer_not_reached")
    return list(db.session.scalars(query.order_by(PlatformEvent.id)))


def request_id() -> str:
    db.session.rollback()
    return db.session.scalars(select(SigningRequest.id)).one()


def team_texts(team: Connection) -> list[str]:
    db.session.rollback()
    query = select(Message.id).where(Message.connection_id == team.id).order_by(Message.id)
    bodies_of_posts = [
        db.session.get_one(MessageBody, message_id.partition("_")[2]).content["text"]
        for message_id in db.session.scalars(query)
    ]
    return [text for text in bodies_of_posts if "could not be reached" in text]


def test_signer_without_an_address_is_reported() -> None:
    endpoint = listen()
    answer = post(signers=[unreachable(), signer_body("Anna", "+13175550100")])
    assert {item["signer"] for item in answer["messages"]} == {"anna"}
    [body] = [item for item in bodies(endpoint) if item["type"] == "signer_not_reached"]
    assert (body["signer"], body["role"], body["message"]) == ("eric", "signer", None)
    assert (body["request_external_id"], body["code"]) == ("agr-1001", "no_address")
    assert skipped_signers.list_requests(now() - DAY, 10) == [request_id()]


def test_repeated_event_reports_nothing_again() -> None:
    post(signers=[unreachable()])
    post(signers=[unreachable()])
    assert len(reports()) == 1


def test_reminders_that_are_skipped_for_the_same_reason_report_nothing_again() -> None:
    post(signers=[unreachable()])
    post("request.reminder", id="r1")
    reminders.remind(request_id())
    assert len(reports()) == 1


def test_first_automatic_reminder_that_is_skipped_is_reported(signing_app: SigningApp) -> None:
    send(signing_app, daytime("Eric", "+13175551234"))
    assert reports() == []
    set_route(("chat", None, None), event_type="request.reminder")
    for _ in range(15):
        let_pass(DAY)
        check()
    assert len(reports()) == 1


def test_automatic_reminder_without_an_address_is_reported_once(signing_app: SigningApp) -> None:
    send(signing_app, daytime("Eric", "+13175551234"))
    app_removes_number(signing_app)
    for _ in range(15):
        let_pass(DAY)
        check()
    assert len(reports()) == 1


def app_removes_number(app: SigningApp) -> None:
    signer = {"id": "eric", "mobile_number": None}
    assert app.post("/events", event_body("request.viewed", signer=signer)).status_code == 202


def test_signer_whose_messages_failed_is_not_reported_for_a_skipped_reminder() -> None:
    set_route(("sms", None, None), ("email", "delivered", 30))
    suppressions.add_opt_out("+13175551234", test=True)
    post(signers=[eric(email=None)])
    escalate()
    assert len(reports()) == 1
    set_route(("chat", None, None), event_type="request.reminder")
    post("request.reminder", id="r1")
    assert len(reports()) == 1


def test_signer_who_opted_out_is_reported_by_the_messages_alone() -> None:
    for address in ("+13175551234", "eric@example.com"):
        suppressions.add_opt_out(address, test=True)
    post()
    escalate()
    escalate()
    [report] = reports()
    assert report.message_id == legs()[-1].id


def test_signer_who_gets_an_address_no_longer_needs_attention() -> None:
    post(signers=[unreachable()])
    assert skipped_signers.list_requests(now() - DAY, 10)
    post("request.viewed", signer={"id": "eric", "mobile_number": "+13175551234"})
    assert [leg.signer_id for leg in legs()] != []
    assert skipped_signers.list_requests(now() - DAY, 10) == []


@pytest.mark.parametrize(
    "event",
    [
        {"kind": "request.signed", "signer": "eric"},
        {"kind": "request.canceled"},
        {"kind": "request.viewed", "signers_removed": ["eric"]},
    ],
)
def test_signer_who_is_no_longer_asked_needs_no_attention(event: dict[str, Any]) -> None:
    post(signers=[unreachable(), signer_body("Anna", "+13175550100")])
    post(**event)
    assert skipped_signers.list_requests(now() - DAY, 10) == []


def test_new_round_of_a_request_reports_again() -> None:
    post(signers=[unreachable()])
    post("request.expired")
    post(signers=[unreachable()])
    assert len(reports()) == 2


def test_only_signers_who_are_asked_now_are_reported() -> None:
    post(
        signers=[unreachable(order=2), signer_body("Anna", "+13175550100", order=1)],
        observers=[{"id": "legal", "name": "Legal"}],
    )
    assert reports() == []
    post("request.signed", signer="anna")
    assert len(reports()) == 1, "it is Eric's turn now"


def test_notices_to_signers_without_an_address_are_not_reported() -> None:
    post(signers=[unreachable(), signer_body("Anna", "+13175550100")])
    post("request.signed", signer="anna")
    post("request.completed")
    assert len(reports()) == 1, "the one of the invitation"


def test_route_that_notifies_nobody_reports_nobody() -> None:
    set_route()
    post(signers=[unreachable()])
    assert reports() == []


def test_scheduled_event_reports_when_it_is_planned(signing_app: SigningApp) -> None:
    body = event_body(signers=[unreachable()], send_at=(now() + DAY).isoformat())
    assert signing_app.post("/events", body).status_code == 202
    assert reports() == []


def test_team_reads_the_names_once(connect_team: Callable[..., Connection]) -> None:
    team = connect_team("T1")
    post(signers=[unreachable()])
    [text] = team_texts(team)
    assert text.startswith("Eric could not be reached about “")
    assert plan.REASONS["no_address"] in text
    post(signers=[unreachable()])
    assert len(team_texts(team)) == 1


def test_many_signers_are_one_post_to_the_team(connect_team: Callable[..., Connection]) -> None:
    team = connect_team("T1")
    post(signers=[unreachable(f"Signer{number}") for number in range(30)])
    assert len(reports()) == 30
    [text] = team_texts(team)
    assert "25 more signers could not be reached" in text


def test_overview_links_to_the_request(admin: Browser) -> None:
    post(signers=[unreachable()])
    page = admin.get("/").text
    assert "1 signer could not be notified" in page
    assert f"/requests/{request_id()}" in page


def test_overview_links_to_exactly_the_requests_of_skipped_signers(admin: Browser) -> None:
    assert "every signer of an open request could be notified" in (
        admin.get("/requests?show=not-notified").text
    )
    for external_id in ("one", "two"):
        post(signers=[unreachable()], request={"id": external_id})
    post(signers=[signer_body("Anna", "+13175550100")], request={"id": "reached"})
    assert "2 signers could not be notified" in admin.get("/").text
    assert 'href="/requests?show=not-notified"' in admin.get("/").text
    found = {row.external_id: row.id for row in db.session.scalars(select(SigningRequest))}
    listed = admin.get("/requests?show=not-notified").text
    shown = {name for name, key in found.items() if f"/requests/{key}" in listed}
    assert shown == {"one", "two"}


def test_every_reason_is_a_failure_or_known_to_ask_nobody() -> None:
    """A new reason must be put into one of the two groups."""
    failures = {
        "no_address",
        "not_wanted",
        "no_connection",
        "connection_off",
        "bad_address",
        "connection_broken",
        "no_consent",
        "paid_channel",
        "window_closed",
        "text_incomplete",
        "too_long",
        "link_expired",
        "opted_out",
    }
    of_others = {"own_action", "request_completed"}  # never of a signer who is asked to sign
    assert failures | skipped_signers.NOT_ASKED | of_others == set(plan.REASONS)
    assert not failures & skipped_signers.NOT_ASKED


channels = st.lists(
    st.sampled_from(["sms", "whatsapp", "email"]), min_size=1, max_size=3, unique=True
)


@settings(
    max_examples=examples(80),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    steps=channels,
    number=st.sampled_from([None, "+13175551234"]),
    email=st.sampled_from([None, "eric@example.com"]),
    wanted=st.tuples(st.booleans(), st.booleans()),
    event_type=st.sampled_from([EventType.SENT, EventType.REMINDER]),
)
def test_signer_is_reported_exactly_if_no_message_is_stored(
    steps: list[str],
    number: str | None,
    email: str | None,
    wanted: tuple[bool, bool],
    event_type: EventType,
) -> None:
    start_over()
    first, *others = steps
    set_route((first, None, None), *((step, "delivered", 30) for step in others))
    set_route(
        (first, None, None),
        *((step, "delivered", 30) for step in others),
        event_type=EventType.REMINDER.value,
    )
    signer = signer_body(
        "Eric",
        number,
        email=email,
        send_to={"mobile_number": wanted[0], "email": wanted[1]},
    )
    answer = post(signers=[signer])
    if event_type == EventType.REMINDER:
        answer = post("request.reminder", id="r1")
    assert (len(reports()) == 1) == (not legs()), answer["skipped"]


@transaction
def start_over() -> None:
    """Let the next request be a new one."""
    for request in db.session.scalars(select(SigningRequest)):
        request.external_id = f"old-{request.id}"
    for message in db.session.scalars(select(Message)):
        message.thread = "old"
    for event in db.session.scalars(select(PlatformEvent)):
        event.type = "old"
