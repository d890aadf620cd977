"""Idempotency: the same key and body get the same answer, which is stored in the request's own transaction."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select

from hub import locks
from hub.crypto import digest
from hub.errors import Conflict, Refused
from hub.extensions import db
from hub.models import Idempotency
from hub.models.types import now
from hub.store import index_key, transaction

LONGEST_KEY = 255
WAIT_SECONDS = 2.0
KEPT = timedelta(days=7)
FORGOTTEN_AT_ONCE = 1000


def once(api_key_id: str, path: str, key: str, body: bytes, status: int, run: Callable[[], dict[str, Any]]) -> tuple[dict[str, Any], bool]:
    """Run a change once per key; return its answer, and whether that is a repeated one.

    Raises Refused when the key came with another body before, Conflict while the first request still runs.
    """
    if not key:
        return run(), False
    if len(key) > LONGEST_KEY or not key.isprintable():
        raise Refused("bad_idempotency_key", f"Give at most {LONGEST_KEY} printable characters.", field="Idempotency-Key")
    body_hmac = hmac.digest(index_key(), body, "sha256")
    with locks.held(f"{api_key_id} {path} {key}", WAIT_SECONDS) as first:
        if not first:
            raise Conflict("still_running", "A request with this Idempotency-Key is still running. Repeat this one in a few seconds.",
                           field="Idempotency-Key")  # fmt: skip
        db.session.rollback()  # what was read before the wait may be old: the first request has been answered meanwhile
        kept = db.session.get(Idempotency, (api_key_id, path, digest(key)))
        if kept is None or now() - kept.created_at > KEPT:
            return _run_and_keep(api_key_id, path, key, body_hmac, status, run), False
        if not hmac.compare_digest(kept.body_hmac, body_hmac):
            raise Refused("idempotency_mismatch", "This Idempotency-Key came with another body before. Use a new key for a new request.",
                          field="Idempotency-Key")  # fmt: skip
        answer: dict[str, Any] = kept.answer
        return answer, True


@transaction
def _run_and_keep(api_key_id: str, path: str, key: str, body_hmac: bytes, status: int, run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    answer = run()
    db.session.execute(delete(Idempotency).where(
        Idempotency.api_key_id == api_key_id, Idempotency.path == path, Idempotency.key_digest == digest(key)))  # fmt: skip
    row = Idempotency(api_key_id=api_key_id, path=path, key_digest=digest(key), body_hmac=body_hmac, status=status, created_at=now())
    row.answer = answer
    db.session.add(row)
    return answer


@transaction
def forget() -> int:
    """Remove stored answers that are older than they are kept; return how many of them, a bounded number at once."""
    old = list(db.session.scalars(select(Idempotency).where(Idempotency.created_at < now() - KEPT).limit(FORGOTTEN_AT_ONCE)))
    for row in old:
        db.session.delete(row)
    return len(old)
