"""Tokens that do one thing once: in links that we give away, and behind the buttons of messages.

A token is 16 random bytes and 16 that only this hub can have made of them, 43 characters of
`A-Za-z0-9_-`; what is stored is its digest.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta

from sqlalchemy import select

from hub.db.compiled_sql import Statement, table_of
from hub.db.engine import db
from hub.db.store import transaction, write
from hub.db.types import now
from hub.lib.crypto import blind_index, digest
from hub.models import ActionToken
from hub.shared.index_key import index_key

RANDOM = 16  # bytes


@transaction
def make_token(
    kind: str,
    subject: str,
    lasts: timedelta,
    *,
    event_id: str | None = None,
    connection_id: str | None = None,
) -> str:
    """Return a new token of a kind, for what has the id `subject`."""
    nonce = secrets.token_bytes(RANDOM)
    token = urlsafe_b64encode(nonce + _proof(nonce)).decode().rstrip("=")
    moment = now()
    write(
        _ADD,
        {
            "digest": digest(token),
            "kind": kind,
            "subject": subject,
            "connection_id": connection_id,
            "event_id": event_id,
            "created_at": moment,
            "expires_at": moment + lasts,
            "used_at": None,
            "used_by": "",
            "outcome": "",
        },
    )
    return token


_ADD = Statement.insert(table_of(ActionToken))


def find_token(
    token: str, *kinds: str, lock: bool = False, proven: bool = True
) -> ActionToken | None:
    """Return what a token stands for, used up and expired ones too; None for one that we did not
    make, or not for these kinds.

    `proven` False takes tokens from before they carried a proof.
    """
    if proven and not is_genuine(token):
        return None
    query = (
        select(ActionToken)
        .where(ActionToken.digest == digest(token), ActionToken.kind.in_(kinds))
        .execution_options(populate_existing=True)
    )
    return db.session.scalar(query.with_for_update() if lock else query)


def is_open(action: ActionToken | None) -> bool:
    """Tell whether a token can still be used."""
    return action is not None and action.used_at is None and action.expires_at > now()


def is_genuine(token: str) -> bool:
    """Tell whether this hub made a token; what was made up is not even looked for."""
    try:
        made = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except ValueError:
        return False
    return len(made) == 2 * RANDOM and hmac.compare_digest(made[RANDOM:], _proof(made[:RANDOM]))


def _proof(nonce: bytes) -> bytes:
    return blind_index(index_key(), "token", nonce.hex())[:RANDOM]
