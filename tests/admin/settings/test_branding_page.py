"""The branding of a source: its page, and the emails that show it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from hub.connections import demo
from hub.core.vocabulary import Role
from hub.db.engine import db
from hub.integrations.branding import Branding
from hub.messaging.compose import direct
from hub.models import Source
from hub.shared import branding
from tests.conftest import Browser
from tests.hub_fixtures import deliver, source_id
from tests.hub_fixtures import hub_demo as hub_demo

PATH = "/settings/sources/default/branding"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
FIELDS = {
    "name": "Acme Legal",
    "color": "#FFCC00",
    "support": "help@acme.example",
    "footer": "Acme Inc.\n1 Main St",
}


def save(admin: Browser, logo: bytes | None = None, **changes: Any) -> TestResponse:
    files = {"logo": (io.BytesIO(logo), "logo.png")} if logo is not None else {}
    return admin.post(PATH, {**FIELDS, **files, **changes})


def stored(app: Flask) -> Branding:
    with app.app_context():
        return branding.read_branding(source_id())


def test_branding_is_shown_in_emails(hub_demo: Flask, simulator: Any) -> None:
    demo.connect_chats_and_mail()
    source = db.session.get_one(Source, source_id())
    branding.save_branding(source, Branding(**FIELDS), logo=PNG)
    direct.send_message(
        to="eric@example.com", text="Hello", channel="email", source_id=source.id, test=True
    )
    deliver()
    [received] = simulator.test_client().get("/simulator/mail.json").json["emails"]
    assert '>Acme Inc.</span><br><span dir="auto">1 Main St<' in received["html"]
    assert "cid:logo@signpost" in received["html"]
    assert "Support: help@acme.example" in received["text"]


def test_page_previews_an_email_that_loads_and_runs_nothing(app: Flask, admin: Browser) -> None:
    save(admin, PNG, footer="<script>alert(1)</script>")
    page = admin.get(PATH)
    assert f'<iframe class="sp-email" src="{PATH}/preview" sandbox' in page.text
    assert "frame-src 'self'" in page.headers["Content-Security-Policy"]
    shown = admin.get(f"{PATH}/preview")
    assert shown.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none';")
    assert "#ffcc00" in shown.text
    assert 'src="data:image/png;base64,' in shown.text
    assert "<script" not in shown.text
    assert "frame-src" not in admin.get("/settings").headers["Content-Security-Policy"]


def test_logo_is_kept_until_it_is_removed(app: Flask, admin: Browser) -> None:
    assert save(admin, PNG).status_code == 303
    page = admin.get(PATH).text
    assert 'value="#ffcc00"' in page
    assert 'src="data:image/png;base64,' in page
    save(admin, name="Acme")
    assert (stored(app).logo, stored(app).name) == (PNG, "Acme")
    save(admin, remove_logo="y")
    assert stored(app).logo == b""


@pytest.mark.parametrize(
    ("changes", "logo", "problem"),
    [
        ({"color": "red"}, None, "Enter a color such as #0b5a6b"),
        ({"color": "#fff;background:url(x)"}, None, "Enter a color such as #0b5a6b"),
        ({"name": "x" * 81}, None, "Enter at most 80 characters."),
        ({}, b"GIF89a" + bytes(9), "Choose a PNG or JPEG file."),
        ({}, b"<svg onload=alert(1)>", "Choose a PNG or JPEG file."),
        ({}, PNG + bytes(64 * 1024), "The file is larger than 64 kB."),
    ],
)
def test_invalid_branding_is_refused_with_the_reason(
    app: Flask, admin: Browser, changes: dict[str, str], logo: bytes | None, problem: str
) -> None:
    answer = save(admin, logo, **changes)
    assert answer.status_code == 422
    assert problem in answer.text
    assert stored(app).name == ""


def test_only_admins_change_the_branding(browser_for: Callable[..., Browser]) -> None:
    viewer = browser_for(Role.VIEWER)
    assert viewer.get(PATH).status_code == 200
    assert viewer.post(PATH, FIELDS).status_code == 403
