"""Limits of tests, sends and saves by user, and of sign-ins by account and address.

Counted in Redis for all processes together, and by each process for itself: what it counted still
holds when Redis does not answer.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, cast

import structlog
from flask import Flask, current_app
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from limits import (
    RateLimitItem,
    RateLimitItemPerDay,
    RateLimitItemPerHour,
    RateLimitItemPerMinute,
)
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from redis import RedisError

from hub.core.errors import Refused
from hub.shared.security_log import network_of

T = TypeVar("T")

limiter = Limiter(get_remote_address)

log = structlog.get_logger(__name__)

REST_MINUTES = 5
SILENT_SECONDS = 5  # how long Redis is left alone after it failed


class TooMany(Refused):
    """That was too often; `retry_after` seconds from now it is allowed again."""

    status = 429

    def __init__(self, why: str, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__("too_many", why)


def init_app(app: Flask) -> None:
    """Connect the limiter of an application to its storage."""
    # counted as installed, it adds no hook of its own: it is asked by name here, and no request
    # pays for it unasked
    app.extensions["limiter"] = {limiter}
    limiter.init_app(app)


@dataclass(frozen=True)
class Limit:
    """Limit how often a user may do one thing a minute, with the two halves of the refusal."""

    name: str
    item: RateLimitItem
    done: str
    again: str


TEST = Limit(
    "test",
    RateLimitItemPerMinute(5),
    "tested the connection 5 times",
    "test again. Your entries are still here",
)
SEND = Limit(
    "send",
    RateLimitItemPerMinute(5),
    "sent 5 test messages",
    "send again. Your entries are still here",
)
SAVE = Limit(
    "save",
    RateLimitItemPerMinute(10),
    "saved the connection 10 times",
    "save again. Your entries are still here",
)
# wrong passwords: of an account from one address, or in one browser that it knows
PAIR = RateLimitItemPerMinute(5, REST_MINUTES)
ADDRESS = RateLimitItemPerMinute(20, REST_MINUTES)
ACCOUNT = RateLimitItemPerHour(300)  # many addresses guess together
CURRENT_PASSWORD = RateLimitItemPerDay(5)  # of one sign-in


def spend(limit: Limit, user_id: str) -> None:
    """Count one more for a user. Raises TooMany."""
    if not _counters().ask(lambda counter: counter.hit(limit.item, limit.name, user_id)):
        wait = _wait(limit.item, limit.name, user_id)
        raise TooMany(
            f"You have {limit.done} in a minute. Wait {_seconds(wait)} and {limit.again}.", wait
        )


def begin_sign_in(email: str, address: str, browser: str = "") -> None:
    """Count an attempt before its password is checked, so that many at once gain nothing.

    `browser` is the id of a browser that this account knows: only its own attempts count.
    Raises TooMany.
    """
    network = network_of(address)
    account = _account(email)
    if not browser:
        for item, names, what in (
            (ADDRESS, ("address", network), "Too many failed sign-ins from your network."),
            (ACCOUNT, ("guessed", account), "Too many failed sign-ins to this account."),
        ):
            if not _counters().ask(partial(_test, item, names)):
                wait = _wait(item, *names)
                hint = f"Wait {_minutes(wait)}, or use a browser that you signed in with before."
                raise TooMany(f"{what} {hint}", wait)
    pair = _pair(account, network, browser)
    if not _counters().ask(lambda counter: counter.hit(PAIR, *pair)):
        wait = _wait(PAIR, *pair)
        raise TooMany(
            f"You entered 5 wrong passwords. Wait {_minutes(wait)}, then sign in again.", wait
        )


def end_sign_in(email: str, address: str, browser: str = "", *, known: bool) -> int:
    """Note the result of an attempt: a successful one is forgiven. Returns how many are left."""
    network = network_of(address)
    account = _account(email)
    pair = _pair(account, network, browser)
    if known:
        _counters().ask(lambda counter: counter.clear(PAIR, *pair))
        return PAIR.amount
    if not browser:
        _counters().ask(lambda counter: counter.hit(ADDRESS, "address", network))
        _counters().ask(lambda counter: counter.hit(ACCOUNT, "guessed", account))
    return _counters().ask(lambda counter: counter.get_window_stats(PAIR, *pair)).remaining


def begin_current_password(sign_in: str) -> bool:
    """Count a use of the current password before it is checked; tell whether one more is allowed.

    `sign_in` is the token of the browser's sign-in.
    """
    names = ("current", hashlib.sha256(sign_in.encode()).hexdigest())
    return _counters().ask(lambda counter: counter.hit(CURRENT_PASSWORD, *names))


def end_current_password(sign_in: str, *, right: bool) -> int:
    """Note whether the current password was right, which is forgiven; return how many are left."""
    names = ("current", hashlib.sha256(sign_in.encode()).hexdigest())
    if right:
        _counters().ask(lambda counter: counter.clear(CURRENT_PASSWORD, *names))
        return CURRENT_PASSWORD.amount
    stats = _counters().ask(lambda counter: counter.get_window_stats(CURRENT_PASSWORD, *names))
    return stats.remaining


def _test(item: RateLimitItem, names: tuple[str, ...], counter: MovingWindowRateLimiter) -> bool:
    return counter.test(item, *names)


def _pair(account: str, network: str, browser: str) -> tuple[str, str, str]:
    return ("account", account, f"browser {browser}" if browser else network)


def _account(email: str) -> str:
    # whether anybody has that e-mail or not
    return hashlib.sha256(email.strip().lower().encode()).hexdigest()


def _wait(item: RateLimitItem, *names: str) -> int:
    """Return the seconds until one more is allowed."""
    reset = _counters().ask(lambda counter: counter.get_window_stats(item, *names)).reset_time
    return min(max(1, int(reset - time.time()) + 1), item.get_expiry())


def _seconds(count: int) -> str:
    return "1 second" if count == 1 else f"{count} seconds"


def _minutes(seconds: int) -> str:
    if seconds < 60:
        return _seconds(seconds)
    return "a minute" if seconds < 90 else f"{round(seconds / 60)} minutes"


class _Counters:
    """Windows that move: what is refused now is allowed exactly when the oldest one that counts is
    over.
    """

    def __init__(self) -> None:
        self._shared = MovingWindowRateLimiter(limiter.storage)
        self._own = MovingWindowRateLimiter(MemoryStorage())
        self._silent_until = 0.0

    def ask(self, question: Callable[[MovingWindowRateLimiter], T]) -> T:
        # Flask-Limiter falls back to memory for limits on routes alone, not for whoever asks its
        # storage; and it starts from nothing then
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
