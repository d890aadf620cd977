"""The opt-outs page: adding, finding and removing opt-outs, and importing large files."""

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


def import_file(browser: Browser, content: bytes, kind: str = "opt-outs") -> tuple[int, str]:
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


def test_import_file_may_exceed_the_api_body_limit(app: Flask, admin: Browser) -> None:
    reason = "x" * 450
    lines = "".join(f"+1317555{n:04d},{reason}\n" for n in range(700))
    assert len(lines) > 300 * 1024
    status, page = import_file(admin, b"address,why\n" + lines.encode())
    assert status == 200
    assert "700 addresses were opted out." in page
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Suppression)) == 700


def test_refused_lines_are_listed_with_their_field(app: Flask, admin: Browser) -> None:
    status, page = import_file(
        admin, b"address,given\n+13175551234,yes\n+13175551234,maybe\n", "consents"
    )
    assert status == 200
    assert "1 consent was recorded." in page
    assert "Line 3: given: Enter yes or no." in page


def test_file_that_is_not_csv_is_refused_at_its_field(admin: Browser) -> None:
    for content in (b"number\n+13175551234\n", b"\xff\xfe\x00a"):
        status, page = import_file(admin, content)
        assert status == 422
        assert 'id="file-file-error"' in page
        assert "invalid-feedback" in page


def test_search_finds_an_address_and_explains_an_invalid_one(app: Flask, admin: Browser) -> None:
    with app.app_context():
        suppressions.add_opt_out(ERIC, explanation="Asked us.", test=True)
    assert "Asked us." in admin.get("/opt-outs?q=%2B13175551234").text
    assert "No opt-out for this address" in admin.get("/opt-outs?q=%2B442071234567").text
    assert "country code is missing" in admin.get("/opt-outs?q=3175551234").text


def test_operator_adds_and_only_an_admin_removes_opt_outs(app: Flask, browser_for: object) -> None:
    operator = browser_for(Role.OPERATOR)  # type: ignore[operator]
    assert (
        operator.post(
            "/opt-outs", {"address": ERIC, "channel": "", "why": "Asked us.", "test": "y"}
        ).status_code
        == 303
    )
    page = operator.get("/opt-outs").text
    assert "Added manually" in page
    assert "Export live opt-outs" not in page
    with app.app_context():
        suppression_id = db.session.scalars(select(Suppression.id)).one()
    assert operator.post(f"/opt-outs/{suppression_id}", {"why": "Mine"}).status_code == 403
