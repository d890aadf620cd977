"""Rate limits of API keys, shared by all processes.

Each process counts in memory and sends new counts to Redis at least every second, and more often
near the limit. Far from the limit, a request costs a few dictionary lookups. Near it, the limit
applies across processes. While Redis is unavailable, each process continues with its own counts.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import cast

import redis
import structlog
from flask import current_app

from hub.core.config import Config

log = structlog.get_logger(__name__)

MINUTE = 60  # seconds
SYNC_INTERVAL = 1.0  # seconds
SYNC_DIVISOR = 16  # a process syncs after it has used 1/16 of the remaining requests
RETRY_SECONDS = 5  # how long Redis is not called after an error


@dataclass(frozen=True, slots=True)
class RateLimitStatus:
    """The state of a key's limit: `remaining` of `limit` requests in the next `seconds_left`."""

    allowed: bool
    limit: int
    remaining: int
    seconds_left: int


@dataclass(slots=True)
class _Count:
    """The requests of one key in one minute."""

    minute: int
    shared_count: int = 0  # of all processes, as far as this one knows
    local_count: int = 0  # of this process, not shared yet
    synced_at: float = 0.0
    is_syncing: bool = False

    @property
    def used(self) -> int:
        return self.shared_count + self.local_count


class KeyLimits:
    """The counts of one process."""

    def __init__(self, shared: redis.Redis) -> None:
        self._redis = shared
        self._counts: dict[str, _Count] = {}
        self._lock = threading.Lock()
        self._silent_until = 0.0

    def count_request(self, key_id: str, limit: int) -> RateLimitStatus:
        """Count one request of a key, unless it is over its limit."""
        unix_time = time.time()
        minute, elapsed_seconds = divmod(int(unix_time), MINUTE)
        with self._lock:
            count = self._counts.get(key_id)
            if count is None or count.minute != minute:
                count = self._counts[key_id] = _Count(minute)
            allowed = count.used < limit
            if allowed:
                count.local_count += 1
            should_sync = allowed and self._should_sync(count, limit)
            count.is_syncing = count.is_syncing or should_sync
        if should_sync:
            self._sync(key_id, count)
            allowed = count.used <= limit
        return RateLimitStatus(allowed, limit, max(0, limit - count.used), MINUTE - elapsed_seconds)

    def _should_sync(self, count: _Count, limit: int) -> bool:
        """Return whether to sync with Redis now.

        Only one thread at a time syncs.
        """
        uptime = time.monotonic()
        if count.is_syncing or uptime < self._silent_until:
            return False
        return (
            count.local_count * SYNC_DIVISOR >= limit - count.shared_count
            or uptime - count.synced_at >= SYNC_INTERVAL
        )

    def _sync(self, key_id: str, count: _Count) -> None:
        sent = count.local_count
        name = f"hub:api:{key_id}:{count.minute}"
        try:
            with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.incrby(name, sent)
                pipeline.expire(name, 2 * MINUTE)
                total = pipeline.execute()[0]
        except redis.RedisError as error:
            self._silent_until = time.monotonic() + RETRY_SECONDS
            log.warning("key_limits.redis_unreachable", problem=type(error).__name__)
        else:
            with self._lock:
                count.local_count -= sent
                count.shared_count = int(total)
        finally:
            count.synced_at = time.monotonic()
            count.is_syncing = False


def count_request(key_id: str, per_minute: int | None) -> RateLimitStatus:
    """Count one request of a key, against its own limit or the default."""
    extensions = current_app.extensions
    limits = extensions.get("hub.key_limits")
    if limits is None:
        new_limits = KeyLimits(extensions["hub.waker"].redis)
        # only one of two concurrent threads sets it
        limits = extensions.setdefault("hub.key_limits", new_limits)
    config: Config = extensions["hub.config"]
    return cast(KeyLimits, limits).count_request(key_id, per_minute or config.api_per_minute)
