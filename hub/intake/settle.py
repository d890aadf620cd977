"""Settling receipts: read, applied in batches, tried again for a while when what they are about is not known yet."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, cast

import structlog
from sqlalchemy import Table, bindparam, select, update

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
from hub.store import asks_to_rerun, transaction

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
    read = [_read(receipt) for receipt in db.session.scalars(query)]
    _apply([one for one in read if not one.error])
    if read:
        db.session.execute(_SETTLED, [one.settled() for one in read])
        db.session.expire_all()
    return len(read)


@dataclass
class _Read:
    """A receipt in the hands of a batch: the facts it holds, and how it ends."""

    receipt: Receipt
    told: list[tuple[StatusUpdate, Origin]] = field(default_factory=list)
    matched: bool = True
    error: str = ""

    def settled(self) -> dict[str, Any]:
        receipt, tries = self.receipt, self.receipt.tries + 1
        due_at = None if self.matched and not self.error else _again(receipt.received_at, tries)
        error = self.error or ("" if self.matched else "It is about a message that this hub does not know.")
        return {"key": receipt.id, "new_tries": tries, "new_due_at": due_at, "new_error": error}


_receipts = cast(Table, Receipt.__table__)
_SETTLED = (
    update(_receipts).where(_receipts.c.id == bindparam("key"))
    .values(tries=bindparam("new_tries"), due_at=bindparam("new_due_at"), error=bindparam("new_error"))
)  # fmt: skip


def _again(received_at: datetime, tries: int) -> datetime | None:
    pause = min(FIRST_PAUSE * 2 ** (tries - 1), LONGEST_PAUSE)
    return now() + timedelta(seconds=pause) if now() - received_at < LOOK_FOR else None


def _read(receipt: Receipt) -> _Read:
    """Read the facts of a receipt; whatever goes wrong stays with it."""
    if receipt.connection_id is None:
        return _Read(receipt)  # verified by no connection's secret: kept, and changes nothing
    try:
        connection = db.session.get_one(Connection, receipt.connection_id)
        content = receipt.request
        origin = Origin("callback", content["connections"], receipt.id)
        facts = live.instance(connection).facts(request_of(content))
    except Exception as problem:
        if receipt.tries == 0:
            log.exception("receipt.failed", receipt=receipt.id)
        return _Read(receipt, error=_words(problem))
    return _Read(receipt, [(fact, origin) for fact in facts if isinstance(fact, StatusUpdate)])


def _apply(read: list[_Read]) -> None:
    """Apply the facts of many receipts at once; where one spoils it for all, apply them one by one."""
    if not read:
        return
    try:
        with db.session.begin_nested():
            matches = iter(statuses.apply_all([told for one in read for told in one.told]))
        for one in read:
            one.matched = all(list(islice(matches, len(one.told))))
    except Exception as problem:
        if asks_to_rerun(problem):
            raise
        if len(read) > 1:
            for one in read:
                _apply([one])
        else:
            if read[0].receipt.tries == 0:
                log.exception("receipt.failed", receipt=read[0].receipt.id)
            read[0].error = _words(problem)


def _words(problem: Exception) -> str:
    return str(problem) if isinstance(problem, HubError) else f"A fault of Signpost’s own: {type(problem).__name__}."
