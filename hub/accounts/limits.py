"""How often one may do what: tests, sends and saves by user, sign-ins by account and by address.

Counted in Redis for all processes together, and by each process for itself: what it counted still holds when Redis does not answer.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, cast

import structlog
from flask import current_app
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from redis import RedisError

from hub import web_extensions
from hub.errors import Refused

T = TypeVar("T")

log = structlog.get_logger(__name__)

REST_MINUTES = 5
SILENT_SECONDS = 5  # how long Redis is left alone after it failed


class TooMany(Refused):
    """That was too often; `retry_after` seconds from now it is allowed again."""

    status = 429

    def __init__(self, why: str, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__("too_many", why)


@dataclass(frozen=True)
class Limit:
    """How often a user may do one thing a minute, and the two halves of what is said beyond that."""

    name: str
    item: RateLimitItem
    done: str
    again: str


TEST = Limit("test", RateLimitItemPerMinute(5), "tested 5 times", "test again. What you typed is still here")
SEND = Limit("send", RateLimitItemPerMinute(5), "sent 5 of these", "send again. What you typed is still here")
SAVE = Limit("save", RateLimitItemPerMinute(10), "saved 10 times", "save again. What you typed is still here")
ACCOUNT = RateLimitItemPerMinute(5, REST_MINUTES)
ADDRESS = RateLimitItemPerMinute(20, REST_MINUTES)


def spend(limit: Limit, user_id: str) -> None:
    """Count one more for a user. Raises TooMany."""
    if not _counters().ask(lambda counter: counter.hit(limit.item, limit.name, user_id)):
        wait = _wait(limit.item, limit.name, user_id)
        raise TooMany(f"You have {limit.done} in a minute. Wait {_seconds(wait)} and {limit.again}.", wait)


def begin_sign_in(email: str, address: str) -> None:
    """Count a try before its password is looked at, so that many at once gain nothing. Raises TooMany."""
    if not _counters().ask(lambda counter: counter.test(ADDRESS, "address", address)):
        wait = _wait(ADDRESS, "address", address)
        raise TooMany(f"Too many tries from where you are. Wait {_minutes(wait)} and sign in again.", wait)
    if not _counters().ask(lambda counter: counter.hit(ACCOUNT, "account", _account(email))):
        wait = _wait(ACCOUNT, "account", _account(email))
        raise TooMany(f"After 5 wrong passwords this account rests. Wait {_minutes(wait)} and sign in again.", wait)


def end_sign_in(email: str, address: str, *, known: bool) -> int:
    """Note what a try came to: a good one is forgiven. Returns how many are left."""
    if known:
        _counters().ask(lambda counter: counter.clear(ACCOUNT, "account", _account(email)))
        return ACCOUNT.amount
    _counters().ask(lambda counter: counter.hit(ADDRESS, "address", address))
    return _counters().ask(lambda counter: counter.get_window_stats(ACCOUNT, "account", _account(email))).remaining


def _account(email: str) -> str:
    return hashlib.sha256(email.strip().lower().encode()).hexdigest()  # whether anybody has that e-mail or not


def _wait(item: RateLimitItem, *names: str) -> int:
    """Return the seconds until one more is allowed."""
    reset = _counters().ask(lambda counter: counter.get_window_stats(item, *names)).reset_time
    return min(max(1, int(reset - time.time()) + 1), item.get_expiry())


def _seconds(count: int) -> str:
    return "1 second" if count == 1 else f"{count} seconds"


def _minutes(seconds: int) -> str:
    return _seconds(seconds) if seconds < 60 else "a minute" if seconds < 90 else f"{round(seconds / 60)} minutes"


class _Counters:
    """Windows that move: what is refused now is allowed exactly when the oldest one that counts is over."""

    def __init__(self) -> None:
        self._shared = MovingWindowRateLimiter(web_extensions.limiter.storage)
        self._own = MovingWindowRateLimiter(MemoryStorage())
        self._silent_until = 0.0

    def ask(self, question: Callable[[MovingWindowRateLimiter], T]) -> T:
        # Flask-Limiter falls back to memory for limits on routes alone, not for whoever asks its storage; and it starts from nothing then
        answer = question(self._own)
        if time.monotonic() >= self._silent_until:
            try:
                return question(self._shared)
            except RedisError as problem:
                self._silent_until = time.monotonic() + SILENT_SECONDS
                log.warning("limits.alone", problem=type(problem).__name__)
        return answer


def _counters() -> _Counters:
    if "hub.limits" not in current_app.extensions:
        current_app.extensions["hub.limits"] = _Counters()
    return cast(_Counters, current_app.extensions["hub.limits"])
