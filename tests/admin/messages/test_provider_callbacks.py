"""Provider callbacks on pages: stored bodies, reasons why they are unsettled, and Replay."""

from __future__ import annotations

import html
import re
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import delete, select, update
from werkzeug.test import TestResponse

from hub.admin.messages.provider_callbacks import summarize_replay
from hub.core.vocabulary import Role
from hub.db.compiled_sql import get_table
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import new_id, now
from hub.intake import callback_rows, process_callbacks
from hub.intake.replay import Reason, Report
from hub.integrations.base import Accepted
from hub.messaging.send import calls, claims
from hub.models import AuditEntry, Connection, Message, PlatformEvent, ProviderCallback, StatusEvent
from tests.conftest import Browser
from tests.hub_fixtures import (
    callbacks,
    post_callback,
    process_pending_callbacks,
    queue_text,
    status,
    status_form,
    status_target,
)

SID = "SM" + "0" * 32
STRANGE = "SM" + "9" * 32


@pytest.fixture(autouse=True)
def demo_hub(app: Flask, demo_data: None) -> Iterator[None]:
    """Set up the demo's connection.

    No context stays pushed, because pages are requested as a browser does.
    """
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)  # settling in this process took it


def add_sent_message(sid: str = SID) -> str:
    message_id = queue_text()
    [claim] = claims.record_and_claim(
        [],
        {db.session.scalars(select(Connection.id).where(Connection.slug == "demo-sms")).one(): 1},
    )
    claims.record_and_claim([calls.Outcome(claim, Accepted(sid), None, now(), 5, 201)], {})
    return message_id


@pytest.fixture
def delivered(app: Flask) -> str:
    """Add a message whose callbacks are processed, and return its ID."""
    with app.app_context():
        message_id = add_sent_message()
        for status in ("sent", "delivered"):
            post_callback(app, status_form(app, SID, status), target=status_target(message_id))
        process_pending_callbacks()
        return message_id


@pytest.fixture
def unmatched_callback(app: Flask) -> str:
    """Store a receipt about an unknown message, and return its callback ID."""
    with app.app_context():
        post_callback(app, status_form(app, STRANGE, "delivered"))
        with time_machine.travel(now() + process_callbacks.MATCH_WINDOW + timedelta(minutes=1)):
            process_pending_callbacks()
        return callbacks()[-1].id


@transaction
def remove_delivery(message_id: str) -> None:
    db.session.execute(
        delete(StatusEvent).where(
            StatusEvent.message_id == message_id, StatusEvent.provider_status == "delivered"
        )
    )
    db.session.execute(delete(PlatformEvent).where(PlatformEvent.message_id == message_id))
    db.session.execute(update(Message).where(Message.id == message_id).values(status="sent"))


@transaction
def update_callback(callback_id: str, **columns: Any) -> None:
    db.session.execute(
        update(get_table(ProviderCallback))
        .where(ProviderCallback.id == callback_id)
        .values(**columns)
    )


def page_text(page: TestResponse) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page.text)))


def replay_urls(page: TestResponse) -> list[str]:
    return re.findall(r'action="(/[^"]+/replay)"', page.text)


def test_replay_of_a_message_reports_added_status_events(
    app: Flask, delivered: str, admin: Browser
) -> None:
    page = f"/messages/{delivered}"
    assert replay_urls(admin.get(page)) == [f"{page}/replay"]
    answer = admin.post(f"{page}/replay")
    assert (answer.status_code, answer.headers["Location"]) == (303, page)
    assert "Replayed 2 callbacks. Nothing was missed." in page_text(admin.get(page))
    with app.app_context():
        remove_delivery(delivered)
    admin.post(f"{page}/replay")
    assert "Replayed 2 callbacks. 1 status event was missing and has been added." in page_text(
        admin.get(page)
    )
    with app.app_context():
        assert status(delivered) == "delivered"
        row = db.session.scalars(
            select(AuditEntry).where(AuditEntry.action == "message.replayed").limit(1)
        ).one()
        assert (row.actor, row.subject) == ("Dana Whitfield", delivered)
    assert "Replayed the callbacks of a message" in page_text(admin.get("/activity"))


@pytest.mark.parametrize("role", list(Role))
def test_only_roles_that_may_replay_see_the_buttons(
    delivered: str, unmatched_callback: str, browser_for: Callable[..., Browser], role: Role
) -> None:
    browser = browser_for(role)
    may = role >= Role.OPERATOR
    assert bool(replay_urls(browser.get(f"/messages/{delivered}"))) is may
    assert bool(replay_urls(browser.get("/receipts"))) is may
    assert browser.post(f"/receipts/{unmatched_callback}/replay").status_code == (
        303 if may else 403
    )


def test_message_without_callbacks_offers_no_replay(app: Flask, admin: Browser) -> None:
    with app.app_context():
        message_id = queue_text()
    assert replay_urls(admin.get(f"/messages/{message_id}")) == []
    admin.post(f"/messages/{message_id}/replay")
    assert "No stored callback matches, so nothing was replayed." in page_text(
        admin.get(f"/messages/{message_id}")
    )


def test_callback_of_a_failed_message_is_shown_with_the_reason(
    app: Flask, delivered: str, admin: Browser
) -> None:
    with app.app_context():
        post_callback(app, status_form(app, SID, "read"), target=status_target(delivered))
        last = callbacks()[-1]
        stored_request = last._request or b""
        callback_id = last.id
        update_callback(
            callback_id,
            request=stored_request[:-1] + bytes([stored_request[-1] ^ 1]),
            error="It does not open with the key k1.",
            due_at=None,
        )
    page = admin.get(f"/messages/{delivered}")
    assert (
        "Signpost could not process this callback. It does not open with the key k1."
        in page_text(page)
    )
    assert f"/receipts/{callback_id}/replay" in replay_urls(page)
    with app.app_context():
        update_callback(callback_id, request=stored_request)
    answer = admin.post(f"/receipts/{callback_id}/replay", {"next": f"/messages/{delivered}"})
    assert answer.headers["Location"] == f"/messages/{delivered}"
    assert "Replayed 1 callback. 1 status event was missing and has been added." in page_text(
        admin.get(f"/messages/{delivered}")
    )
    with app.app_context():
        assert status(delivered) == "read"


def test_unsettled_callbacks_are_listed_with_the_reason(
    app: Flask, unmatched_callback: str, admin: Browser
) -> None:
    assert 'href="/receipts"' in admin.get("/").text
    page = page_text(admin.get("/receipts"))
    for part in (STRANGE, "delivered", callback_rows.UNKNOWN, f"MessageSid={STRANGE}"):
        assert part in page
    admin.post(f"/receipts/{unmatched_callback}/replay")
    assert (
        f"Replayed 1 callback. 1 callback could not be processed. {callback_rows.UNKNOWN}"
        in page_text(admin.get("/receipts"))
    )
    with app.app_context():
        add_sent_message(STRANGE)
    admin.post(f"/receipts/{unmatched_callback}/replay")
    assert "All callbacks processed" in page_text(admin.get("/receipts"))
    assert "could not be processed" not in page_text(admin.get("/"))


def test_callback_with_a_removed_body_shows_it(app: Flask, delivered: str, admin: Browser) -> None:
    with app.app_context():
        for callback in callbacks():
            update_callback(callback.id, request=None)
    assert (
        page_text(admin.get(f"/messages/{delivered}")).count(
            "Its content was deleted at the end of its retention period"
        )
        == 2
    )
    admin.post(f"/messages/{delivered}/replay")
    assert "2 callbacks could not be read, because the content was deleted" in page_text(
        admin.get(f"/messages/{delivered}")
    )


@pytest.mark.parametrize(
    "target",
    [
        "/receipts/nothing/replay",
        "/receipts/{rcp}/replay",
        "/messages/{msg}/replay",
    ],
)
def test_missing_callback_is_not_replayed(admin: Browser, target: str) -> None:
    path = target.format(rcp=new_id("rcp"), msg=new_id("msg"))
    assert admin.post(path).status_code == 404


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_replay_does_not_redirect_to_another_site(
    unmatched_callback: str, admin: Browser, target: str
) -> None:
    assert (
        admin.post(f"/receipts/{unmatched_callback}/replay", {"next": target}).headers["Location"]
        == "/"
    )


@pytest.mark.parametrize(
    ("report", "tone", "sentence"),
    [
        (
            Report(read_count=2, new_count=2),
            "good",
            "Replayed 2 callbacks. 2 status events were missing and have been added.",
        ),
        (
            Report(read_count=1, known_count=1, message_count=1),
            "good",
            "Replayed 1 callback. Missed changes were applied.",
        ),
        (
            Report(read_count=1, unverified_count=1),
            "info",
            "1 callback had no effect, because no connection’s secret verified it.",
        ),
        (
            Report(read_count=3, new_count=1, failed_count=1, reasons={"Why.": Reason(1, "rcp_1")}),
            "warn",
            "added. 1 callback could not be processed. Why.",
        ),
    ],
)
def test_notice_describes_the_changes(report: Report, tone: str, sentence: str) -> None:
    notice = summarize_replay(report)
    assert sentence in notice[0]
    assert notice[1] == tone
