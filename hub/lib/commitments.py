"""Hash values with a salt, so that a value can be proved later and be forgotten before.

The hash alone reveals nothing, because nobody can try values without the salt.
"""

from __future__ import annotations

import hashlib
import os
from typing import Any

from hub.lib import canonical_json

SALT = 16  # bytes


def new_salt() -> bytes:
    """Return a random salt."""
    return os.urandom(SALT)


def commit(salt: bytes, value: Any) -> bytes:
    """Return the SHA-256 of a salt and the canonical JSON of a value, or of its representable form
    if it has none.
    """
    try:
        encoded = canonical_json.encode(value)
    except ValueError:
        encoded = canonical_json.encode(canonical_json.representable(value))
    return hashlib.sha256(salt + encoded).digest()
