"""The page of a request says that its invitation is scheduled, and offers no reminder before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from hub.admin.view.datetimes import format_datetime
from hub.core.vocabulary import Role
from hub.db.engine import db
from hub.db.types import now
from hub.models import Event, SigningRequest
from hub.signing import accept, scheduled_events
from hub.signing.events import EventIn
from tests.admin.connections.team_pages import ConnectTeam, RunInApp, text_of
from tests.admin.connections.team_pages import connect_team as connect_team
from tests.admin.connections.team_pages import run_in_app as run_in_app
from tests.conftest import Browser
from tests.fake_provider import fake_provider as fake_provider
from tests.hub_fixtures import ANNA, event_body, signer_body, source_id


@pytest.fixture
def path(connect_team: ConnectTeam, run_in_app: RunInApp[Any]) -> str:
    """Schedule a signing request to Eric and Anna, and return the path of its page."""

    def send() -> str:
        body = event_body(
            signers=[signer_body("Eric"), signer_body("Anna", ANNA)],
            send_at=(now() + timedelta(days=2)).isoformat(),
        )
        accept.accept_event(EventIn.model_validate(body), source_id(), test=True)
        return f"/requests/{db.session.scalars(select(SigningRequest.id)).one()}"

    return str(run_in_app(send))


def test_page_says_when_the_invitation_is_sent(
    path: str, run_in_app: RunInApp[Any], browser_for: Callable[..., Browser]
) -> None:
    operator = browser_for(Role.OPERATOR)
    page = operator.get(path)
    time = run_in_app(lambda: format_datetime(db.session.scalars(select(Event.due_at)).one()))
    assert f"The signing request is scheduled for {time}." in text_of(page)
    assert "could not be notified" not in text_of(page)
    assert text_of(page).count("Not invited yet.") == 2
    assert "The pending signers have not been invited yet." in text_of(page)
    assert "/remind" not in page.text
    assert "Send reminder" not in page.text
    assert "could not be" not in text_of(operator.get("/"))


def test_page_says_that_the_invitation_was_canceled(
    path: str, run_in_app: RunInApp[Any], browser_for: Callable[..., Browser]
) -> None:
    run_in_app(lambda: scheduled_events.cancel(db.session.scalars(select(Event.id)).one()))
    operator = browser_for(Role.OPERATOR)
    page = operator.get(path)
    assert "Nobody has been invited. The scheduled signing request was canceled." in text_of(page)
    assert "could not be notified" not in text_of(page)
    assert "/remind" not in page.text
    assert "could not be" not in text_of(operator.get("/"))


def test_request_without_a_report_that_it_was_sent_counts_nobody_as_not_notified(
    connect_team: ConnectTeam, run_in_app: RunInApp[Any], browser_for: Callable[..., Browser]
) -> None:
    def view() -> str:
        body = event_body("request.viewed", signers=[signer_body("Eric")], signer="eric")
        accept.accept_event(EventIn.model_validate(body), source_id(), test=True)
        return f"/requests/{db.session.scalars(select(SigningRequest.id)).one()}"

    page = browser_for(Role.VIEWER).get(run_in_app(view))
    assert "could not be notified" not in text_of(page)
    assert "Waiting for 1 signature." in text_of(page)
