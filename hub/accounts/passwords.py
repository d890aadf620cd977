"""Passwords: what is accepted, how they are kept, how one is checked."""

from __future__ import annotations

import re
import threading
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from hub.core.errors import Refused

SHORTEST = 10
ADVICE = "Four unrelated words make a good password."
PRODUCT = {"signpost", "hub"}
# four words, as we advise, which everybody knows; zxcvbn does not list it
FAMOUS = {"correcthorsebatterystaple"}
SHORTEST_WORD = 3  # of a name
LEAST_REST = 7  # letters and digits beside the words that others know
# zxcvbn's scores: 3 and 4 stand for at least 100 million guesses
LEAST_SCORE = 3
MOST_LOOKED_AT = 72
LONGEST = 1000  # argon2 takes more, but nobody types it
# OWASP's second choice: 19 MiB and 2 passes take 20 ms, and eight sign-ins at once still fit into a
# small machine https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_one_at_a_time = threading.Lock()


def check_strength(password: str, email: str, name: str = "", *, field: str = "password") -> None:
    """Refuse a password that is easy to guess. There are no rules about kinds of characters."""
    if len(password) < SHORTEST:
        raise Refused(
            "password_too_short", f"Use at least {SHORTEST} characters. {ADVICE}", field=field
        )
    if len(password) > LONGEST:
        raise Refused("password_too_long", f"Use at most {LONGEST} characters.", field=field)
    words = _words_about(email, name)
    if _is_made_of(password, {email.lower(), *words}):
        why = (
            "This password contains your name, your email address or the name of this"
            f" product. {ADVICE}"
        )
        raise Refused("password_is_personal", why, field=field)
    if found := _weakness(password, words):
        raise Refused("password_too_common", f"{found} {ADVICE}", field=field)


def _words_about(email: str, name: str) -> set[str]:
    """Return the words that somebody who knows the user would try first."""
    parts = re.split(r"[\W_]+", f"{email} {name}".lower())
    return {part for part in parts if len(part) >= SHORTEST_WORD} | PRODUCT


def _is_made_of(password: str, words: set[str]) -> bool:
    """Tell whether little is left of a password without these words."""
    rest = password.lower()
    for word in sorted(words, key=len, reverse=True):
        rest = rest.replace(word, "")
    return rest != password.lower() and len(re.sub(r"[\W_]+", "", rest)) < LEAST_REST


def _weakness(password: str, words: set[str]) -> str:
    """Say why a password is easy to guess, or ""; asks zxcvbn, whose lists have 90,000 words."""
    if re.sub(r"[\W_]+", "", password.lower()) in FAMOUS:
        return "This is one of the most common passwords."
    from zxcvbn import zxcvbn  # 14 MB, which only the rare choice of a password needs

    with _one_at_a_time:  # it keeps the words in a variable of its module
        found = zxcvbn(password[:MOST_LOOKED_AT], sorted(words))
    if found["score"] >= LEAST_SCORE:
        return ""
    matches = found["sequence"]
    if len(matches) == 1 and matches[0].get("dictionary_name") == "passwords":
        return "This is one of the most common passwords."
    if any(match.get("dictionary_name") == "passwords" for match in matches):
        return "This password is similar to a common one."
    return "This password is easy to guess."


def hash_password(password: str) -> str:
    """Return what is stored of a password."""
    return HASHER.hash(password)


def matches_hash(stored: str, password: str) -> bool:
    """Tell whether a password is the stored one.

    Takes as long when there is none stored, so that nobody learns who exists.
    """
    try:
        HASHER.verify(stored or _nobodys(), password[: LONGEST + 1])
    except (VerificationError, InvalidHashError):
        return False
    return bool(stored)


def needs_rehash(stored: str) -> bool:
    """Tell whether a stored password was hashed with other parameters than today's."""
    return HASHER.check_needs_rehash(stored)


@cache
def _nobodys() -> str:
    return HASHER.hash("a password that opens nothing")
