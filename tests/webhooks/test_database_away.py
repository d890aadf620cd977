"""Callbacks while PostgreSQL does not respond, and after it recovers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from hub.db.engine import connect_options, db
from hub.models import Connection
from tests.conftest import POSTGRES, make_app
from tests.hub_fixtures import callbacks, post_callback, status_form

AT_ONCE = 6
SID = "SM" + "0123456789abcdef" * 2


def run_within(seconds: float, ask: Callable[[], Any]) -> Any:
    """Return the result of a function, or fail the test if it takes longer."""
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(ask()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert answers, f"no answer within {seconds:g} seconds"
    return answers[0]


class TestWithASilentServer:
    """A hub whose database accepts connections but never responds, like an unreachable host."""

    @pytest.fixture
    def settings(self) -> Iterator[dict[str, str]]:
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen(16)
            yield {"HUB_DATABASE_URL": f"postgresql://hub@127.0.0.1:{silent.getsockname()[1]}/none"}

    def test_callback_is_refused_for_a_retry_within_seconds(self, environ: dict[str, str]) -> None:
        app = make_app(environ)
        assert (
            run_within(6, lambda: post_callback(app, status_form(app, SID, "sent"))).status_code
            == 503
        )

    def test_event_is_refused_for_a_retry_within_seconds(self, environ: dict[str, str]) -> None:
        client = make_app(environ).test_client()
        answer = run_within(
            6,
            lambda: client.post(
                "/api/v1/events", json={}, headers={"Authorization": "Bearer sp_test_x"}
            ),
        )
        assert answer.status_code == 503


def test_database_url_with_its_own_timeouts_keeps_them() -> None:
    options = connect_options("postgresql+psycopg://hub@db.example/hub?connect_timeout=20")
    assert "connect_timeout" not in options
    assert options["tcp_user_timeout"] == 8000


@pytest.mark.skipif(not POSTGRES, reason="SQLite has no server that could restart")
def test_callbacks_are_accepted_as_soon_as_the_database_is_back(
    hub_demo: Flask, connection: Connection
) -> None:
    met = threading.Barrier(AT_ONCE)

    def post(number: int) -> int:
        met.wait(10)
        return post_callback(
            hub_demo, status_form(hub_demo, f"SM{number:032x}", "sent")
        ).status_code

    def post_concurrently(first: int) -> list[int]:
        statuses: list[int] = []
        threads = [
            threading.Thread(target=lambda n=first + i: statuses.append(post(n)))
            for i in range(AT_ONCE)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return statuses

    assert post_concurrently(0) == [200] * AT_ONCE
    engine = hub_demo.extensions["hub.callbacks"].engine
    for pooled in [engine.raw_connection() for _ in range(AT_ONCE)]:
        pooled.close()
    assert engine.pool.checkedin() >= AT_ONCE
    db.session.rollback()
    with db.engine.connect() as connected:  # what a restart does to those who are connected
        other_sessions = (
            "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        connected.execute(text(f"SELECT pg_terminate_backend(pid, 5000) {other_sessions}"))
    assert post_callback(hub_demo, status_form(hub_demo, SID, "sent")).status_code == 200
    assert post_concurrently(AT_ONCE) == [200] * AT_ONCE
    assert len(callbacks()) == 2 * AT_ONCE + 1
