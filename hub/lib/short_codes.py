"""Make the codes of short links, and the digests that are stored in their place."""

from __future__ import annotations

import hashlib
import secrets
import string

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
LENGTH = 11  # 62 ** 11 is more than 2 ** 65
SAMPLE = "4uR8kW2mXqB"  # in previews; its link is valid with a probability of 2 ** -65
DIGEST_SIZE = 32


def new_code() -> str:
    """Return a new random code of LENGTH characters, each equally probable."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def digest_of(code: str) -> bytes:
    """Return the SHA-256 digest of a code, or of any text in the place of one."""
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).digest()
