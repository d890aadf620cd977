"""Store rate limits in Redis for all processes, and in memory while Redis is unavailable.

Flask-Limiter can fall back to memory too, but then it forgets what was counted in Redis: an
attacker who stalls Redis could reset the count. Here each process also counts in memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import structlog
from limits.storage import MemoryStorage, RedisStorage
from redis import RedisError

T = TypeVar("T")

log = structlog.get_logger(__name__)

SCHEME = "memory+"  # in front of the scheme of Redis
RETRY_SECONDS = 5  # how long Redis is not called after an error


class RedisAndMemoryStorage(RedisStorage):
    """Moving windows in Redis and in memory."""

    STORAGE_SCHEME = [f"{SCHEME}{scheme}" for scheme in ("redis", "rediss", "redis+unix")]

    def __init__(self, uri: str, **options: Any) -> None:
        super().__init__(uri.removeprefix(SCHEME), **options)
        self._memory = MemoryStorage()
        self._silent_until = 0.0

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        is_allowed_locally = self._memory.acquire_entry(key, limit, expiry, amount)
        return self._call_redis(
            partial(super().acquire_entry, key, limit, expiry, amount), is_allowed_locally
        )

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        own = self._memory.get_moving_window(key, limit, expiry)
        return self._call_redis(partial(super().get_moving_window, key, limit, expiry), own)

    def clear(self, key: str) -> None:
        self._memory.clear(key)
        self._call_redis(partial(super().clear, key), None)

    def _call_redis(self, call_redis: Callable[[], T], local_result: T) -> T:
        """Return the result from Redis, or this process's own while Redis is unavailable."""
        if time.monotonic() >= self._silent_until:
            try:
                return call_redis()
            except RedisError as error:
                self._silent_until = time.monotonic() + RETRY_SECONDS
                log.warning("rate_limits.redis_unreachable", problem=type(error).__name__)
        return local_result
