"""People who opted out are marked on the pages from which they would be messaged."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.connections import demo
from hub.db.engine import db
from hub.db.store import transaction
from hub.messaging.contacts import consents, contact_links, suppressions
from hub.messaging.contacts.consents import ConsentEntry
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.inbox import conversations
from hub.models import SigningRequest
from hub.signing import accept
from hub.signing.events import EventIn
from tests.admin.messages.test_inbox import receive_text, whatsapp
from tests.conftest import Browser
from tests.hub_fixtures import ERIC, event_body, signer_body, source_id

ANNA = "+442071234567"


def words(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


@pytest.fixture
def run_in_app(app: Flask) -> Callable[[Callable[[], Any]], Any]:
    """Return a function that runs a callable in a separate application context."""

    def run(action: Callable[[], Any]) -> Any:
        with app.app_context():
            db.session.rollback()
            return action()

    run(demo.prepare)
    return run


@pytest.fixture
def request_path(run_in_app: Callable[[Callable[[], Any]], Any]) -> str:
    """Send a document to Eric and Anna, and return the path of the request's page."""

    def send() -> str:
        event = event_body(signers=[signer_body("Eric", ERIC), signer_body("Anna", ANNA)])
        accept.accept_event(EventIn.model_validate(event), source_id(), test=True)
        return db.session.scalars(select(SigningRequest.id)).one()

    return f"/requests/{run_in_app(send)}"


def panel(admin: Browser, path: str, name: str) -> str:
    """Return the text of one signer's panel."""
    match = re.search(rf'<section[^>]*aria-label="{name}".*?</section>', admin.get(path).text, re.S)
    assert match
    return words(match[0])


def test_signer_who_replied_stop_is_marked_on_the_request(
    run_in_app: Any, request_path: str, admin: Browser
) -> None:
    assert "Opted out" not in words(admin.get(request_path).text)
    run_in_app(lambda: receive_text(whatsapp(), "STOP"))
    assert "Eric Opted out" in panel(admin, request_path, "Eric")
    assert "Opted out of WhatsApp just now" in panel(admin, request_path, "Eric")
    assert "Opted out" not in panel(admin, request_path, "Anna")
    run_in_app(lambda: receive_text(whatsapp(), "START", 2))
    assert "Opted out" not in panel(admin, request_path, "Eric")


@pytest.mark.parametrize("by_link", [False, True])
def test_signer_blocked_by_an_admin_is_marked_under_each_identity(
    run_in_app: Any, request_path: str, admin: Browser, by_link: bool
) -> None:
    def block() -> None:
        if by_link:
            other = get_or_create_contact("external", "US.1349", test=True)
            contact_links.link_contacts(
                get_or_create_contact("phone", ANNA, test=True).id, other.id, None
            )
            key = other.address_key
            transaction(lambda: suppressions._store_suppression(key, "sms", "", True, "admin"))()
        else:
            suppressions.add_opt_out(ANNA, channel="sms", test=True)

    run_in_app(block)
    assert "Opted out of SMS, phone calls" in panel(admin, request_path, "Anna")
    assert "Opted out" not in panel(admin, request_path, "Eric")


def test_objection_marks_the_signer_until_a_later_consent(
    run_in_app: Any, request_path: str, admin: Browser
) -> None:
    def record(is_consent: bool) -> None:
        entry = ConsentEntry(ANNA, is_consent, "sms", proof="On the phone.")
        consents.record_consent(entry, source=consents.BY_ADMIN, test=True)

    run_in_app(lambda: record(False))
    assert "Consent refused for SMS, phone calls just now ." in panel(admin, request_path, "Anna")
    run_in_app(lambda: record(True))
    assert "Consent refused" not in panel(admin, request_path, "Anna")


def test_conversation_after_stop_shows_a_reason_instead_of_a_composer(
    run_in_app: Any, admin: Browser
) -> None:
    run_in_app(lambda: receive_text(whatsapp(), "Is this final?"))
    path = f"/inbox/{run_in_app(lambda: conversations.newest_conversations(1)[0].row.id)}"
    assert "<textarea" in admin.get(path).text
    run_in_app(lambda: receive_text(whatsapp(), "STOP", 2))
    page = admin.get(path).text
    assert "<textarea" not in page
    assert "You cannot reply: " in words(page)
    assert "Signpost sends no messages on WhatsApp until the person opts in again" in words(page)
    run_in_app(lambda: receive_text(whatsapp(), "START", 3))
    assert "<textarea" in admin.get(path).text


def test_opt_out_of_another_channel_keeps_the_composer(run_in_app: Any, admin: Browser) -> None:
    run_in_app(lambda: receive_text(whatsapp(), "Is this final?"))
    run_in_app(lambda: suppressions.add_opt_out(ERIC, channel="sms", test=True))
    path = f"/inbox/{run_in_app(lambda: conversations.newest_conversations(1)[0].row.id)}"
    assert "<textarea" in admin.get(path).text
