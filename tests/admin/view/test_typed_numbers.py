"""Pages accept phone numbers in any format and store the normal form."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from hub.connections import demo
from hub.db.engine import db
from hub.integrations import get
from hub.messaging.compose import direct
from hub.models import Connection, Contact, Message
from tests.conftest import Browser

TYPED = [
    "+1 (317) 555-7788",
    "001 317 555 7788",
    "＋1 317 555 7788",
    "tel:+1-317-555-7788",
    "+1.317.555.7788",
]
REFUSED = ["317 555 7788", "+1 317 555 7788 x12", "nobody", "+1 (317) 555-7788 or -7789"]


@pytest.fixture
def sms_slug(app: Flask) -> str:
    """Return the slug of the demo's SMS connection."""
    with app.app_context():
        demo.prepare()
        return db.session.scalars(select(Connection.slug).where(Connection.channel == "sms")).one()


def stored(app: Flask, column: Any) -> list[Any]:
    with app.app_context():
        return list(db.session.scalars(select(column)))


@pytest.mark.parametrize("text", TYPED)
def test_opt_out_is_recorded_for_the_entered_number(
    app: Flask, sms_slug: str, admin: Browser, text: str
) -> None:
    assert (
        admin.post(
            "/opt-outs", {"address": text, "channel": "", "test": "y", "why": "By phone"}
        ).status_code
        == 303
    )
    assert "+1 317-555-7788 is opted out" in admin.get("/opt-outs").text
    assert stored(app, Contact.address) == ["+13175557788"]
    page = admin.get("/opt-outs", query_string={"q": text}).text
    assert "By phone" in page
    assert 'value="+13175557788"' in page


@pytest.mark.parametrize("text", REFUSED)
def test_ambiguous_number_is_refused_with_the_remedy(
    app: Flask, sms_slug: str, admin: Browser, text: str
) -> None:
    answer = admin.post("/opt-outs", {"address": text, "channel": "", "test": "y"})
    assert answer.status_code == 422
    assert "country code" in answer.text
    assert "digits only" not in answer.text or text.startswith("+"), "pages take more than digits"
    assert stored(app, Contact.address) == []


@pytest.mark.parametrize("text", TYPED)
def test_message_is_sent_to_the_entered_number_and_found_by_it(
    app: Flask, sms_slug: str, admin: Browser, text: str
) -> None:
    assert admin.post(f"/connections/{sms_slug}/send", {"to": text}).status_code == 303
    [message_id] = stored(app, Message.id)
    with app.app_context():
        other = direct.send_message(to="+13175550000", text="Another.", channel="sms", test=True)
    for search in (text, "13175557788", "+13175557788"):
        page = admin.get("/messages", query_string={"q": search}).text
        assert message_id in page
        assert other not in page


@pytest.mark.parametrize("text", REFUSED)
def test_message_to_an_ambiguous_number_is_refused_at_its_field(
    app: Flask, sms_slug: str, admin: Browser, text: str
) -> None:
    answer = admin.post(f"/connections/{sms_slug}/send", {"to": text})
    assert answer.status_code == 422
    assert "country code" in answer.text
    assert "Remove spaces" not in answer.text
    assert stored(app, Message.id) == []


@pytest.mark.parametrize(
    ("integration", "text", "sender"),
    [
        ("twilio_sms", "+1 (317) 555-0123", "+13175550123"),
        ("twilio_sms", "0044 7911 123456", "+447911123456"),
        ("twilio_sms", "MG" + "a" * 32, "MG" + "a" * 32),
        ("whatsapp", "whatsapp:+1 317 555 0123", "+13175550123"),
        ("whatsapp", "+52 1 55 1234 5678", "+5215512345678"),
        ("whatsapp", "+52 55 1234 5678", "+525512345678"),
    ],
)
def test_sender_number_is_stored_without_formatting(
    integration: str, text: str, sender: str
) -> None:
    form = get(integration).Form(MultiDict({"sender": text}))
    form.validate()
    assert "sender" not in form.errors
    assert form.data["sender"] == sender
