"""The page of unreadable rows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import text

from hub.admin.overview.unreadable_rows import KINDS
from hub.connections import demo
from hub.core.errors import Conflict
from hub.core.vocabulary import Address, Role
from hub.db.compiled_sql import UnreadableRow
from hub.db.engine import db
from hub.db.types import new_id
from hub.messaging.compose import direct, resend
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.state import unreadable_rows
from tests.conftest import Browser
from tests.hub_fixtures import update_message


def unreadable_row(app: Flask) -> str:
    """Record an unreadable row and return the ID of its entry."""
    with app.app_context():
        unreadable_rows.record_unreadable_row(
            "contacts", new_id("ctc"), UnreadableRow("contacts.created_at")
        )
        return unreadable_rows.list_rows()[0].id


@pytest.mark.parametrize("kind", [*KINDS, "session_windows"])
def test_unreadable_row_of_any_table_is_listed(app: Flask, admin: Browser, kind: str) -> None:
    prefix = KINDS[kind][1] if kind in KINDS else "win"
    row_id = new_id(prefix)
    with app.app_context():
        unreadable_rows.record_unreadable_row(kind, row_id, UnreadableRow(f"{kind}.at"))
    page = admin.get("/unreadable-rows")
    assert page.status_code == 200
    if kind not in (
        "messages",
        "provider_callbacks",
    ):  # gone, so not listed
        assert row_id in page.text


def test_admin_retries_reading_a_row(app: Flask, admin: Browser) -> None:
    entry = unreadable_row(app)
    page = admin.get("/unreadable-rows").text
    assert "contacts.created_at contains a value that cannot be read." in page
    assert "Try again" in page
    assert admin.post(f"/unreadable-rows/{entry}/retry").status_code == 303
    page = admin.get("/unreadable-rows").text
    assert "Signpost tries to read the row again." in page
    assert "No unreadable rows" in page
    assert admin.post(f"/unreadable-rows/{entry}/retry").status_code == 303
    assert "no longer set aside" in admin.get("/unreadable-rows").text


@pytest.mark.parametrize("damaged", [b"damaged", b""])
def test_row_that_is_still_damaged_stays_listed(app: Flask, admin: Browser, damaged: bytes) -> None:
    with app.app_context():
        contact_id = get_or_create_contact(Address.PHONE, "+13175551234", test=True).id
        unreadable_rows.record_unreadable_row(
            "contacts", contact_id, UnreadableRow("contacts.created_at")
        )

    def store(name: bytes | None) -> None:
        with app.app_context(), db.engine.begin() as connection:
            connection.execute(text("UPDATE contacts SET name = :name"), {"name": name})

    def retry() -> str:
        with app.app_context():
            [entry] = unreadable_rows.list_rows()
        assert admin.post(f"/unreadable-rows/{entry.id}/retry").status_code == 303
        return admin.get("/unreadable-rows").text

    store(damaged)
    for _ in range(2):
        page = retry()
        assert contact_id in page
        assert "This value was not encrypted by Signpost" in page
    store(None)
    assert "No unreadable rows" in retry()


def test_viewer_cannot_retry_a_row(app: Flask, browser_for: Callable[..., Browser]) -> None:
    viewer = browser_for(Role.VIEWER)
    entry = unreadable_row(app)
    page = viewer.get("/unreadable-rows").text
    assert "contacts.created_at" in page
    assert "Try again</button>" not in page
    assert viewer.post(f"/unreadable-rows/{entry}/retry").status_code == 403


def test_damaged_message_is_not_resent_and_names_its_remedy(in_app: Flask, admin: Browser) -> None:
    demo.prepare()
    message_id = direct.send_message(to="+13175551234", text="Hello", channel="sms", test=True)
    update_message(message_id, status="flub")
    unreadable_rows.hold_message(message_id, UnreadableRow("messages.status"))
    page = admin.get(f"/messages/{message_id}").text
    assert "messages.status contains a value that cannot be read." in page
    assert "Unreadable rows" in page
    assert f"/messages/{message_id}/resend" not in page, "it may have been delivered"
    with pytest.raises(Conflict, match="damaged"):
        resend.resend(message_id)
