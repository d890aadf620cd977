"""Settling receipts: read, applied in batches, tried again for a while when what they are about is not known yet."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select

from hub import live
from hub.errors import HubError
from hub.extensions import db
from hub.intake.receipts import request_of
from hub.integrations.base import StatusUpdate
from hub.messaging import statuses
from hub.messaging.drain import Stopping
from hub.messaging.statuses import Origin
from hub.models import Connection, Receipt
from hub.models.types import now
from hub.store import transaction

log = structlog.get_logger(__name__)

BATCH = 200
LOOK_FOR = timedelta(minutes=10)  # a callback may be faster than our own record, not by more than this
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 60.0
IDLE_PAUSE = 0.025
LINGER_SECONDS = 20.0


def due() -> bool:
    """Tell whether a receipt waits to be settled. Reads only."""
    return db.session.scalar(select(Receipt.id).where(Receipt.due_at <= now()).limit(1)) is not None


def drain(stopping: Stopping, linger: float = LINGER_SECONDS) -> int:
    """Settle what is due until nothing comes for a while; return how many receipts were looked at."""
    settled, idle_since = 0, time.monotonic()
    while not stopping.now:
        waiting = due()
        db.session.rollback()
        count = batch() if waiting else 0
        settled += count
        if count:
            idle_since = time.monotonic()
        elif time.monotonic() - idle_since >= linger:
            break
        else:
            time.sleep(IDLE_PAUSE)
    return settled


@transaction
def batch() -> int:
    """Settle up to BATCH receipts in one transaction; one that fails keeps its error and does not hold the others."""
    query = select(Receipt).where(Receipt.due_at <= now()).order_by(Receipt.due_at).limit(BATCH).with_for_update(skip_locked=True)
    receipts = list(db.session.scalars(query))
    for receipt in receipts:
        receipt.tries += 1
        try:
            with db.session.begin_nested():
                matched = apply(receipt)
        except Exception as problem:  # whatever it is, the others go on, and this one shows why
            receipt.error = str(problem) if isinstance(problem, HubError) else f"A fault of Signpost’s own: {type(problem).__name__}."
            receipt.due_at = _again(receipt)
            log.exception("receipt.failed", receipt=receipt.id)
            continue
        receipt.error = "" if matched else "It is about a message that this hub does not know."
        receipt.due_at = None if matched else _again(receipt)
    return len(receipts)


def _again(receipt: Receipt) -> datetime | None:
    age = now() - receipt.received_at
    pause = min(FIRST_PAUSE * 2 ** (receipt.tries - 1), LONGEST_PAUSE)
    return now() + timedelta(seconds=pause) if age < LOOK_FOR else None


def apply(receipt: Receipt) -> bool:
    """Apply every fact of a receipt. False when a message it is about is not known, or not its connection's."""
    if receipt.connection_id is None:
        return True  # verified by no connection's secret: kept, and changes nothing
    connection = db.session.get_one(Connection, receipt.connection_id)
    origin = Origin("callback", receipt.request["connections"], receipt.id)
    facts = live.instance(connection).facts(request_of(receipt))
    matched = [statuses.apply(fact, origin) for fact in facts if isinstance(fact, StatusUpdate)]
    return all(matched)
