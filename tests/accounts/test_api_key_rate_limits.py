"""The rate limit of an API key: exact across processes, and cheap for each request."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
import time_machine
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hub.accounts.api_key_rate_limits import KeyLimits
from tests.effort import examples

NOON = 1_796_000_040  # the beginning of a minute


@pytest.fixture
def queue(queue_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(queue_url, socket_timeout=0.1) as client:
        client.flushall()
        yield client


@pytest.fixture
def clock() -> Iterator[time_machine.Coordinates]:
    with time_machine.travel(NOON, tick=False) as coordinates:
        yield coordinates


@given(limit=st.integers(1, 60), turns=st.lists(st.integers(0, 2), max_size=150))
@hypothesis_settings(
    max_examples=examples(40),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_limit_is_shared_by_several_processes(
    queue: redis.Redis, limit: int, turns: list[int]
) -> None:
    queue.flushall()
    processes = [KeyLimits(queue) for _ in range(3)]
    with time_machine.travel(NOON, tick=False):
        allowed = sum(processes[turn].count_request("key_1", limit).allowed for turn in turns)
    # a process asks the others once it has counted a sixteenth of what was left
    assert min(len(turns), limit) <= allowed + 3 * (limit // 16 + 1)
    assert allowed <= limit + 2 * (limit // 16)
    if limit < 16:
        assert allowed == min(len(turns), limit)


def test_concurrent_threads_get_exactly_the_limit(queue: redis.Redis) -> None:
    limits = KeyLimits(queue)
    with time_machine.travel(NOON, tick=False), ThreadPoolExecutor(8) as pool:
        allowed = list(pool.map(lambda _: limits.count_request("key_1", 500).allowed, range(900)))
    assert sum(allowed) == 500
    assert int(queue.get(f"hub:api:key_1:{NOON // 60}") or 0) <= 500


def test_limit_resets_in_the_next_minute(
    queue: redis.Redis, clock: time_machine.Coordinates
) -> None:
    limits = KeyLimits(queue)
    assert [limits.count_request("key_1", 2).allowed for _ in range(3)] == [True, True, False]
    clock.shift(59)
    refused = limits.count_request("key_1", 2)
    assert (refused.allowed, refused.remaining, refused.seconds_left) == (False, 0, 1)
    clock.shift(1)
    assert limits.count_request("key_1", 2).allowed


def test_api_keys_are_counted_separately(queue: redis.Redis) -> None:
    limits = KeyLimits(queue)
    assert not [limits.count_request("key_1", 1) for _ in range(2)][-1].allowed
    assert limits.count_request("key_2", 1).allowed


def test_api_key_far_from_its_limit_rarely_calls_redis(queue: redis.Redis) -> None:
    limits = KeyLimits(queue)
    before = int(queue.info("stats")["total_commands_processed"])
    for _ in range(1000):
        assert limits.count_request("key_1", 1_000_000).allowed
    calls = int(queue.info("stats")["total_commands_processed"]) - before
    assert calls < 30


def test_stalled_redis_delays_no_request_and_loses_no_count(
    queue: redis.Redis, queue_url: str
) -> None:
    limits = KeyLimits(queue)
    for _ in range(3):
        limits.count_request("key_1", 5)
    with redis.Redis.from_url(queue_url) as other:
        other.client_pause(600, all=True)
    began = time.monotonic()
    assert [limits.count_request("key_1", 5).allowed for _ in range(4)] == [
        True,
        True,
        False,
        False,
    ]
    assert time.monotonic() - began < 0.4
    time.sleep(0.7)  # the other tests share this Redis


def test_without_redis_each_process_counts_separately() -> None:
    unreachable_redis = redis.Redis.from_url("unix:///tmp/nobody-listens-here.sock")
    for limits in (KeyLimits(unreachable_redis), KeyLimits(unreachable_redis)):
        assert [limits.count_request("key_1", 2).allowed for _ in range(3)] == [True, True, False]
