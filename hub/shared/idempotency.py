"""Idempotency: the same key and body get the same answer, which is stored in the request's own
transaction.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import bindparam, delete, select

from hub.core.errors import Conflict, Refused
from hub.db import locks
from hub.db.compiled_sql import Statement, table_of
from hub.db.encrypted_fields import IDEMPOTENT_ANSWER
from hub.db.engine import db
from hub.db.optimistic_transaction import optimistic
from hub.db.store import read, transaction, write
from hub.db.types import keyring, now
from hub.lib.crypto import digest
from hub.models import IdempotencyKey
from hub.shared import clock_check
from hub.shared.index_key import index_key

LONGEST_KEY = 255
WAIT_SECONDS = 2.0
KEPT = timedelta(days=7)
FORGOTTEN_AT_ONCE = 1000


def answer_once(
    api_key_id: str,
    path: str,
    key: str,
    body: bytes,
    status: int,
    run: Callable[[], dict[str, Any]],
    *,
    ahead: bool = False,
) -> tuple[dict[str, Any], bool]:
    """Run a change once per key; return its answer, and whether that is a repeated one.

    `ahead` says that the change can be worked out before the lock is taken, as `optimistic` wants
    it. Raises Refused when the key came with another body before, Conflict while the first request
    still runs.
    """
    if not key:
        # the answer is part of the transaction: what cannot be answered is not stored
        return run() if ahead else transaction(run)(), False
    if len(key) > LONGEST_KEY or not key.isprintable():
        raise Refused(
            "bad_idempotency_key",
            f"Use at most {LONGEST_KEY} printable characters.",
            field="Idempotency-Key",
        )
    with locks.hold_lock(f"{api_key_id} {path} {key}", WAIT_SECONDS) as first:
        if not first:
            raise Conflict(
                "still_running",
                "A request with this Idempotency-Key is still running. Repeat this one in a few"
                " seconds.",
                field="Idempotency-Key",
            )
        change = optimistic(_once) if ahead else transaction(_once)
        return change(api_key_id, path, key, hmac.digest(index_key(), body, "sha256"), status, run)


def _once(
    api_key_id: str,
    path: str,
    key: str,
    body_hmac: bytes,
    status: int,
    run: Callable[[], dict[str, Any]],
) -> tuple[dict[str, Any], bool]:
    name = {"api_key_id": api_key_id, "path": path, "key_digest": digest(key)}
    row = f"{api_key_id}{path}{digest(key).hex()}"
    kept = read(_KEPT, **name)
    if kept and now() - kept[0][0] <= KEPT:
        _, kept_hmac, sealed = kept[0]
        if not hmac.compare_digest(kept_hmac, body_hmac):
            raise Refused(
                "idempotency_mismatch",
                "This Idempotency-Key was used with another body before. Use a new key"
                " for a new request.",
                field="Idempotency-Key",
            )
        return keyring().open_json(IDEMPOTENT_ANSWER, row, sealed), True
    answer = run()
    if kept:
        write(_FORGET, name)
    sealed = keyring().seal_json(IDEMPOTENT_ANSWER, row, answer)
    write(
        _KEEP,
        {**name, "body_hmac": body_hmac, "status": status, "answer": sealed, "created_at": now()},
    )
    return answer, False


table = table_of(IdempotencyKey)
_THIS = [table.c[name] == bindparam(name) for name in ("api_key_id", "path", "key_digest")]
_KEPT = Statement(select(table.c.created_at, table.c.body_hmac, table.c.answer).where(*_THIS))
_FORGET = Statement(delete(table).where(*_THIS))
_KEEP = Statement.insert(table)


def delete_old_answers() -> int:
    """Remove stored answers that are older than they are kept; return how many of them, a bounded
    number at once.
    """
    return _forget() if clock_check.is_right() else 0


@transaction
def _forget() -> int:
    old = list(
        db.session.scalars(
            select(IdempotencyKey)
            .where(IdempotencyKey.created_at < now() - KEPT)
            .limit(FORGOTTEN_AT_ONCE)
        )
    )
    for row in old:
        db.session.delete(row)
    return len(old)
