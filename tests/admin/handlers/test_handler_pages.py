"""The pages of handlers show what failed and why, and let operators retry and skip."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask

from hub.core.vocabulary import Role
from hub.db.types import now
from hub.endpoints import deliveries
from tests.conftest import Browser
from tests.endpoints.receivers import report
from tests.handlers.conftest import handler_file as handler_file
from tests.handlers.conftest import settings as settings
from tests.handlers.handler_steps import HandlerFile, deliveries_to, handler, run_due, states_of

CODE = """
@on("sms_delivered", "opted_*")
def flaky(event):
    '''Update the records.'''
    if not LOG.with_name("fixed").exists():
        raise ConnectionError(f"no answer for {event.data['text']} of +13175551234")

@on("sms_deliverd")
def misspelled(event): pass
"""
Call = Callable[..., Any]


@pytest.fixture
def call(app: Flask) -> Call:
    """Give a function that calls another one in the context of the application."""

    def run(step: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        with app.app_context():
            return step(*arguments, **more)

    return run


@pytest.fixture
def path(call: Call, handler_file: HandlerFile) -> str:
    """Return the page of a handler that has failed with two events."""
    call(handler_file.register, CODE)
    call(report, "sms_delivered", payload={"text": "Our secret"})
    call(report, "opted_out")
    call(run_due)
    return f"/handlers/{call(lambda: handler('flaky').row.id)}"


def event_path(call: Call, path: str) -> str:
    return f"{path}/events/{call(deliveries_to, 'flaky')[0].event_id}"


def test_pages_show_what_failed_without_values(call: Call, admin: Browser, path: str) -> None:
    listing = admin.get("/handlers").text
    assert "flaky" in listing
    assert "Failing" in listing
    assert "hooks:misspelled cannot run" in listing
    assert "Did you mean sms_delivered?" in listing
    page = admin.get(path).text
    assert "This handler is failing" in page
    assert "Update the records." in page
    event = admin.get(event_path(call, path)).text
    assert "ConnectionError: no answer for" in event
    assert re.search(r"line [0-9]+, in flaky", event)
    for text in (listing, page, event.partition("<h2>Data</h2>")[0]):
        assert "1317" not in text
        assert "Our secret" not in text


def test_operator_retries_one_event_and_all(
    call: Call, admin: Browser, path: str, handler_file: HandlerFile
) -> None:
    handler_file.log.with_name("fixed").touch()
    assert (
        "Event queued" in admin.post(f"{event_path(call, path)}/retry", follow_redirects=True).text
    )
    assert call(run_due) == 1
    assert call(states_of, "flaky") == ["delivered", "pending"]
    assert "1 event queued" in admin.post(f"{path}/retry", follow_redirects=True).text
    assert call(run_due) == 1
    assert call(states_of, "flaky") == ["delivered", "delivered"]
    assert "Working" in admin.get(path).text


def test_operator_skips_one_event_and_all(call: Call, admin: Browser, path: str) -> None:
    assert (
        "Event skipped." in admin.post(f"{event_path(call, path)}/skip", follow_redirects=True).text
    )
    assert call(states_of, "flaky") == ["skipped", "pending"]
    assert admin.post(f"{event_path(call, path)}/skip").status_code == 303  # pressed twice
    assert call(states_of, "flaky") == ["skipped", "pending"]
    assert "1 event skipped." in admin.post(f"{path}/skip", follow_redirects=True).text
    with time_machine.travel(now() + timedelta(days=1), tick=True):
        assert call(run_due) == 0
    admin.post(f"{event_path(call, path)}/retry")
    assert call(run_due) == 1


def test_disabled_handler_misses_events_until_they_are_retried(
    call: Call, admin: Browser, path: str, handler_file: HandlerFile
) -> None:
    handler_file.log.with_name("fixed").touch()
    admin.post(f"{path}/disable")
    call(report, "sms_delivered")
    assert call(run_due) == 0
    assert call(states_of, "flaky") == ["missed"] * 3
    assert "It missed 3 events" in admin.get(path).text
    refused = admin.post(f"{path}/retry")
    assert refused.status_code == 409
    assert "This handler is off. Enable it first." in refused.text
    assert "could not be read" not in refused.text
    admin.post(f"{path}/enable")
    assert call(run_due) == 0
    assert "3 events queued" in admin.post(f"{path}/retry", follow_redirects=True).text
    assert call(run_due) == 3


def test_disabled_handler_stays_disabled_after_a_restart(
    call: Call, admin: Browser, path: str, handler_file: HandlerFile
) -> None:
    admin.post(f"{path}/disable")
    call(handler_file.register, CODE)
    assert call(lambda: handler("flaky").word) == "disabled"


@pytest.mark.parametrize(
    ("action", "consequence"),
    [
        ("skip", "does not run with 2 events"),
        ("disable", "Signpost keeps its events as missed"),
    ],
)
def test_page_asks_before_it_skips_all_and_disables(
    call: Call, admin: Browser, path: str, action: str, consequence: str
) -> None:
    assert f'href="{path}/{action}"' in admin.get(path).text
    question = admin.get(f"{path}/{action}").text
    assert consequence in question
    assert f'href="{path}"' in question  # Cancel
    assert call(states_of, "flaky") == ["pending"] * 2
    assert call(lambda: handler("flaky").is_enabled)


def test_page_names_the_attempts_that_it_does_not_show(
    call: Call, admin: Browser, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin.post(f"{event_path(call, path)}/retry")
    call(run_due)
    monkeypatch.setattr(deliveries, "PAGE", 1)
    assert "Showing the newest 1 of 2 attempts." in " ".join(
        admin.get(event_path(call, path)).text.split()
    )


@pytest.mark.parametrize(
    ("role", "retries", "disables"),
    [(Role.VIEWER, False, False), (Role.OPERATOR, True, False), (Role.ADMIN, True, True)],
)
def test_roles(
    browser_for: Callable[..., Browser], path: str, role: Role, retries: bool, disables: bool
) -> None:
    browser = browser_for(role, name=role.title)
    page = browser.get(path)
    assert page.status_code == 200
    assert ("Retry all" in page.text, "Disable handler" in page.text) == (retries, disables)
    assert (browser.post(f"{path}/retry").status_code == 303) == retries
    assert (browser.post(f"{path}/disable").status_code == 303) == disables


def test_handler_is_no_webhook_endpoint(call: Call, admin: Browser, path: str) -> None:
    handler_id = path.rpartition("/")[2]
    assert "flaky" not in admin.get("/webhook-endpoints").text
    assert admin.get(f"/webhook-endpoints/{handler_id}").status_code == 404
    assert admin.post(f"/webhook-endpoints/{handler_id}/delete").status_code == 404
    call(run_due)
    event = event_path(call, path).rpartition("/")[2]
    for action, form in (
        (f"events/{event}/resend", {}),
        ("resend", {"since": "2026-01-01T00:00"}),
        ("test", {"event": "sms_delivered"}),
    ):
        assert admin.post(f"/webhook-endpoints/{handler_id}/{action}", form).status_code == 404
    assert call(states_of, "flaky") == ["pending"] * 2
    assert admin.get("/handlers/whk_nothing").status_code == 404
    assert admin.get(f"{path}/events/pev_nothing").status_code == 404


def test_health_reports_handlers_that_fail_for_an_hour(
    call: Call, admin: Browser, path: str, handler_file: HandlerFile
) -> None:
    call(handler_file.register, CODE.partition('@on("sms_deliverd")')[0])
    assert admin.get("/readyz").json["handlers"] == "ok"
    with time_machine.travel(now() + timedelta(hours=2), tick=True):
        found = admin.get("/readyz").json["handlers"]
        assert found == "Problems with hooks:flaky. Events: 2 waiting, 0 failed."


def test_activity_names_what_was_done(call: Call, admin: Browser, path: str) -> None:
    admin.post(f"{path}/retry")
    admin.post(f"{path}/skip")
    admin.post(f"{path}/disable")
    admin.post(f"{path}/enable")
    page = admin.get("/activity?kind=handler").text.lower()
    for words in ("found the new handler", "retried events", "skipped events", "disabled the hand"):
        assert words in page
