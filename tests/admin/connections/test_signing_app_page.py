"""The pages of a signing app: its source, its webhooks, and nothing about sending."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from hub.accounts import sources
from hub.core.vocabulary import Role
from hub.db.engine import db
from hub.models import Source
from tests.conftest import Browser, config_of
from tests.hub_fixtures import SigningApp
from tests.hub_fixtures import hub_demo as hub_demo
from tests.hub_fixtures import signing_app as signing_app
from tests.intake.source_steps import ERIC, SigningAppSteps
from tests.integrations.http_recorder import record_requests

PAGE = "/connections/leases"


def submit(browser: Browser, path: str, fields: dict[str, str], **options: bool) -> TestResponse:
    # in a thread, because the context of the fixture would outlive the request, with its token
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(browser.post, path, fields, **options).result()


@pytest.fixture
def pactsafe(hub_demo: Flask) -> Iterator[SigningAppSteps]:
    with record_requests(config_of(hub_demo).simulator_bind.port) as recorder:
        steps = SigningAppSteps(hub_demo, recorder)
        steps.answer_requests(ERIC)
        yield steps


def test_signing_apps_have_a_section_of_their_own(
    pactsafe: SigningAppSteps, admin: Browser
) -> None:
    text = admin.get("/integrations").text
    assert text.index("Twilio SMS") < text.index(">Signing apps<") < text.index("PactSafe")
    assert ">Signing apps<" not in admin.get("/integrations?state=broken").text


def test_page_lists_events_and_failures(pactsafe: SigningAppSteps, admin: Browser) -> None:
    assert "has sent no webhook yet" in admin.get(PAGE).text
    pactsafe.post({"event_type": "test_event", "id": "1"})
    pactsafe.answer_requests(status=503)
    pactsafe.receive("sent")
    text = admin.get(PAGE).text
    assert "test_event" in text
    assert "request_sent" in text
    assert "1 webhook has not been processed." in text
    assert "PactSafe failed, or its response could not be read." in text
    assert "/api/rpc/webhooks/pactsafe/leases" in text
    assert "Unprocessed callbacks" in (failures := admin.get("/receipts").text)
    assert "PactSafe failed" in failures


def test_page_offers_nothing_that_sends(pactsafe: SigningAppSteps, admin: Browser) -> None:
    text = admin.get(PAGE).text
    assert "Send test message" not in text
    assert "/rules" not in text
    assert admin.get(f"{PAGE}/rules").status_code == 404
    assert submit(admin, f"{PAGE}/rules", {}).status_code == 404
    assert submit(admin, f"{PAGE}/send", {"to": "+13175551234"}).status_code in (404, 422)


def test_source_is_chosen_and_changed(pactsafe: SigningAppSteps, admin: Browser) -> None:
    sources.create_source("Leases", "acme-leases")
    assert "acme-leases" in admin.get("/integrations/pactsafe/new").text
    assert (
        "Changes saved."
        in submit(admin, f"{PAGE}/source", {"source": "acme-leases"}, follow_redirects=True).text
    )
    pactsafe.receive("sent")
    source = db.session.get_one(Source, pactsafe.request().source_id)
    assert source.slug == "acme-leases"
    answer = submit(admin, f"{PAGE}/source", {"source": "nowhere"}, follow_redirects=True)
    assert "Choose a source." in answer.text
    assert submit(admin, "/connections/demo-sms/source", {"source": "default"}).status_code == 303
    assert "is not a signing app" in admin.get("/connections/demo-sms").text


def test_viewer_reads_the_source_only(
    pactsafe: SigningAppSteps, browser_for: type[Browser]
) -> None:
    viewer = browser_for(Role.VIEWER)  # type: ignore[arg-type]
    assert "The events belong to the source Default." in viewer.get(PAGE).text
    assert submit(viewer, f"{PAGE}/source", {"source": "default"}).status_code == 403


def test_routes_and_messages_cannot_use_it(
    pactsafe: SigningAppSteps, admin: Browser, signing_app: SigningApp
) -> None:
    assert "Leases" not in admin.get("/messages").text
    assert "Leases" not in admin.get("/routing").text
    for choice in ({"connection": "leases"}, {"channel": "webhook"}):
        answer = signing_app.post("/messages", {"to": "+13175551234", "text": "Hello", **choice})
        assert answer.status_code in (404, 422)


def test_disabling_and_archiving_speak_of_events(pactsafe: SigningAppSteps, admin: Browser) -> None:
    assert "Their events wait" in admin.get(f"{PAGE}/disable").text
    assert "accepts no more events" in admin.get(f"{PAGE}/archive").text
    submit(admin, f"{PAGE}/disable", {})
    assert pactsafe.connection.state == "disabled"
    submit(admin, f"{PAGE}/archive", {})
    assert pactsafe.post(pactsafe.webhook("sent")).status_code == 401
