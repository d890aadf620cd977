"""The page of a request lists its scheduled events, and operators cancel them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from hub.core.vocabulary import Role
from hub.db.types import now
from hub.signing import accept
from hub.signing.events import EventIn
from tests.admin.connections.team_pages import RunInApp
from tests.admin.connections.team_pages import connect_team as connect_team
from tests.admin.connections.team_pages import request_id as request_id
from tests.admin.connections.team_pages import run_in_app as run_in_app
from tests.conftest import Browser
from tests.fake_provider import fake_provider as fake_provider
from tests.hub_fixtures import event_body, source_id


@pytest.fixture
def path(request_id: str, run_in_app: RunInApp[Any]) -> str:
    """Schedule a reminder about a request, and return the path that cancels it."""
    body = event_body("request.reminder", send_at=(now() + timedelta(days=2)).isoformat())
    answer = run_in_app(
        lambda: accept.accept_event(EventIn.model_validate(body), source_id(), test=True)
    )
    return f"/requests/{request_id}/scheduled/{answer['event']['id']}/cancel"


def test_operator_cancels_a_scheduled_event(
    path: str, request_id: str, browser_for: Callable[..., Browser]
) -> None:
    operator = browser_for(Role.OPERATOR)
    page = operator.get(f"/requests/{request_id}").text
    assert re.search(r"Reminder · \w+", page)
    assert "Cancel reminder" in page
    assert operator.post(path).status_code == 303
    page = operator.get(f"/requests/{request_id}").text
    assert "Canceled. The scheduled messages are not sent." in page
    assert "Cancel reminder" not in page
    operator.post(path)
    assert "The event was already canceled" in operator.get(f"/requests/{request_id}").text


def test_viewer_sees_scheduled_events_and_cannot_cancel_them(
    path: str, request_id: str, browser_for: Callable[..., Browser], admin: Browser
) -> None:
    viewer = browser_for(Role.VIEWER)
    page = viewer.get(f"/requests/{request_id}").text
    assert "Scheduled" in page
    assert "Cancel reminder" not in page
    assert viewer.post(path).status_code == 403
    other = path.replace(request_id, request_id[:-1] + ("0" if request_id[-1] != "0" else "1"))
    assert admin.post(other).status_code == 404, "the event belongs to another request"
    admin.post(path)
    assert "canceled scheduled messages of" in admin.get("/activity").text.lower()
