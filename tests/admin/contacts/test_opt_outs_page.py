"""The opt-outs page: closing, finding, opening again, and files as large as lists of people are."""

from __future__ import annotations

from io import BytesIO

from flask import Flask
from sqlalchemy import func, select

from hub.core.vocabulary import Role
from hub.db.engine import db
from hub.messaging.contacts import suppressions
from hub.models import Suppression
from tests.conftest import Browser
from tests.hub_fixtures import ERIC


def given(browser: Browser, content: bytes, kind: str = "opt-outs") -> tuple[int, str]:
    with BytesIO(content) as file:
        answer = browser.client.post(
            "/opt-outs/import",
            data={
                "csrf_token": browser.token(),
                "file-kind": kind,
                "file-test": "y",
                "file-file": (file, "list.csv", "text/csv"),
            },
        )
    return answer.status_code, answer.text


def test_a_file_may_be_larger_than_what_programs_post(app: Flask, admin: Browser) -> None:
    why = "x" * 450
    lines = "".join(f"+1317555{n:04d},{why}\n" for n in range(700))
    assert len(lines) > 300 * 1024
    status, page = given(admin, b"address,why\n" + lines.encode())
    assert status == 200
    assert "700 addresses were opted out." in page
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Suppression)) == 700


def test_lines_that_are_refused_are_told_with_their_field(app: Flask, admin: Browser) -> None:
    status, page = given(
        admin, b"address,given\n+13175551234,yes\n+13175551234,maybe\n", "consents"
    )
    assert status == 200
    assert "1 consent was recorded." in page
    assert "Line 3: given: Enter yes or no." in page


def test_a_file_that_is_none_is_refused_at_its_field(admin: Browser) -> None:
    for content in (b"number\n+13175551234\n", b"\xff\xfe\x00a"):
        status, page = given(admin, content)
        assert status == 422
        assert 'id="file-file-error"' in page
        assert "invalid-feedback" in page


def test_an_address_is_found_and_what_is_none_says_so(app: Flask, admin: Browser) -> None:
    with app.app_context():
        suppressions.add_opt_out(ERIC, explanation="Asked us.", test=True)
    assert "Asked us." in admin.get("/opt-outs?q=%2B13175551234").text
    assert "No opt-out for this address" in admin.get("/opt-outs?q=%2B442071234567").text
    assert "country code is missing" in admin.get("/opt-outs?q=3175551234").text


def test_an_operator_closes_and_only_an_admin_opens(app: Flask, browser_for: object) -> None:
    operator = browser_for(Role.OPERATOR)  # type: ignore[operator]
    assert (
        operator.post(
            "/opt-outs", {"address": ERIC, "channel": "", "why": "Asked us.", "test": "y"}
        ).status_code
        == 303
    )
    page = operator.get("/opt-outs").text
    assert "Added manually" in page
    assert "Import and export" not in page
    with app.app_context():
        one = db.session.scalars(select(Suppression.id)).one()
    assert operator.post(f"/opt-outs/{one}", {"why": "Mine"}).status_code == 403
