"""The page of error codes: each code counted, explained, and linked to its messages."""

from __future__ import annotations

from datetime import timedelta

from flask import Flask
from sqlalchemy import update

from hub.connections import demo
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import first_id_at, now
from hub.models import Message
from tests.conftest import Browser
from tests.hub_fixtures import queue_text


@transaction
def add_ended_message(
    message_id: str, code: str, status: str = "failed", **columns: object
) -> None:
    db.session.execute(
        update(Message)
        .where(Message.id == message_id)
        .values(code=code, status=status, due_at=None, **columns)
    )


def test_codes_are_counted_explained_and_linked_to_messages(app: Flask, admin: Browser) -> None:
    with app.app_context():
        demo.prepare()
        for code in ("30003", "30003", "99999", "media_type"):
            add_ended_message(queue_text(), code)
    page = admin.get("/codes").text
    assert page.index("30003") < page.index("99999"), "the most frequent first"
    assert "/messages?q=30003" in page
    assert "www.twilio.com/docs/api/errors/30003" in page
    assert "does not support the type" in page, "the meaning of an internal code"
    assert "Signpost does not recognize this code" in page, "and that one is not known"


def test_page_without_recent_errors_is_empty(app: Flask, admin: Browser) -> None:
    assert "No errors" in admin.get("/codes").text
    with app.app_context():
        demo.prepare()
        add_ended_message(queue_text(), "30003", id=first_id_at("msg", now() - timedelta(days=31)))
    assert "No errors" in admin.get("/codes").text
