"""Limits of sign-ins, by account and by address, with and without Redis."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import pytest
import redis
import time_machine
from flask import Flask
from limits import parse
from werkzeug.test import TestResponse

from hub.accounts import rate_limits
from hub.accounts.rate_limits import FailedSignInLimit, RateLimited
from hub.core.vocabulary import Role
from hub.db.types import now
from tests.conftest import Browser


def test_five_wrong_passwords_block_the_account_for_one_address_only(in_app: Flask) -> None:
    attempts_left = []
    for _ in range(5):
        rate_limits.count_sign_in_attempt("Dana@acme.example", "192.0.2.1")
        attempts_left.append(
            rate_limits.finish_sign_in_attempt("dana@acme.example", "192.0.2.1", known=False)
        )
    assert attempts_left == [4, 3, 2, 1, 0]
    with pytest.raises(RateLimited, match=r"5 wrong passwords\. Wait 5 minutes") as refusal:
        rate_limits.count_sign_in_attempt("dana@ACME.example", "192.0.2.1")
    assert 290 <= refusal.value.retry_after <= 300
    rate_limits.count_sign_in_attempt("dana@acme.example", "192.0.2.99")
    rate_limits.count_sign_in_attempt("dana@acme.example", "192.0.2.1", "a browser that it knows")


def test_addresses_of_one_ipv6_network_share_a_limit(in_app: Flask) -> None:
    for number in range(5):
        rate_limits.count_sign_in_attempt("dana@acme.example", f"2001:db8:1:2::{number:x}")
    with pytest.raises(RateLimited):
        rate_limits.count_sign_in_attempt("dana@acme.example", "2001:db8:1:2:ffff::1")
    rate_limits.count_sign_in_attempt("dana@acme.example", "2001:db8:1:3::1")


def test_successful_sign_in_resets_wrong_passwords(in_app: Flask) -> None:
    for _ in range(3):
        for _ in range(4):
            rate_limits.count_sign_in_attempt("dana@acme.example", "192.0.2.1")
            rate_limits.finish_sign_in_attempt("dana@acme.example", "192.0.2.1", known=False)
        rate_limits.count_sign_in_attempt("dana@acme.example", "192.0.2.1")
        rate_limits.finish_sign_in_attempt("dana@acme.example", "192.0.2.1", known=True)


def use_up(limit: FailedSignInLimit, key: str, count: int) -> None:
    """Count failed sign-ins as the decorator of the page does."""
    assert rate_limits.limiter.limiter.hit(parse(limit.rate), "hub", key, limit.name, cost=count)


def sign_in(browser: Browser, address: str = "192.0.2.1", email: str = "") -> TestResponse:
    form = {"email": email or browser.email or "dana@acme.example", "password": "wrong, all wrong"}
    return browser.post("/sign-in", form, environ_base={"REMOTE_ADDR": address})


def test_known_browser_signs_in_past_the_limit_of_its_account(
    app: Flask, anonymous: Browser, admin: Browser
) -> None:
    admin.post("/sign-out")
    with app.app_context():
        use_up(rate_limits.ACCOUNT, rate_limits.account_key(admin.email), 299)
    assert sign_in(anonymous, "192.0.2.7", admin.email).status_code == 422
    refused = sign_in(anonymous, "192.0.2.8", admin.email.upper())
    assert refused.status_code == 429
    assert "use a browser that you signed in with before" in refused.text
    assert sign_in(anonymous, "192.0.2.8", "olaf@acme.example").status_code == 422
    assert admin.sign_in().status_code == 303


def test_twenty_failed_sign_ins_block_an_address_for_every_account(
    app: Flask, anonymous: Browser
) -> None:
    with app.app_context():
        use_up(rate_limits.NETWORK, "192.0.2.1", 19)
    assert sign_in(anonymous).status_code == 422
    refused = sign_in(anonymous, email="olaf@acme.example")
    assert refused.status_code == 429
    assert "from your network" in refused.text
    assert sign_in(anonymous, "192.0.2.2").status_code == 422


def test_successful_sign_ins_are_not_counted(
    app: Flask, browser_for: Callable[..., Browser]
) -> None:
    browser = browser_for(Role.VIEWER, signed_in=False)
    with app.app_context():
        use_up(rate_limits.NETWORK, "127.0.0.1", 19)
    for _ in range(3):
        assert Browser(app, browser.email).sign_in().status_code == 303


def test_stalled_redis_keeps_counts(in_app: Flask, queue_url: str) -> None:
    for _ in range(5):
        rate_limits.count_sign_in_attempt("dana@acme.example", "192.0.2.1")
    with redis.Redis.from_url(queue_url) as queue:
        queue.client_pause(300, all=True)
    with pytest.raises(RateLimited) as refusal:
        rate_limits.count_sign_in_attempt("dana@acme.example", "192.0.2.1")
    assert 290 <= refusal.value.retry_after <= 300
    time.sleep(0.3)  # the other tests share this Redis


class TestWithoutRedis:
    """A hub whose Redis is away."""

    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"HUB_REDIS_URL": "unix:///tmp/nobody-listens-here.sock"}

    def test_each_process_counts_separately(self, in_app: Flask) -> None:
        for _ in range(5):
            rate_limits.count_sign_in_attempt("dana@acme.example", "192.0.2.1")
        with pytest.raises(RateLimited) as refusal:
            rate_limits.count_sign_in_attempt("dana@acme.example", "192.0.2.1")
        assert 290 <= refusal.value.retry_after <= 300

    def test_sign_in_works_after_the_announced_wait(self, in_app: Flask) -> None:
        with time_machine.travel(now()) as clock:
            for _ in range(5):
                rate_limits.count_sign_in_attempt("dana@acme.example", "192.0.2.1")
            with pytest.raises(RateLimited) as refusal:
                rate_limits.count_sign_in_attempt("dana@acme.example", "192.0.2.1")
            clock.shift(timedelta(seconds=refusal.value.retry_after))
            rate_limits.count_sign_in_attempt("dana@acme.example", "192.0.2.1")
