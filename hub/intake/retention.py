"""What is kept for a time only: what messages said, and webhooks as they came in. Removed in small batches, oldest first."""

from __future__ import annotations

from datetime import timedelta

import structlog
from flask import current_app
from sqlalchemy import Delete, bindparam, delete, select

from hub.config import Config
from hub.extensions import db
from hub.models import Body, PlatformEvent, Receipt
from hub.models.types import id_at, now
from hub.store import transaction

log = structlog.get_logger(__name__)

AT_ONCE = 500  # rows of one transaction: sending and settling write in between
BATCHES = 20  # of each kind in one run; the next goes on


def run() -> int:
    """Remove what has been kept for long enough; return how many rows."""
    config: Config = current_app.extensions["hub.config"]
    said, came = now() - timedelta(days=config.body_days), now() - timedelta(days=config.receipt_days)
    removed = {
        "bodies": _remove(_BODIES, id_at("msg", said)),
        # what people wrote stands in the platform event too
        "heard": _remove(_HEARD, id_at("pev", said)),
        "receipts": _remove(_RECEIPTS, id_at("rcp", came)),
    }
    if any(removed.values()):
        log.info("retention.removed", **removed)
    return sum(removed.values())


def _remove(statement: Delete, before: str) -> int:
    removed = 0
    for _ in range(BATCHES):
        count = _batch(statement, before)
        removed += count
        if count < AT_ONCE:
            break
    return removed


@transaction
def _batch(statement: Delete, before: str) -> int:
    done = db.session.execute(statement, {"before": before}, execution_options={"synchronize_session": False})
    return int(done.rowcount)  # type: ignore[attr-defined]


# ids sort by time, so the oldest are at the beginning of the primary key
_BODIES = delete(Body).where(Body.owner_id.in_(
    select(Body.owner_id).where(Body.owner_id < bindparam("before")).order_by(Body.owner_id).limit(AT_ONCE)
))  # fmt: skip
_RECEIPTS = delete(Receipt).where(Receipt.id.in_(
    select(Receipt.id).where(Receipt.id < bindparam("before")).order_by(Receipt.id).limit(AT_ONCE)
))  # fmt: skip
_HEARD = delete(PlatformEvent).where(PlatformEvent.id.in_(
    select(PlatformEvent.id).where(PlatformEvent.id < bindparam("before"), PlatformEvent.message_id.is_(None)).order_by(PlatformEvent.id)
    .limit(AT_ONCE)
))  # fmt: skip
