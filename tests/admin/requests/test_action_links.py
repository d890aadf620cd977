"""The page behind an action link of a team post."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import time_machine
from flask import Flask
from sqlalchemy import select

from hub.core.vocabulary import Role
from hub.db.engine import db
from hub.db.types import now
from hub.models import ActionToken, Signer
from tests.admin.connections.team_pages import RunInApp, text_of
from tests.admin.connections.team_pages import action_link as action_link
from tests.admin.connections.team_pages import connect_team as connect_team
from tests.admin.connections.team_pages import request_id as request_id
from tests.admin.connections.team_pages import run_in_app as run_in_app
from tests.admin.connections.team_pages import signer as signer
from tests.conftest import Browser
from tests.fake_provider import fake_provider as fake_provider


def test_opening_an_action_link_changes_nothing(
    action_link: str, client: Any, signer: Callable[[], Signer]
) -> None:
    for _ in range(3):
        page = client.get(action_link)
        assert page.status_code == 200
        assert client.head(action_link).status_code == 200
    assert "Remind Eric?" in text_of(page)
    assert (page.headers["X-Robots-Tag"], page.headers["Referrer-Policy"]) == (
        "noindex",
        "same-origin",
    )
    assert signer().reminders == 0


def test_action_runs_once_after_confirmation(
    action_link: str, app: Flask, signer: Callable[[], Signer]
) -> None:
    nobody = Browser(app)
    first_response = nobody.post(action_link, {"who": "  Dana   Whitfield "})
    assert "Dana Whitfield (through the link) reminded Eric" in text_of(first_response)
    assert "Done" in text_of(first_response)
    assert signer().reminders == 1
    response = nobody.post(action_link, {"who": "Tom"})
    assert "Already done" in text_of(response)
    assert "Dana Whitfield (through the link) reminded Eric" in text_of(response)
    assert signer().reminders == 1


def test_signed_in_user_is_recognized_by_the_session(
    action_link: str, run_in_app: RunInApp[Any], browser_for: Callable[..., Browser]
) -> None:
    viewer = browser_for(Role.VIEWER)
    assert "Your name" not in text_of(viewer.get(action_link))
    viewer.post(action_link)
    user_name = run_in_app(
        lambda: db.session.scalars(
            select(ActionToken.used_by).where(ActionToken.used_at.is_not(None))
        ).one()
    )
    assert user_name == "Some Viewer"


def test_post_without_a_csrf_token_is_refused(
    action_link: str, client: Any, signer: Callable[[], Signer]
) -> None:
    assert client.post(action_link, data={"who": "x"}).status_code == 400
    assert signer().reminders == 0


def test_expired_link_is_explained(action_link: str, client: Any) -> None:
    with time_machine.travel(now() + timedelta(days=31)):
        page = client.get(action_link)
    assert page.status_code == 410
    assert "This link has expired" in text_of(page)


def test_truncated_link_is_not_found(client: Any) -> None:
    for path in ("/a/x", "/a/" + "A" * 43):
        page = client.get(path)
        assert page.status_code == 404
        assert "This link is not valid" in text_of(page)
