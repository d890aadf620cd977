"""Pages describe a provider that is unreachable or limits the rate."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import pytest
from flask import Flask
from sqlalchemy import select

from hub.connections import connections
from hub.core.errors import OutcomeUnknown, SendError, SlowDown, Unreachable
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.messaging.send import circuit_breaker
from hub.messaging.send import claims as delivery
from hub.messaging.send.calls import Outcome
from hub.models import AuditEntry, Connection, Throttle
from tests import hub_fixtures
from tests.conftest import Browser
from tests.hub_fixtures import clear_throttle, json_of, queue_text, status, update_message

P = ParamSpec("P")
T = TypeVar("T")

PAGE = "/connections/demo-sms"
UNREACHABLE = Unreachable("Could not reach Twilio: its name does not resolve.", "unreachable")


def with_app_context(
    function: Callable[P, T],
) -> Callable[Concatenate[Flask, P], T]:
    """Run the function in the context of the application passed as its first argument."""

    @wraps(function)
    def run(app: Flask, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with app.app_context():
            return function(*args, **kwargs)

    return run


def demo_connection() -> Connection:
    db.session.rollback()
    found = db.session.scalars(select(Connection).order_by(Connection.id)).first()
    assert found is not None
    return found


@with_app_context
def fail_calls(error: SendError, times: int = circuit_breaker.FAILURE_THRESHOLD) -> list[str]:
    """End this many calls with the error, and return the IDs of messages that wait behind them."""
    for n in range(times):
        queue_text(text=f"{n}")
    claims = delivery.record_and_claim([], {demo_connection().id: times})
    delivery.record_and_claim([Outcome(claim, None, error, now(), 10) for claim in claims], {})
    return [queue_text(text=f"waits {n}") for n in range(3)]


@with_app_context
def deliver() -> int:
    return hub_fixtures.deliver()


@with_app_context
def make_overdue(ids: list[str]) -> None:
    for message_id in ids:
        update_message(message_id, due_at=now() - timedelta(minutes=5))


@pytest.fixture
def app(app: Flask, demo_data: None) -> Flask:
    """Create a hub with the demo's connection."""
    return app


@pytest.fixture
def untried_messages(app: Flask) -> list[str]:
    """Make the provider unreachable while eight messages wait; return the untried IDs."""
    return fail_calls(app, UNREACHABLE)


def text_of(admin: Browser, path: str) -> str:
    """Return the text of a page without markup."""
    return text_of_page(admin.get(path).text)


def text_of_page(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


# ── Not reached ───────────────────────────────────────────────────────────────────────────────────
@pytest.mark.usefixtures("untried_messages")
class TestNotReached:
    """A connection whose provider is unreachable."""

    def test_every_page_explains_the_outage_and_the_waiting_messages(self, admin: Browser) -> None:
        for path in ("/", "/integrations", PAGE):
            text = text_of(admin, path)
            assert "Could not reach Twilio: its name does not resolve. Since " in text, path
            assert (
                "8 messages are waiting. Signpost sends them automatically. Signpost tries again in"
            ) in text, path
        assert "Twilio cannot be reached" in text_of(admin, "/")
        for path in ("/integrations", PAGE):
            assert "Unreachable" in text_of(admin, path)
        assert "Test again" in text_of(admin, PAGE)

    def test_connection_is_listed_under_needs_attention(self, admin: Browser) -> None:
        assert "Unreachable" in text_of(admin, "/integrations?state=broken")
        assert "Unreachable" not in text_of(admin, "/integrations?state=enabled")

    def test_only_the_unreachable_connection_is_marked_in_lists(
        self, app: Flask, admin: Browser
    ) -> None:
        with app.app_context():
            like = demo_connection()
            hub_fixtures.copy_connection("Stranger", like=like, sender="+15005550099")
            title = like.title
        assert re.search(
            rf"{re.escape(title)} Simulator Unreachable Stranger Simulator Enabled",
            text_of(admin, "/integrations"),
        )

    def test_passing_test_retries_at_once_and_clears_the_problem(
        self, app: Flask, admin: Browser, simulator: Any
    ) -> None:
        assert deliver(app) == 0
        with app.app_context():
            settings = demo_connection().settings
        typed = {name: "" if value is False else str(value) for name, value in settings.items()}
        assert "Twilio is ready" in text_of_page(admin.post(PAGE, {**typed, "do": "test"}).text)
        assert deliver(app) > 0
        for path in ("/", "/integrations", PAGE):
            assert "Unreachable" not in text_of(admin, path), text_of(admin, path)

    def test_activity_records_the_outage_and_the_recovery_once(
        self, app: Flask, admin: Browser, simulator: Any
    ) -> None:
        for _ in range(2):
            with app.app_context():
                clear_throttle(demo_connection())
            deliver(app)
        with app.app_context():
            title = demo_connection().title
            assert (
                len(
                    db.session.scalars(
                        select(AuditEntry).where(AuditEntry.action.contains("reachable"))
                    ).all()
                )
                == 2
            )
        text = text_of(admin, "/activity")
        assert f"Signpost Could not reach Twilio ({title}) Reason: Could not reach Twilio" in text
        assert f"Signpost Reconnected to Twilio ({title})" in text

    def test_disabled_connection_shows_no_problem(self, app: Flask, admin: Browser) -> None:
        with app.app_context():
            connections.disable(demo_connection().id)
        assert "nreachable" not in text_of(admin, "/integrations")

    def test_waiting_message_is_not_attributed_to_workers(
        self, app: Flask, admin: Browser, untried_messages: list[str]
    ) -> None:
        make_overdue(app, untried_messages)
        assert "waited for more than a minute" not in text_of(admin, "/")
        answer = json_of(admin.get("/readyz"))
        assert (answer["status"], answer["lateness"]) == ("degraded", "ok")
        assert answer["providers"] == "A provider is unreachable. Its messages are queued."


def test_unclear_outcomes_are_described(app: Flask, admin: Browser) -> None:
    fail_calls(
        app,
        OutcomeUnknown(
            "Twilio failed before it reported whether it accepted the message.", "http_500"
        ),
    )
    assert "Twilio cannot be reached" in text_of(admin, "/")
    assert "Twilio failed before it reported whether it accepted the message. Since" in text_of(
        admin, "/"
    )


# ── Slowed down ───────────────────────────────────────────────────────────────────────────────────
def test_pages_show_how_long_a_provider_limits_the_rate(app: Flask, admin: Browser) -> None:
    fail_calls(app, SlowDown("Too many messages wait at Twilio.", "21611", 1800), 1)
    for path in ("/", "/integrations", PAGE):
        text = text_of(admin, path)
        assert "Too many messages wait at Twilio. Signpost sends nothing until " in text, path
        assert "4 messages are waiting. Signpost sends them automatically." in text, path
    assert "Rate limited by Twilio" in text_of(admin, "/")
    assert "Rate limited" in text_of(admin, PAGE)


def test_pause_of_seconds_does_not_need_attention(app: Flask, admin: Browser) -> None:
    fail_calls(app, SlowDown("Slower.", "20429", 20), 1)
    assert "Rate limited by" not in text_of(admin, "/")
    assert "Rate limited by Twilio" in text_of(admin, PAGE)


def test_problem_disappears_after_the_pause(app: Flask, admin: Browser) -> None:
    fail_calls(app, SlowDown("Slower.", "20429", 1800), 1)

    @transaction
    def later() -> None:
        db.session.scalars(select(Throttle)).one().paused_until = now() - timedelta(seconds=1)

    with app.app_context():
        later()
    assert "Rate limited" not in text_of(admin, "/integrations")


# ── Late, and why ─────────────────────────────────────────────────────────────────────────────────
def test_delay_by_missing_workers_is_reported(app: Flask, admin: Browser) -> None:
    with app.app_context():
        message_id = queue_text()
    make_overdue(app, [message_id])
    assert "1 message has waited for more than a minute" in text_of(admin, "/")
    answer = json_of(admin.get("/readyz"))
    assert (answer["lateness"], answer["providers"]) == ("messages are waiting", "ok")


def test_backlog_behind_a_rate_limit_is_not_attributed_to_workers(
    app: Flask, admin: Browser
) -> None:
    @transaction
    def limit(connection_id: str) -> None:
        db.session.get_one(Connection, connection_id).per_second = 1

    with app.app_context():
        limit(demo_connection().id)
        ids = [queue_text(text=f"{n}") for n in range(8)]
    make_overdue(app, ids)
    assert "8 messages have waited for more than a minute" in text_of(admin, "/")
    with app.app_context():
        delivery.record_and_claim([], {demo_connection().id: 64})
        assert [status(message_id) for message_id in ids].count("queued") == 4
    assert "waited for more than a minute" not in text_of(admin, "/")
