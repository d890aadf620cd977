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

from hub.connections import connections, demo
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
from tests.hub_fixtures import a_message, body, change, free, status

P = ParamSpec("P")
T = TypeVar("T")

PAGE = "/connections/demo-sms"
AWAY = Unreachable("Could not reach Twilio: its name does not resolve.", "unreachable")


def in_app(what: Callable[P, T]) -> Callable[Concatenate[Flask, P], T]:
    """Let a function work in the application that is given first; pages are asked for outside of
    it.
    """

    @wraps(what)
    def run(app: Flask, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with app.app_context():
            return what(*args, **kwargs)

    return run


def demo_connection() -> Connection:
    db.session.rollback()
    return db.session.scalars(select(Connection).order_by(Connection.id)).first()  # type: ignore[return-value]


@in_app
def fail(error: SendError, times: int = circuit_breaker.OPENS_AT) -> list[str]:
    """Let so many calls end so; return messages that wait behind them."""
    for n in range(times):
        a_message(text=f"{n}")
    claims = delivery.record_and_claim([], {demo_connection().id: times})
    delivery.record_and_claim([Outcome(one, None, error, now(), 10) for one in claims], {})
    return [a_message(text=f"waits {n}") for n in range(3)]


@in_app
def deliver() -> int:
    return hub_fixtures.deliver()


@in_app
def make_late(ids: list[str]) -> None:
    for one in ids:
        change(one, due_at=now() - timedelta(minutes=5))


@pytest.fixture
def app(app: Flask) -> Flask:
    """Make a hub with the demo's connection."""
    with app.app_context():
        demo.prepare()
    return app


@pytest.fixture
def lost(app: Flask) -> list[str]:
    """Lose the provider while eight messages wait; return those that were never tried."""
    return fail(app, AWAY)


def words(admin: Browser, path: str) -> str:
    """Return what a page says, without its markup."""
    return words_of(admin.get(path).text)


def words_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


# ── Not reached ───────────────────────────────────────────────────────────────────────────────────
@pytest.mark.usefixtures("lost")
class TestNotReached:
    """A connection whose provider is not reached."""

    def test_every_page_says_since_when_why_what_waits_and_that_nothing_is_lost(
        self, admin: Browser
    ) -> None:
        for path in ("/", "/integrations", PAGE):
            said = words(admin, path)
            assert "Could not reach Twilio: its name does not resolve. Since " in said, path
            assert (
                "8 messages are waiting. Signpost sends them automatically. Signpost tries again in"
            ) in said, path
        assert "Twilio cannot be reached" in words(admin, "/")
        for path in ("/integrations", PAGE):
            assert "Unreachable" in words(admin, path)
        assert "Test again" in words(admin, PAGE)

    def test_it_is_listed_with_what_needs_attention(self, admin: Browser) -> None:
        assert "Unreachable" in words(admin, "/integrations?state=broken")
        assert "Unreachable" not in words(admin, "/integrations?state=enabled")

    def test_one_of_two_connections_says_it_where_both_are_listed(
        self, app: Flask, admin: Browser
    ) -> None:
        with app.app_context():
            like = demo_connection()
            hub_fixtures.a_connection("Stranger", like=like, sender="+15005550099")
            title = like.title
        assert re.search(
            rf"{re.escape(title)} Simulator Unreachable Stranger Simulator Enabled",
            words(admin, "/integrations"),
        )

    def test_a_passing_test_tries_at_once_and_all_is_well_again(
        self, app: Flask, admin: Browser, simulator: Any
    ) -> None:
        assert deliver(app) == 0
        with app.app_context():
            settings = demo_connection().settings
        typed = {name: "" if value is False else str(value) for name, value in settings.items()}
        assert "Twilio is ready" in words_of(admin.post(PAGE, {**typed, "do": "test"}).text)
        assert deliver(app) > 0
        for path in ("/", "/integrations", PAGE):
            assert "Unreachable" not in words(admin, path), words(admin, path)

    def test_the_activity_says_once_when_it_was_lost_and_found(
        self, app: Flask, admin: Browser, simulator: Any
    ) -> None:
        for _ in range(2):
            with app.app_context():
                free(demo_connection())
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
        said = words(admin, "/activity")
        assert (
            f"Signpost Could not reach the provider of {title} why: Could not reach Twilio" in said
        )
        assert f"Signpost Reached the provider of {title} again" in said

    def test_a_disabled_connection_says_nothing_of_it(self, app: Flask, admin: Browser) -> None:
        with app.app_context():
            connections.disable(demo_connection().id)
        assert "nreachable" not in words(admin, "/integrations")

    def test_what_waits_is_not_blamed_on_the_workers(
        self, app: Flask, admin: Browser, lost: list[str]
    ) -> None:
        make_late(app, lost)
        assert "should have been sent a minute ago" not in words(admin, "/")
        answer = body(admin.get("/readyz"))
        assert (answer["status"], answer["lateness"]) == ("degraded", "ok")
        assert answer["providers"] == "a provider cannot be reached; its messages are sent later"


def test_calls_that_get_no_clear_answer_say_what_the_provider_did(
    app: Flask, admin: Browser
) -> None:
    fail(
        app,
        OutcomeUnknown(
            "Twilio failed before it reported whether it accepted the message.", "http_500"
        ),
    )
    assert "Twilio cannot be reached" in words(admin, "/")
    assert "Twilio failed before it reported whether it accepted the message. Since" in words(
        admin, "/"
    )


# ── Slowed down ───────────────────────────────────────────────────────────────────────────────────
def test_pages_say_until_when_a_provider_wants_to_be_left_alone(app: Flask, admin: Browser) -> None:
    fail(app, SlowDown("Too many messages wait at Twilio.", "21611", 1800), 1)
    for path in ("/", "/integrations", PAGE):
        said = words(admin, path)
        assert "Too many messages wait at Twilio. Signpost sends nothing until " in said, path
        assert "4 messages are waiting. Signpost sends them automatically." in said, path
    assert "Rate limited by Twilio" in words(admin, "/")
    assert "Rate limited" in words(admin, PAGE)


def test_a_pause_of_seconds_needs_nobody(app: Flask, admin: Browser) -> None:
    fail(app, SlowDown("Slower.", "20429", 20), 1)
    assert "Rate limited by" not in words(admin, "/")
    assert "Rate limited by Twilio" in words(admin, PAGE)


def test_once_the_pause_is_over_nothing_is_said_of_it(app: Flask, admin: Browser) -> None:
    fail(app, SlowDown("Slower.", "20429", 1800), 1)

    @transaction
    def later() -> None:
        db.session.scalars(select(Throttle)).one().paused_until = now() - timedelta(seconds=1)

    with app.app_context():
        later()
    assert "Rate limited" not in words(admin, "/integrations")


# ── Late, and why ─────────────────────────────────────────────────────────────────────────────────
def test_what_is_late_for_want_of_workers_is_said_to_be(app: Flask, admin: Browser) -> None:
    with app.app_context():
        message_id = a_message()
    make_late(app, [message_id])
    assert "1 message should have been sent a minute ago" in words(admin, "/")
    answer = body(admin.get("/readyz"))
    assert (answer["lateness"], answer["providers"]) == ("messages are waiting", "ok")


def test_a_backlog_behind_a_limit_is_not_blamed_on_the_workers_that_work_it_off(
    app: Flask, admin: Browser
) -> None:
    @transaction
    def limit(connection_id: str) -> None:
        db.session.get_one(Connection, connection_id).per_second = 1

    with app.app_context():
        limit(demo_connection().id)
        ids = [a_message(text=f"{n}") for n in range(8)]
    make_late(app, ids)
    assert "8 messages should have been sent" in words(admin, "/")
    with app.app_context():
        delivery.record_and_claim([], {demo_connection().id: 64})
        assert [status(one) for one in ids].count("queued") == 4
    assert "should have been sent" not in words(admin, "/")
