"""Passwords: what is accepted, how they are kept, how one is checked."""

from __future__ import annotations

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from hub.errors import Refused

SHORTEST = 10
LONGEST = 1000  # argon2 takes more, but nobody types it
# OWASP's second choice: 19 MiB and 2 passes take 20 ms, and eight sign-ins at once still fit into a small machine
# https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def check(password: str, email: str, *, field: str = "password") -> None:
    """Refuse a password that is too easy to guess. There are no other rules: they make passwords worse."""
    if len(password) < SHORTEST:
        why = f"Take at least {SHORTEST} characters. Four words that do not belong together are good."
        raise Refused("password_too_short", why, field=field)
    if len(password) > LONGEST:
        raise Refused("password_too_long", f"Take at most {LONGEST} characters.", field=field)
    if password.strip().lower() in (email.lower(), email.lower().partition("@")[0]):
        raise Refused("password_is_email", "This is the e-mail address, which others know. Take another one.", field=field)


def hashed(password: str) -> str:
    """Return what is stored of a password."""
    return HASHER.hash(password)


def matches(stored: str, password: str) -> bool:
    """Tell whether a password is the stored one. Takes as long when there is none stored, so that nobody learns who exists."""
    try:
        HASHER.verify(stored or _nobodys(), password[: LONGEST + 1])
    except (VerificationError, InvalidHashError):
        return False
    return bool(stored)


def outdated(stored: str) -> bool:
    """Tell whether a stored password was hashed with other parameters than today's."""
    return HASHER.check_needs_rehash(stored)


@cache
def _nobodys() -> str:
    return HASHER.hash("a password that opens nothing")
