"""The page of a request explains what is not sent: paused reminders, signers, stopped fallbacks."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from hub.core.vocabulary import Audience, Goal, Role, SignerState, Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.models import Message, Route, Signer, SigningRequest
from hub.signing import accept, routes, stopping
from hub.signing.events import EventIn
from tests.admin.connections.team_pages import RunInApp, text_of
from tests.admin.connections.team_pages import run_in_app as run_in_app
from tests.conftest import Browser
from tests.hub_fixtures import ANNA, event_body, signer_body, source_id
from tests.signing.ladder_steps import SMS_EMAIL, set_route

Change = Callable[..., None]


def post(kind: str = "request.sent", **fields: Any) -> None:
    accept.accept_event(EventIn.model_validate(event_body(kind, **fields)), source_id(), test=True)


@pytest.fixture
def path(app: Flask, demo_data: None, run_in_app: RunInApp[Any]) -> str:
    """Send a document to Eric and Anna by SMS, otherwise email, and return the page's path."""

    def send() -> str:
        set_route(*SMS_EMAIL)
        post(signers=[signer_body("Eric"), signer_body("Anna", ANNA)])
        return f"/requests/{db.session.scalars(select(SigningRequest.id)).one()}"

    return str(run_in_app(send))


@pytest.fixture
def eric(path: str, run_in_app: RunInApp[Any]) -> str:
    """Return the ID of the first signer."""
    query = select(Signer.id).where(Signer.external_id == "eric")
    return str(run_in_app(lambda: db.session.scalars(query).one()))


@pytest.fixture
def change_messages(eric: str, run_in_app: RunInApp[Any]) -> Change:
    """Return a function that changes the messages to Eric."""

    def change(**values: Any) -> None:
        statement = update(Message).where(Message.signer_id == eric).values(**values)
        run_in_app(lambda: transaction(lambda: db.session.execute(statement))())

    return change


# ── Reminders ─────────────────────────────────────────────────────────────────────────────────────
def test_page_says_that_the_app_sends_the_reminders(
    path: str, run_in_app: RunInApp[Any], browser_for: Callable[..., Browser]
) -> None:
    sentence = "The app sends the reminders of this source."
    operator = browser_for(Role.OPERATOR)
    admin = browser_for(Role.ADMIN)
    assert sentence not in text_of(operator.get(path))
    run_in_app(lambda: post("request.reminder"))
    page = operator.get(path)
    assert sentence in text_of(page)
    assert "/settings/sources/" not in page.text
    assert re.search(r'href="/settings/sources/[^"]+">Settings of the source', admin.get(path).text)


def test_page_says_that_a_request_has_no_automatic_reminders(
    path: str, run_in_app: RunInApp[Any], browser_for: Callable[..., Browser]
) -> None:
    body = {"id": "agr-1001", "title": "Agreement", "reminders": {"enabled": False}}
    run_in_app(lambda: post("request.viewed", signer="eric", request=body))
    page = text_of(browser_for(Role.OPERATOR).get(path))
    assert "Automatic reminders are switched off for this request." in page


@pytest.mark.parametrize(
    ("state", "done"),
    [(SignerState.SIGNED, "signed"), (SignerState.DECLINED, "declined to sign")],
)
@pytest.mark.parametrize(
    ("do", "not_done"),
    [
        ("remind", "No reminder was sent."),
        ("snooze", "No reminders were snoozed."),
        ("unsnooze", "No reminders were resumed."),
        ("stop", "No messages were stopped."),
    ],
)
def test_outdated_page_names_the_signer_who_is_done(
    path: str,
    eric: str,
    run_in_app: RunInApp[Any],
    browser_for: Callable[..., Browser],
    state: SignerState,
    done: str,
    do: str,
    not_done: str,
) -> None:
    decide = update(Signer).where(Signer.id == eric).values(state=state.value)
    run_in_app(transaction(lambda: db.session.execute(decide)))
    operator = browser_for(Role.OPERATOR)
    operator.post(f"{path}/signers/{eric}/{do}")
    page = text_of(operator.get(path))
    assert f"Eric has already {done}. {not_done}" in page
    assert "every signer has signed or declined" not in page.lower()


def test_signers_who_were_reminded_are_the_subject(
    path: str, eric: str, browser_for: Callable[..., Browser]
) -> None:
    operator = browser_for(Role.OPERATOR)
    for _ in range(2):
        operator.post(f"{path}/remind")
    page = text_of(operator.get(path))
    assert "All pending signers were reminded less than an hour ago. Try again after" in page
    operator.post(f"{path}/signers/{eric}/remind")
    page = text_of(operator.get(path))
    assert "Eric was reminded less than an hour ago. Try again after" in page


# ── Fallbacks ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("goal", "event"),
    [
        (Goal.SENT, "the provider accepts this message"),
        (Goal.DELIVERED, "this message is delivered"),
        (Goal.READ, "this message is read"),
        (Goal.OPENED, "the document is opened"),
    ],
)
def test_next_step_names_what_prevents_it(
    path: str,
    change_messages: Change,
    browser_for: Callable[..., Browser],
    goal: Goal,
    event: str,
) -> None:
    change_messages(
        status=Status.ACCEPTED, escalate_at=now() + timedelta(hours=1), fallback_goal=goal.value
    )
    page = text_of(browser_for(Role.VIEWER).get(path))
    assert re.search(rf"The next step follows at [^.]* unless {event}\.", page)


def test_nothing_prevents_the_step_after_a_failure(
    path: str, change_messages: Change, browser_for: Callable[..., Browser]
) -> None:
    change_messages(status=Status.FAILED, escalate_at=now() + timedelta(hours=1), due_at=None)
    page = text_of(browser_for(Role.VIEWER).get(path))
    assert re.search(r"The next step follows at [^.]*\. ", page)
    assert "unless this" not in page


STOPPED = r"Fallbacks were stopped at [^.]*\. No next step follows\."


def stop_fallbacks() -> None:
    route = routes.read_routes_in_force(None)["request.sent", Audience.SIGNER]
    stopping.stop_fallbacks(route.id)


@pytest.mark.parametrize("status", [Status.QUEUED, Status.ACCEPTED, Status.UNDELIVERED])
def test_page_says_that_fallbacks_were_stopped(
    path: str,
    change_messages: Change,
    run_in_app: RunInApp[Any],
    browser_for: Callable[..., Browser],
    status: Status,
) -> None:
    change_messages(status=status)
    viewer = browser_for(Role.VIEWER)
    assert not re.search(STOPPED, text_of(viewer.get(path)))
    run_in_app(stop_fallbacks)
    assert re.search(STOPPED, text_of(viewer.get(path)))


@pytest.mark.parametrize("fact", ["delivered", "opened", "signed", "canceled", "sent after"])
def test_stopped_fallbacks_are_not_mentioned_where_no_step_would_follow(
    path: str,
    eric: str,
    change_messages: Change,
    run_in_app: RunInApp[Any],
    browser_for: Callable[..., Browser],
    fact: str,
) -> None:
    events = {
        "opened": lambda: post("request.viewed", signer="eric"),
        "signed": lambda: post("request.signed", signer="eric"),
        "canceled": lambda: post("request.canceled"),
    }
    run_in_app(stop_fallbacks)
    change_messages(status=Status.DELIVERED if fact == "delivered" else Status.ACCEPTED)
    if fact in events:
        run_in_app(events[fact])
    if fact == "sent after":
        earlier = update(Route).where(Route.stopped_at.is_not(None))
        change = earlier.values(stopped_at=now() - timedelta(days=1))
        run_in_app(transaction(lambda: db.session.execute(change)))
    page = browser_for(Role.VIEWER).get(path).text
    panel = re.sub(r"<[^>]+>", " ", page[page.index(">Eric<") : page.index(">Anna<")])
    assert not re.search(STOPPED, " ".join(panel.split()))
