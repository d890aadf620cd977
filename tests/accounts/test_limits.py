"""Limits: by user, by account, by address, with and without Redis."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
import redis
import time_machine
from flask import Flask

from hub.accounts import limits
from hub.accounts.limits import TooMany
from hub.db.types import now


@pytest.mark.parametrize(
    ("limit", "allowed"), [(limits.TEST, 5), (limits.SEND, 5), (limits.SAVE, 10)]
)
def test_one_more_in_a_minute_is_refused_with_the_wait(
    in_app: Flask, limit: limits.Limit, allowed: int
) -> None:
    for _ in range(allowed):
        limits.spend(limit, "usr_one")
    with pytest.raises(TooMany) as refusal:
        limits.spend(limit, "usr_one")
    assert 55 <= refusal.value.retry_after <= 60
    assert f"Wait {refusal.value.retry_after} seconds" in str(refusal.value)
    assert "Your entries are still here" in str(refusal.value)
    limits.spend(limit, "usr_other")


def test_tests_and_sends_are_counted_apart(in_app: Flask) -> None:
    for _ in range(5):
        limits.spend(limits.TEST, "usr_one")
    limits.spend(limits.SEND, "usr_one")


def test_the_fifth_wrong_password_stops_the_account_from_one_address_only(in_app: Flask) -> None:
    left = []
    for _ in range(5):
        limits.begin_sign_in("Dana@acme.example", "192.0.2.1")
        left.append(limits.end_sign_in("dana@acme.example", "192.0.2.1", known=False))
    assert left == [4, 3, 2, 1, 0]
    with pytest.raises(TooMany, match=r"5 wrong passwords\. Wait 5 minutes") as refusal:
        limits.begin_sign_in("dana@ACME.example", "192.0.2.1")
    assert 290 <= refusal.value.retry_after <= 300
    limits.begin_sign_in("dana@acme.example", "192.0.2.99")
    limits.begin_sign_in("dana@acme.example", "192.0.2.1", "a browser that it knows")


def test_network_of_one_visitor_counts_as_one_address(in_app: Flask) -> None:
    for number in range(5):
        limits.begin_sign_in("dana@acme.example", f"2001:db8:1:2::{number:x}")
    with pytest.raises(TooMany):
        limits.begin_sign_in("dana@acme.example", "2001:db8:1:2:ffff::1")
    limits.begin_sign_in("dana@acme.example", "2001:db8:1:3::1")


def test_account_has_a_limit_over_all_addresses_that_its_own_browser_passes(in_app: Flask) -> None:
    for number in range(limits.ACCOUNT.amount):
        address = f"198.51.{number // 250}.{number % 250}"
        limits.begin_sign_in("dana@acme.example", address)
        limits.end_sign_in("dana@acme.example", address, known=False)
    with pytest.raises(TooMany, match="use a browser that you signed in with before"):
        limits.begin_sign_in("dana@acme.example", "192.0.2.99")
    limits.begin_sign_in("dana@acme.example", "192.0.2.99", "known")
    limits.begin_sign_in("olaf@acme.example", "192.0.2.99")


def test_a_good_password_forgives_the_wrong_ones(in_app: Flask) -> None:
    for _ in range(3):
        for _ in range(4):
            limits.begin_sign_in("dana@acme.example", "192.0.2.1")
            limits.end_sign_in("dana@acme.example", "192.0.2.1", known=False)
        limits.begin_sign_in("dana@acme.example", "192.0.2.1")
        limits.end_sign_in("dana@acme.example", "192.0.2.1", known=True)


def test_twenty_failures_from_an_address_stop_it_for_every_account(in_app: Flask) -> None:
    for number in range(20):
        limits.begin_sign_in(f"user{number}@acme.example", "192.0.2.1")
        limits.end_sign_in(f"user{number}@acme.example", "192.0.2.1", known=False)
    with pytest.raises(TooMany, match="from your network"):
        limits.begin_sign_in("dana@acme.example", "192.0.2.1")
    limits.begin_sign_in("dana@acme.example", "192.0.2.2")


def test_a_redis_that_stalls_forgives_nothing(in_app: Flask, queue_url: str) -> None:
    for _ in range(5):
        limits.spend(limits.TEST, "usr_one")
    with redis.Redis.from_url(queue_url) as queue:
        queue.client_pause(300, all=True)
    with pytest.raises(TooMany) as refusal:
        limits.spend(limits.TEST, "usr_one")
    assert 55 <= refusal.value.retry_after <= 60
    time.sleep(0.3)  # the other tests share this Redis


class TestWithoutRedis:
    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"HUB_REDIS_URL": "unix:///tmp/nobody-listens-here.sock"}

    def test_each_process_counts_for_itself(self, in_app: Flask) -> None:
        for _ in range(5):
            limits.spend(limits.TEST, "usr_one")
        with pytest.raises(TooMany) as refusal:
            limits.spend(limits.TEST, "usr_one")
        assert 55 <= refusal.value.retry_after <= 60

    def test_the_wait_is_over_when_it_said(self, in_app: Flask) -> None:
        with time_machine.travel(now()) as clock:
            for _ in range(5):
                limits.spend(limits.TEST, "usr_one")
            with pytest.raises(TooMany) as refusal:
                limits.spend(limits.TEST, "usr_one")
            clock.shift(timedelta(seconds=refusal.value.retry_after))
            limits.spend(limits.TEST, "usr_one")
