"""Tokens for one action, in links that the hub sends and behind buttons of messages.

A token consists of 16 random bytes and 16 that only this hub can compute, written in 43 characters
of `A-Za-z0-9_-`. Only its digest is stored.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta

from sqlalchemy import select

from hub.db.compiled_sql import Statement, get_table
from hub.db.engine import db
from hub.db.store import transaction, write
from hub.db.types import now
from hub.lib.crypto import blind_index, digest
from hub.models import ActionToken
from hub.shared.index_key import index_key

NONCE_BYTES = 16


@transaction
def make_token(
    kind: str,
    subject: str,
    lifetime: timedelta,
    *,
    event_id: str | None = None,
    connection_id: str | None = None,
) -> str:
    """Return a new token of a kind for the object with the ID `subject`."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    token = urlsafe_b64encode(nonce + _proof(nonce)).decode().rstrip("=")
    created_at = now()
    write(
        _INSERT,
        {
            "digest": digest(token),
            "kind": kind,
            "subject": subject,
            "connection_id": connection_id,
            "event_id": event_id,
            "created_at": created_at,
            "expires_at": created_at + lifetime,
            "used_at": None,
            "used_by": "",
            "outcome": "",
        },
    )
    return token


_INSERT = Statement.insert(get_table(ActionToken))


def find_token(
    token: str, *kinds: str, lock: bool = False, require_proof: bool = True
) -> ActionToken | None:
    """Return the stored action of a token, also if it is used or expired.

    It is None for a token that this hub did not create, or not of these kinds. `require_proof`
    False accepts tokens without a proof, from older versions.
    """
    if require_proof and not is_genuine(token):
        return None
    query = (
        select(ActionToken)
        .where(ActionToken.digest == digest(token), ActionToken.kind.in_(kinds))
        .execution_options(populate_existing=True)
    )
    return db.session.scalar(query.with_for_update() if lock else query)


def is_open(action: ActionToken | None) -> bool:
    """Return whether a token can still be used."""
    return action is not None and action.used_at is None and action.expires_at > now()


def is_genuine(token: str) -> bool:
    """Return whether this hub created a token, without a lookup."""
    try:
        decoded = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except ValueError:
        return False
    return len(decoded) == 2 * NONCE_BYTES and hmac.compare_digest(
        decoded[NONCE_BYTES:], _proof(decoded[:NONCE_BYTES])
    )


def _proof(nonce: bytes) -> bytes:
    return blind_index(index_key(), "token", nonce.hex())[:NONCE_BYTES]
