"""Limits of tests, sends, saves and API keys by user, and of sign-ins by account and address.

The limits are Flask-Limiter's. Its decorators stand on the pages (`hub.admin.auth.page_limits`).
What it cannot do is here: to forgive wrong passwords after the right one.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass

from flask import Flask
from flask_limiter import Limiter, RequestLimit
from flask_limiter.util import get_remote_address
from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerMinute

from hub.accounts import limit_storage
from hub.core.config import Config
from hub.core.errors import Refused
from hub.shared.security_log import network_of

limiter = Limiter(get_remote_address, strategy="moving-window")

REST_MINUTES = 5


class TooMany(Refused):
    """Refuse an action that is allowed again in `retry_after` seconds."""

    status = 429

    def __init__(self, why: str, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__("too_many", why)


def init_app(app: Flask, config: Config) -> None:
    """Connect the limiter of an application to its storage."""
    uri = config.redis_url.replace("unix://", "redis+unix://", 1)
    app.config.update(
        RATELIMIT_STORAGE_URI=f"{limit_storage.SCHEME}{uri}",
        RATELIMIT_STORAGE_OPTIONS={"socket_timeout": 0.1},
        RATELIMIT_KEY_PREFIX="hub",
    )
    limiter.init_app(app)


@dataclass(frozen=True)
class Limit:
    """Limit how often something is done by one user, with the two halves of the refusal."""

    name: str
    rate: str
    done: str
    again: str

    def refusal(self, breach: RequestLimit) -> TooMany:
        """Return the refusal of one more."""
        wait = seconds_left(breach)
        return TooMany(
            f"You have {self.done} in a minute. Wait {_seconds(wait)} and {self.again}.", wait
        )


TEST = Limit(
    "test",
    "5 per minute",
    "tested the connection 5 times",
    "test again. Your entries are still here",
)
SEND = Limit(
    "send",
    "5 per minute",
    "sent 5 test messages",
    "send again. Your entries are still here",
)
SAVE = Limit(
    "save",
    "10 per minute",
    "saved the connection 10 times",
    "save again. Your entries are still here",
)
KEYS = Limit("keys", "10 per minute", "changed API keys 10 times", "try again")


@dataclass(frozen=True)
class FailedSignIns:
    """Limit failed sign-ins of one network, or to one account from many networks."""

    name: str
    rate: str
    what: str

    def refusal(self, breach: RequestLimit) -> TooMany:
        """Return the refusal of one more."""
        wait = seconds_left(breach)
        hint = f"Wait {_minutes(wait)}, or use a browser that you signed in with before."
        return TooMany(f"{self.what} {hint}", wait)


NETWORK = FailedSignIns(
    "address", f"20 per {REST_MINUTES} minutes", "Too many failed sign-ins from your network."
)
ACCOUNT = FailedSignIns(
    "guessed", "300 per hour", "Too many failed sign-ins to this account."
)  # many addresses guess together

# wrong passwords: of an account from one network, or in one browser that it knows
PAIR = RateLimitItemPerMinute(5, REST_MINUTES)
CURRENT_PASSWORD = RateLimitItemPerDay(5)  # of one sign-in


def seconds_left(breach: RequestLimit) -> int:
    """Return the seconds until one more is allowed."""
    return _until(breach.window.reset_time, breach.limit)


def account_key(email: str) -> str:
    """Return the key of an account, whether anybody has that email address or not."""
    return hashlib.sha256(email.strip().lower().encode()).hexdigest()


def begin_sign_in(email: str, address: str, browser: str = "") -> None:
    """Count an attempt before its password is checked, so that many at once gain nothing.

    `browser` is the id of a browser that this account knows: only its own attempts count.
    Raises TooMany.
    """
    pair = _pair(email, address, browser)
    if not limiter.limiter.hit(PAIR, *pair):
        wait = _until(limiter.limiter.get_window_stats(PAIR, *pair).reset_time, PAIR)
        raise TooMany(
            f"You entered 5 wrong passwords. Wait {_minutes(wait)}, then sign in again.", wait
        )


def end_sign_in(email: str, address: str, browser: str = "", *, known: bool) -> int:
    """Note the result of an attempt: a successful one is forgiven. Returns how many are left."""
    pair = _pair(email, address, browser)
    if known:
        limiter.limiter.clear(PAIR, *pair)
        return PAIR.amount
    return limiter.limiter.get_window_stats(PAIR, *pair).remaining


def begin_current_password(sign_in: str) -> bool:
    """Count a use of the current password before it is checked; tell whether one more is allowed.

    `sign_in` is the token of the browser's sign-in.
    """
    return limiter.limiter.hit(CURRENT_PASSWORD, *_current(sign_in))


def end_current_password(sign_in: str, *, right: bool) -> int:
    """Note whether the current password was right, which is forgiven; return how many are left."""
    names = _current(sign_in)
    if right:
        limiter.limiter.clear(CURRENT_PASSWORD, *names)
        return CURRENT_PASSWORD.amount
    return limiter.limiter.get_window_stats(CURRENT_PASSWORD, *names).remaining


def _current(sign_in: str) -> tuple[str, str]:
    return ("current", hashlib.sha256(sign_in.encode()).hexdigest())


def _pair(email: str, address: str, browser: str) -> tuple[str, str, str]:
    place = f"browser {browser}" if browser else network_of(address)
    return ("account", account_key(email), place)


def _until(reset_time: float, item: RateLimitItem) -> int:
    return min(max(1, int(reset_time - time.time()) + 1), item.get_expiry())


def _seconds(count: int) -> str:
    return "1 second" if count == 1 else f"{count} seconds"


def _minutes(seconds: int) -> str:
    if seconds < 60:
        return _seconds(seconds)
    return "a minute" if seconds < 90 else f"{round(seconds / 60)} minutes"
