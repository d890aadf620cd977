"""Links with which the recipient of a message opts out, without signing in.

A token names a message and holds a proof that only this hub can compute, so nobody can change it
into that of another person. Nothing is stored for it.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

from hub.lib.crypto import blind_index
from hub.shared.index_key import index_key

PROOF_BYTES = 16
PURPOSE = "unsubscribe"  # part of the proof: it must never change


def unsubscribe_token(message_id: str) -> str:
    """Return the token of a message, in 43 characters of `A-Za-z0-9_-`."""
    uuid = UUID(message_id.partition("_")[2]).bytes
    return urlsafe_b64encode(uuid + _proof(uuid)).decode().rstrip("=")


def message_of_token(token: str) -> str | None:
    """Return the ID of the message of a token, or None for a token that this hub did not make."""
    try:
        decoded = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except ValueError:
        return None
    uuid = decoded[:-PROOF_BYTES]
    if len(uuid) != 16 or not hmac.compare_digest(decoded[-PROOF_BYTES:], _proof(uuid)):
        return None
    return f"msg_{UUID(bytes=uuid)}"


def _proof(uuid: bytes) -> bytes:
    return blind_index(index_key(), PURPOSE, uuid.hex())[:PROOF_BYTES]
