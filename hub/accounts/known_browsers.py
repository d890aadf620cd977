"""Browsers that a user has signed in with before, recognized by a signed cookie.

Their sign-ins have their own limits, so that wrong passwords from elsewhere never lock an
account for its own user. See
https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies
"""

from __future__ import annotations

import secrets

from flask import current_app
from itsdangerous import BadSignature, URLSafeTimedSerializer

from hub.lib.crypto import blind_index

COOKIE = "signpost_browser"
LIFETIME = 400 * 86400  # seconds, the maximum of browsers
MAX_ACCOUNTS = 5  # of one browser


def find_known_browser(cookie: str, email: str) -> str:
    """Return the browser's ID if this account has signed in with it, or ""."""
    browser, accounts = _read(cookie)
    return browser if _account_key(email) in accounts else ""


def add_account_to_cookie(cookie: str, email: str) -> str:
    """Return the cookie of a browser after an account has signed in with it."""
    browser, accounts = _read(cookie)
    account = _account_key(email)
    others = [other for other in accounts if other != account][: MAX_ACCOUNTS - 1]
    return str(_signer().dumps([browser or secrets.token_urlsafe(12), [account, *others]]))


def _read(cookie: str) -> tuple[str, list[str]]:
    try:
        browser, accounts = _signer().loads(cookie, max_age=LIFETIME)
    except (BadSignature, ValueError, TypeError):
        return "", []
    return browser, accounts


def _account_key(email: str) -> str:
    key = str(current_app.secret_key).encode()
    return blind_index(key, "browser", email.strip().lower()).hex()[:24]


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.secret_key or "", salt="browser")
