"""The request's page shows what was tried for each signer, and lets operators act on it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from hub.connections import demo
from hub.core.vocabulary import Role, Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.messaging.compose import outbox
from hub.models import Message, Signer, SigningRequest
from hub.signing import accept
from hub.signing.events import EventIn
from hub.signing.next_step import SKIPPED
from tests.admin.connections.team_pages import RunInApp, text_of
from tests.admin.connections.team_pages import run_in_app as run_in_app
from tests.conftest import Browser
from tests.hub_fixtures import ANNA, event_body, signer_body, source_id

SIGNING_URL = "https://sign.example/r/eric"
APP_URL = "https://app.example.com/documents/4711"


@pytest.fixture
def path(app: Flask, demo_data: None, run_in_app: RunInApp[Any]) -> str:
    """Send a document to Eric and Anna, and return the path of the request's page."""

    def send() -> str:
        body = event_body(signers=[signer_body("Eric"), signer_body("Anna", ANNA)])
        body["request"]["url"] = APP_URL
        accept.accept_event(EventIn.model_validate(body), source_id(), test=True)
        return f"/requests/{db.session.scalars(select(SigningRequest.id)).one()}"

    return str(run_in_app(send))


@pytest.fixture
def eric(path: str, run_in_app: RunInApp[Any]) -> str:
    """Return the ID of the first signer."""
    query = select(Signer.id).where(Signer.external_id == "eric")
    return str(run_in_app(lambda: db.session.scalars(query).one()))


@pytest.fixture
def change_messages(eric: str, run_in_app: RunInApp[Any]) -> Callable[..., None]:
    """Return a function that changes the messages to Eric."""

    def change(**values: Any) -> None:
        statement = update(Message).where(Message.signer_id == eric).values(**values)
        run_in_app(lambda: transaction(lambda: db.session.execute(statement))())

    return change


@pytest.fixture
def statuses(eric: str, run_in_app: RunInApp[Any]) -> Callable[[], list[str]]:
    """Return a function that lists the statuses of the messages to Eric, oldest first."""
    query = select(Message.status).where(Message.signer_id == eric).order_by(Message.id)
    return lambda: run_in_app(lambda: list(db.session.scalars(query)))


def test_messages_are_resent_and_shown_as_one_series(
    path: str,
    eric: str,
    change_messages: Callable[..., None],
    statuses: Callable[[], list[str]],
    browser_for: Callable[..., Browser],
) -> None:
    operator = browser_for(Role.OPERATOR)
    assert "SMS queued" in text_of(operator.get(path))
    assert "Resend SMS" not in text_of(operator.get(path))
    operator.post(f"{path}/signers/{eric}/resend")
    assert "The last message to this signer is in progress" in text_of(operator.get(path))
    change_messages(status=Status.UNDELIVERED, code="30005", due_at=None)
    assert "Resend SMS" in text_of(operator.get(path))
    operator.post(f"{path}/signers/{eric}/resend")
    page = text_of(operator.get(path))
    assert "SMS undelivered, SMS queued at" in page
    assert "Message queued again." in page
    assert statuses() == [Status.UNDELIVERED, Status.QUEUED]


def test_next_step_and_skipped_steps_are_shown(
    path: str,
    change_messages: Callable[..., None],
    run_in_app: RunInApp[Any],
    eric: str,
    browser_for: Callable[..., Browser],
) -> None:
    change_messages(status=Status.ACCEPTED, escalate_at=now() + timedelta(days=2))

    @transaction
    def skip() -> None:
        message = db.session.scalars(select(Message).where(Message.signer_id == eric)).one()
        outbox.record_fact(message, SKIPPED, code="no_address", reason="email: No address.")

    run_in_app(skip)
    page = text_of(browser_for(Role.VIEWER).get(path))
    assert "SMS accepted at" in page
    assert re.search(r"The next step follows at [^.]* unless this message is delivered\.", page)
    assert "Steps skipped" in page
    assert "email: No address." in page


def test_skipped_steps_are_listed_before_the_message_that_was_sent_instead(
    path: str,
    eric: str,
    change_messages: Callable[..., None],
    run_in_app: RunInApp[Any],
    browser_for: Callable[..., Browser],
) -> None:
    operator = browser_for(Role.OPERATOR)
    change_messages(status=Status.UNDELIVERED, code="30005", due_at=None)
    operator.post(f"{path}/signers/{eric}/resend")

    @transaction
    def skip() -> None:
        query = select(Message).where(Message.signer_id == eric).order_by(Message.id)
        first = db.session.scalars(query).first()
        outbox.record_fact(first, SKIPPED, code="no_consent", reason="WhatsApp: No consent.")

    run_in_app(skip)
    page = text_of(operator.get(path)).partition("queued at")[2]
    assert page.index("SMS undelivered") < page.index("Steps skipped") < page.index("SMS queued")


def test_operator_stops_the_messages_to_one_signer(
    path: str, eric: str, statuses: Callable[[], list[str]], browser_for: Callable[..., Browser]
) -> None:
    operator = browser_for(Role.OPERATOR)
    assert text_of(operator.get(path)).count("Stop messages") == 2
    operator.post(f"{path}/signers/{eric}/stop")
    assert statuses() == [Status.CANCELED]
    page = text_of(operator.get(path))
    assert "SMS canceled" in page
    assert page.count("Stop messages") == 1, "Anna's message still waits"
    assert "Stopped messages to the signers of Employment Agreement" in text_of(
        browser_for(Role.ADMIN).get("/activity")
    )


def test_stopped_reminders_are_shown_and_can_be_resumed(
    path: str,
    eric: str,
    change_messages: Callable[..., None],
    browser_for: Callable[..., Browser],
) -> None:
    operator = browser_for(Role.OPERATOR)
    change_messages(status=Status.DELIVERED, due_at=None)
    before = text_of(operator.get(path))
    assert before.count("Stop messages") == 2, "reminders can be stopped too"
    assert before.count("Next reminder") == 2
    operator.post(f"{path}/signers/{eric}/stop")
    page = text_of(operator.get(path))
    assert "Messages were stopped" in page
    assert "Resume messages" in page
    assert page.count("Next reminder") == 1
    operator.post(f"{path}/signers/{eric}/unsnooze")
    page = text_of(operator.get(path))
    assert "Messages were stopped" not in page
    assert "Messages resumed." in page
    assert page.count("Next reminder") == 2


@pytest.mark.parametrize("do", ["remind", "resend", "snooze", "unsnooze", "stop", "invite"])
@pytest.mark.parametrize("wrong", ["sgn_x", "eric", "msg_00000000-0000-7000-8000-000000000000"])
def test_action_on_a_damaged_signer_id_is_not_found(
    path: str, browser_for: Callable[..., Browser], wrong: str, do: str
) -> None:
    assert browser_for(Role.OPERATOR).post(f"{path}/signers/{wrong}/{do}").status_code == 404


def test_stop_ends_the_steps_that_would_follow(
    path: str,
    eric: str,
    change_messages: Callable[..., None],
    run_in_app: RunInApp[Any],
    browser_for: Callable[..., Browser],
) -> None:
    change_messages(status=Status.ACCEPTED, escalate_at=now() + timedelta(minutes=5))
    browser_for(Role.OPERATOR).post(f"{path}/signers/{eric}/stop")
    query = select(Message.status, Message.escalate_at).where(Message.signer_id == eric)
    assert run_in_app(lambda: db.session.execute(query).one()) == (Status.ACCEPTED, None)


def test_viewer_sees_the_timeline_and_cannot_act(
    path: str, eric: str, browser_for: Callable[..., Browser]
) -> None:
    viewer = browser_for(Role.VIEWER)
    page = viewer.get(path).text
    assert "Stop messages" not in page
    assert viewer.post(f"{path}/signers/{eric}/stop").status_code == 403


def test_link_to_the_app_is_shown_and_no_link_of_a_signer(
    path: str, browser_for: Callable[..., Browser]
) -> None:
    page = browser_for(Role.ADMIN).get(path).text
    assert f'href="{APP_URL}"' in page
    assert f"<code>{APP_URL}</code>" in page
    assert SIGNING_URL not in page


def test_signer_who_waits_for_a_turn_is_not_counted_as_unreached(
    app: Flask, run_in_app: RunInApp[Any], browser_for: Callable[..., Browser]
) -> None:
    def send() -> str:
        demo.prepare()
        signers = [signer_body("Eric", order=1), signer_body("Anna", ANNA, order=2)]
        body = event_body(signers=signers)
        accept.accept_event(EventIn.model_validate(body), source_id(), test=True)
        return db.session.scalars(select(SigningRequest.id)).one()

    page = text_of(browser_for(Role.VIEWER).get(f"/requests/{run_in_app(send)}"))
    assert "Waiting for 2 signatures." in page
    assert "could not be notified" not in page


def test_what_a_signer_did_is_on_the_timeline(
    path: str, run_in_app: RunInApp[Any], browser_for: Callable[..., Browser]
) -> None:
    viewer = browser_for(Role.VIEWER)
    for kind, title in (("request.viewed", "Opened the document"), ("request.signed", "Signed")):
        body = event_body(kind, signer={"id": "eric"})
        run_in_app(
            lambda body=body: accept.accept_event(
                EventIn.model_validate(body), source_id(), test=True
            )
        )
        timeline = viewer.get(path).text.partition("Timeline of Eric")[2].partition("</ol>")[0]
        assert title in timeline
