"""Rate limits of pages: tests, saves, messages, API keys and sign-ins, with and without Redis."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from flask import Flask
from werkzeug.test import TestResponse

from hub.core.vocabulary import Role
from hub.run import queue_server
from tests.admin.connections.connection_pages import NEW, PAGE
from tests.admin.connections.connection_pages import stored as stored
from tests.admin.connections.connection_pages import values as values
from tests.conftest import Browser, wait_until

Post = Callable[[Browser, dict[str, str]], TestResponse]


def save_settings(browser: Browser, values: dict[str, str]) -> TestResponse:
    return browser.post(PAGE, {**values, "do": "save"})


def check_settings(browser: Browser, values: dict[str, str]) -> TestResponse:
    return browser.post(PAGE, {**values, "do": "test"})


def check_new_settings(browser: Browser, values: dict[str, str]) -> TestResponse:
    return browser.post(NEW, {**values, "do": "test"})


def retest(browser: Browser, _: dict[str, str]) -> TestResponse:
    return browser.post(f"{PAGE}/test")


def send(browser: Browser, _: dict[str, str]) -> TestResponse:
    return browser.post(f"{PAGE}/send", {"to": "+13175551234"})


def add_key(browser: Browser, _: dict[str, str]) -> TestResponse:
    return browser.post("/settings/api-keys", {"name": ""})


def check_shortener(browser: Browser, _: dict[str, str]) -> TestResponse:
    return browser.post("/settings/short-links/bitly", {"do": "test"})


LIMITED: dict[str, tuple[Post, int, str]] = {
    "test": (check_settings, 5, "You have tested the connection 5 times in a minute."),
    "test a new one": (
        check_new_settings,
        5,
        "You have tested the connection 5 times in a minute.",
    ),
    "test again": (retest, 5, "You have tested the connection 5 times in a minute."),
    "save": (save_settings, 10, "You have saved the connection 10 times in a minute."),
    "send": (send, 5, "You have sent 5 test messages in a minute."),
    "key": (add_key, 10, "You have changed API keys 10 times in a minute."),
    "shortener": (
        check_shortener,
        10,
        "You have changed a link shortener 10 times in a minute.",
    ),
}
each_page = pytest.mark.parametrize(("post", "allowed", "reason"), LIMITED.values(), ids=LIMITED)


@pytest.fixture
def own_redis() -> Iterator[tuple[str, Callable[[], None]]]:
    """Run a Redis for this test; return its URL and a function that stops it."""
    with tempfile.TemporaryDirectory(prefix="hub-") as name:
        folder = Path(name)
        queue_server.prepare(folder)
        server = subprocess.Popen(queue_server.command(folder), stdout=subprocess.DEVNULL)
        url = f"unix://{folder / 'queue.sock'}"

        def answers() -> bool:
            try:
                with redis.Redis.from_url(url) as client:
                    return bool(client.ping())
            except redis.RedisError:
                return False

        def stop() -> None:
            server.terminate()
            server.wait(10)

        wait_until(answers)
        yield url, stop
        stop()


def assert_rate_limited(response: TestResponse, reason: str) -> None:
    wait = int(response.headers["Retry-After"])
    assert response.status_code == 429
    assert 40 <= wait <= 60
    assert reason in response.text
    assert f"Wait {wait} seconds" in response.text


@each_page
def test_request_over_the_limit_is_refused(
    admin: Browser, values: dict[str, str], stored: str, post: Post, allowed: int, reason: str
) -> None:
    codes = [post(admin, values).status_code for _ in range(allowed)]
    assert 429 not in codes
    assert_rate_limited(post(admin, values), reason)


def test_each_user_has_separate_limits(
    browser_for: Callable[..., Browser], values: dict[str, str], stored: str
) -> None:
    first_user = browser_for(Role.ADMIN, name="Dana Whitfield")
    second_user = browser_for(Role.ADMIN, name="Olaf Berg")
    assert [send(first_user, values).status_code for _ in range(6)][-1] == 429
    assert send(second_user, values).status_code != 429
    assert check_settings(first_user, values).status_code != 429, (
        "tests and messages are counted apart"
    )


class TestWhenRedisStops:
    """A hub whose Redis stops after most of the allowed actions."""

    @pytest.fixture
    def settings(self, own_redis: tuple[str, Callable[[], None]]) -> dict[str, str]:
        return {"HUB_REDIS_URL": own_redis[0]}

    @each_page
    def test_counts_survive_an_outage_of_redis(
        self,
        admin: Browser,
        values: dict[str, str],
        stored: str,
        own_redis: tuple[str, Callable[[], None]],
        post: Post,
        allowed: int,
        reason: str,
    ) -> None:
        codes = [post(admin, values).status_code for _ in range(allowed - 1)]
        own_redis[1]()
        codes.append(post(admin, values).status_code)
        assert 429 not in codes
        assert_rate_limited(post(admin, values), reason)

    def test_failed_sign_ins_are_still_counted(
        self, app: Flask, anonymous: Browser, own_redis: tuple[str, Callable[[], None]]
    ) -> None:
        def fail(number: int) -> int:
            email = f"user{number}@acme.example"
            return anonymous.post("/sign-in", {"email": email, "password": "wrong"}).status_code

        assert {fail(number) for number in range(10)} == {422}
        own_redis[1]()
        assert {fail(number) for number in range(10, 20)} == {422}
        refused = anonymous.post("/sign-in", {"email": "dana@acme.example", "password": "wrong"})
        assert refused.status_code == 429
        assert 250 <= int(refused.headers["Retry-After"]) <= 300
        assert "Too many attempts" in refused.text
        assert "Too many failed sign-ins from your network." in refused.text
