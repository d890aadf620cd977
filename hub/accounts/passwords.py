"""Check the strength of passwords, hash them and verify them."""

from __future__ import annotations

import re
import threading
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from hub.core.errors import Refused

MIN_LENGTH = 10
ADVICE = "Four unrelated words make a good password."
PRODUCT = {"signpost", "hub"}
# a famous example of four words that zxcvbn does not list
FAMOUS = {"correcthorsebatterystaple"}
MIN_WORD_LENGTH = 3  # of a name
MIN_REMAINING = 7  # letters and digits besides words that others know
# zxcvbn's scores 3 and 4 mean at least 100 million guesses
MIN_SCORE = 3
CHECKED_LENGTH = 72
MAX_LENGTH = 1000  # argon2 allows more, but no person enters it
# OWASP's second choice: 19 MiB and 2 passes take 20 ms, so that a small machine can process eight
# sign-ins at once: https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_zxcvbn_lock = threading.Lock()


def check_strength(password: str, email: str, name: str = "", *, field: str = "password") -> None:
    """Refuse a password that is easy to guess. There are no rules for kinds of characters."""
    if len(password) < MIN_LENGTH:
        raise Refused(
            "password_too_short", f"Use at least {MIN_LENGTH} characters. {ADVICE}", field=field
        )
    if len(password) > MAX_LENGTH:
        raise Refused("password_too_long", f"Use at most {MAX_LENGTH} characters.", field=field)
    personal_words = _personal_words(email, name)
    if _consists_of(password, {email.lower(), *personal_words}):
        reason = (
            "This password contains your name, your email address or the name of this"
            f" product. {ADVICE}"
        )
        raise Refused("password_is_personal", reason, field=field)
    if weakness := _find_weakness(password, personal_words):
        raise Refused("password_too_common", f"{weakness} {ADVICE}", field=field)


def _personal_words(email: str, name: str) -> set[str]:
    """Return the words that a person who knows the user would try first."""
    parts = re.split(r"[\W_]+", f"{email} {name}".lower())
    return {part for part in parts if len(part) >= MIN_WORD_LENGTH} | PRODUCT


def _consists_of(password: str, words: set[str]) -> bool:
    """Return whether a password consists mostly of these words."""
    remaining = password.lower()
    for word in sorted(words, key=len, reverse=True):
        remaining = remaining.replace(word, "")
    return remaining != password.lower() and len(re.sub(r"[\W_]+", "", remaining)) < MIN_REMAINING


def _find_weakness(password: str, words: set[str]) -> str:
    """Return why a password is easy to guess, or "". It uses zxcvbn, with lists of 90,000 words."""
    if re.sub(r"[\W_]+", "", password.lower()) in FAMOUS:
        return "This is one of the most common passwords."
    from zxcvbn import zxcvbn  # 14 MB, only needed when a password is chosen

    with _zxcvbn_lock:  # zxcvbn stores the words in a module variable
        result = zxcvbn(password[:CHECKED_LENGTH], sorted(words))
    if result["score"] >= MIN_SCORE:
        return ""
    matches = result["sequence"]
    if len(matches) == 1 and matches[0].get("dictionary_name") == "passwords":
        return "This is one of the most common passwords."
    if any(match.get("dictionary_name") == "passwords" for match in matches):
        return "This password is similar to a common one."
    return "This password is easy to guess."


def hash_password(password: str) -> str:
    """Return the hash of a password to store."""
    return HASHER.hash(password)


def matches_hash(stored: str, password: str) -> bool:
    """Return whether a password matches a stored hash.

    It takes equally long without a stored hash, so that the time does not reveal which users exist.
    """
    try:
        HASHER.verify(stored or _placeholder_hash(), password[: MAX_LENGTH + 1])
    except (VerificationError, InvalidHashError):
        return False
    return bool(stored)


def needs_rehash(stored: str) -> bool:
    """Return whether a stored hash has other parameters than new ones."""
    return HASHER.check_needs_rehash(stored)


@cache
def _placeholder_hash() -> str:
    return HASHER.hash("a password that opens nothing")
