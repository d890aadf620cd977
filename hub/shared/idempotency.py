"""Idempotency: an equal key and body get the same response, stored in the request's transaction."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import bindparam, delete, select

from hub.core.errors import Conflict, Refused
from hub.db import locks
from hub.db.compiled_sql import Statement, get_table
from hub.db.encrypted_fields import IDEMPOTENT_RESPONSE
from hub.db.engine import db
from hub.db.optimistic_transaction import optimistic
from hub.db.store import read, transaction, write
from hub.db.types import keyring, now
from hub.lib.crypto import digest
from hub.models import IdempotencyKey
from hub.shared import clock_check
from hub.shared.index_key import index_key

MAX_KEY_LENGTH = 255
WAIT_SECONDS = 2.0
RETENTION = timedelta(days=7)
MAX_DELETED_AT_ONCE = 1000


def run_once_per_key(
    api_key_id: str,
    path: str,
    key: str,
    body: bytes,
    status: int,
    change: Callable[[], dict[str, Any]],
    *,
    prepare_ahead: bool = False,
) -> tuple[dict[str, Any], bool]:
    """Run a change once per key; return its response, and whether it was stored by an earlier
    request.

    `prepare_ahead` prepares the change before the lock is acquired (see `optimistic`).
    """
    if not key:
        # the response is computed in the transaction: without one nothing is stored
        return change() if prepare_ahead else transaction(change)(), False
    if len(key) > MAX_KEY_LENGTH or not key.isprintable():
        raise Refused(
            "bad_idempotency_key",
            f"Use at most {MAX_KEY_LENGTH} printable characters.",
            field="Idempotency-Key",
        )
    with locks.hold_lock(f"{api_key_id} {path} {key}", WAIT_SECONDS) as is_first:
        if not is_first:
            raise Conflict(
                "still_running",
                "A request with this Idempotency-Key is still in progress. Retry in a few seconds.",
                field="Idempotency-Key",
            )
        run_once = optimistic(_run_once) if prepare_ahead else transaction(_run_once)
        return run_once(
            api_key_id, path, key, hmac.digest(index_key(), body, "sha256"), status, change
        )


def _run_once(
    api_key_id: str,
    path: str,
    key: str,
    body_hmac: bytes,
    status: int,
    change: Callable[[], dict[str, Any]],
) -> tuple[dict[str, Any], bool]:
    key_values = {"api_key_id": api_key_id, "path": path, "key_digest": digest(key)}
    row_id = f"{api_key_id}{path}{digest(key).hex()}"
    stored = read(_SELECT, **key_values)
    if stored and now() - stored[0][0] <= RETENTION:
        _, stored_hmac, encrypted = stored[0]
        if not hmac.compare_digest(stored_hmac, body_hmac):
            raise Refused(
                "idempotency_mismatch",
                "This Idempotency-Key was already used with a different body. Use a new key"
                " for a new request.",
                field="Idempotency-Key",
            )
        return keyring().open_json(IDEMPOTENT_RESPONSE, row_id, encrypted), True
    response = change()
    if stored:
        write(_DELETE, key_values)
    encrypted = keyring().seal_json(IDEMPOTENT_RESPONSE, row_id, response)
    write(
        _INSERT,
        {
            **key_values,
            "body_hmac": body_hmac,
            "status": status,
            "answer": encrypted,
            "created_at": now(),
        },
    )
    return response, False


table = get_table(IdempotencyKey)
_SAME_KEY = [table.c[name] == bindparam(name) for name in ("api_key_id", "path", "key_digest")]
_SELECT = Statement(select(table.c.created_at, table.c.body_hmac, table.c.answer).where(*_SAME_KEY))
_DELETE = Statement(delete(table).where(*_SAME_KEY))
_INSERT = Statement.insert(table)


def delete_old_responses() -> int:
    """Delete expired responses, a limited number at once; return the number."""
    return _delete_old() if clock_check.is_trusted() else 0


@transaction
def _delete_old() -> int:
    expired_ids = list(
        db.session.scalars(
            select(IdempotencyKey)
            .where(IdempotencyKey.created_at < now() - RETENTION)
            .limit(MAX_DELETED_AT_ONCE)
        )
    )
    for row in expired_ids:
        db.session.delete(row)
    return len(expired_ids)
