"""Rate limits of tests, sends, saves and API keys per user, and of sign-ins per account and
network.

Flask-Limiter enforces them with the decorators in `hub.admin.auth.page_rate_limits`. This module
adds what it lacks: clearing failed attempts after a correct password.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass

from flask import Flask, current_app
from flask_limiter import Limiter, RequestLimit
from flask_limiter.util import get_remote_address
from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerMinute

from hub.accounts import rate_limit_storage
from hub.core.config import Config
from hub.core.errors import Refused
from hub.shared.security_log import find_network

limiter = Limiter(get_remote_address, strategy="moving-window")

LOCKOUT_MINUTES = 5


class RateLimited(Refused):
    """Raised for an action that is rate-limited. It is allowed again in `retry_after` seconds."""

    status = 429

    def __init__(self, why: str, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__("too_many", why)


def init_app(app: Flask, config: Config) -> None:
    """Connect the limiter of an application to its storage."""
    uri = config.redis_url.replace("unix://", "redis+unix://", 1)
    app.config.update(
        RATELIMIT_STORAGE_URI=f"{rate_limit_storage.SCHEME}{uri}",
        RATELIMIT_STORAGE_OPTIONS={"socket_timeout": 0.1},
        RATELIMIT_KEY_PREFIX="hub",
    )
    limiter.init_app(app)


@dataclass(frozen=True)
class UserRateLimit:
    """A limit per user: `rate`, and the two parts of its error message."""

    name: str
    rate: str
    action_text: str
    retry_text: str

    def make_error(self, breach: RequestLimit) -> RateLimited:
        """Return the error for an exceeded limit."""
        wait = seconds_left(breach)
        return RateLimited(
            f"You have {self.action_text} in a minute. Wait {_format_seconds(wait)} and"
            f" {self.retry_text}.",
            wait,
        )


TEST = UserRateLimit(
    "test",
    "5 per minute",
    "tested the connection 5 times",
    "test again. Your entries are still here",
)
SEND = UserRateLimit(
    "send",
    "5 per minute",
    "sent 5 test messages",
    "send again. Your entries are still here",
)
SAVE = UserRateLimit(
    "save",
    "10 per minute",
    "saved the connection 10 times",
    "save again. Your entries are still here",
)
KEYS = UserRateLimit("keys", "10 per minute", "changed API keys 10 times", "try again")
WEBHOOKS = UserRateLimit("webhooks", "10 per minute", "changed webhooks 10 times", "try again")
LINK_SHORTENERS = UserRateLimit(
    "link_shorteners", "10 per minute", "changed a link shortener 10 times", "try again"
)
TEST_EVENTS = UserRateLimit("test_events", "10 per minute", "sent 10 test events", "try again")
# from one network, because visitors of this page have no account
VERIFY = UserRateLimit("verify", "20 per minute", "verified 20 files", "try again")


@dataclass(frozen=True)
class FailedSignInLimit:
    """A limit on failed sign-ins, from one network or to one account."""

    name: str
    rate: str
    message: str

    def make_error(self, breach: RequestLimit) -> RateLimited:
        """Return the error for an exceeded limit."""
        wait = seconds_left(breach)
        hint = f"Wait {_format_minutes(wait)}, or use a browser that you signed in with before."
        return RateLimited(f"{self.message} {hint}", wait)


NETWORK = FailedSignInLimit(
    "address", f"20 per {LOCKOUT_MINUTES} minutes", "Too many failed sign-ins from your network."
)
ACCOUNT = FailedSignInLimit(
    "guessed", "300 per hour", "Too many failed sign-ins to this account."
)  # for distributed password guessing

WRONG_LINKS = "20 per 5 minutes"  # links with a wrong token, from one network
# short links that open nothing, from one bucket of networks
WRONG_CODES = RateLimitItemPerMinute(60, 5)
BUCKET_BYTES = 2  # so at most 65,536 counters exist, however many networks try
# wrong passwords per account and network, or per account and known browser
SIGN_IN_LIMIT = RateLimitItemPerMinute(5, LOCKOUT_MINUTES)
CURRENT_PASSWORD = RateLimitItemPerDay(5)  # of one sign-in


def wrong_links_error(breach: RequestLimit) -> RateLimited:
    """Return the error for too many wrong links."""
    wait = seconds_left(breach)
    return RateLimited(
        "Too many links that are not valid were opened from your network."
        f" Wait {_format_minutes(wait)}, then open the link again.",
        wait,
    )


def may_try_code(network: str) -> bool:
    """Return whether a network may open another short link."""
    return limiter.limiter.test(WRONG_CODES, "short_links", _bucket(network))


def count_wrong_code(network: str) -> None:
    """Count a short link that opens nothing."""
    limiter.limiter.hit(WRONG_CODES, "short_links", _bucket(network))


def _bucket(network: str) -> str:
    """Return the bucket of a network, which outsiders cannot choose or predict."""
    key = hashlib.sha256(current_app.extensions["hub.config"].secret_key.encode()).digest()
    return hashlib.blake2b(network.encode(), key=key, digest_size=BUCKET_BYTES).hexdigest()


def seconds_left(breach: RequestLimit) -> int:
    """Return the seconds until the limit resets."""
    return _seconds_until_reset(breach.window.reset_time, breach.limit)


def account_key(email: str) -> str:
    """Return the rate-limit key of an email address, with or without an account."""
    return hashlib.sha256(email.strip().lower().encode()).hexdigest()


def count_sign_in_attempt(email: str, address: str, browser: str = "") -> None:
    """Count a sign-in attempt before its password is checked, so that concurrent attempts cannot
    exceed the limit.

    `browser` is the ID of a browser that this account knows: only its own attempts count.
    Raises TooMany.
    """
    pair = _sign_in_limit_key(email, address, browser)
    if not limiter.limiter.hit(SIGN_IN_LIMIT, *pair):
        wait = _seconds_until_reset(
            limiter.limiter.get_window_stats(SIGN_IN_LIMIT, *pair).reset_time, SIGN_IN_LIMIT
        )
        raise RateLimited(
            f"You entered 5 wrong passwords. Wait {_format_minutes(wait)}, then sign in again.",
            wait,
        )


def finish_sign_in_attempt(email: str, address: str, browser: str = "", *, known: bool) -> int:
    """Clear the counter after a correct password; return the number of attempts left."""
    pair = _sign_in_limit_key(email, address, browser)
    if known:
        limiter.limiter.clear(SIGN_IN_LIMIT, *pair)
        return SIGN_IN_LIMIT.amount
    return limiter.limiter.get_window_stats(SIGN_IN_LIMIT, *pair).remaining


def count_password_attempt(sign_in: str) -> bool:
    """Count an attempt with the current password before it is checked; return whether it is
    allowed.

    `sign_in` is the token of the browser's sign-in.
    """
    return limiter.limiter.hit(CURRENT_PASSWORD, *_password_limit_key(sign_in))


def finish_password_attempt(sign_in: str, *, is_correct: bool) -> int:
    """Clear the counter after a correct current password; return the number of attempts left."""
    names = _password_limit_key(sign_in)
    if is_correct:
        limiter.limiter.clear(CURRENT_PASSWORD, *names)
        return CURRENT_PASSWORD.amount
    return limiter.limiter.get_window_stats(CURRENT_PASSWORD, *names).remaining


def _password_limit_key(sign_in: str) -> tuple[str, str]:
    return ("current", hashlib.sha256(sign_in.encode()).hexdigest())


def _sign_in_limit_key(email: str, address: str, browser: str) -> tuple[str, str, str]:
    client = f"browser {browser}" if browser else find_network(address)
    return ("account", account_key(email), client)


def _seconds_until_reset(reset_time: float, item: RateLimitItem) -> int:
    return min(max(1, int(reset_time - time.time()) + 1), item.get_expiry())


def _format_seconds(count: int) -> str:
    return "1 second" if count == 1 else f"{count} seconds"


def _format_minutes(seconds: int) -> str:
    if seconds < 60:
        return _format_seconds(seconds)
    return "a minute" if seconds < 90 else f"{round(seconds / 60)} minutes"
