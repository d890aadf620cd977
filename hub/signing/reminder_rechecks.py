"""Let the chore of reminders check the signers of open requests again, because settings changed.

A source may have 100,000 open requests. They are marked in batches, each in a transaction of its
own, so that no other write waits for long. The position is stored with the source, so that another
process continues after a crash.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import exists, select, update

from hub.core.vocabulary import RequestState, SignerState
from hub.db.engine import db
from hub.db.store import transaction, wake
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.state.database_clock import read_clock
from hub.models import Signer, SigningRequest, Source

BATCH = 500  # requests
BEGIN = ""  # the position before the first request
OWING = tuple(state.value for state in SignerState if state.has_not_signed)


@transaction
def begin(source_id: str) -> None:
    """Mark the signers of all open requests of a source; the first batch at once."""
    db.session.execute(
        update(Source)
        .where(Source.id == source_id)
        .values(reminders_position=BEGIN)
        .execution_options(synchronize_session=False)
    )
    _mark_next(source_id)
    wake("chores")


def is_due() -> bool:
    """Return whether requests of a source are to be marked. Reads only."""
    return bool(db.session.scalar(select(exists().where(Source.reminders_position.is_not(None)))))


def mark_all(stopping: ShutdownSignal) -> int:
    """Mark the signers of all open requests whose settings changed; return their number."""
    pending = select(Source.id).where(Source.reminders_position.is_not(None)).order_by(Source.id)
    source_ids = db.session.scalars(pending).all()
    db.session.rollback()
    marked = 0
    for source_id in source_ids:
        while not stopping.is_due and (count := mark_next(source_id)) is not None:
            marked += count
    return marked


@transaction
def mark_next(source_id: str) -> int | None:
    """Mark the next batch of a source; return the number of signers, or None if all are done."""
    return _mark_next(source_id)


def _mark_next(source_id: str) -> int | None:
    own = select(Source.reminders_position).where(Source.id == source_id)
    position = db.session.scalar(own.with_for_update())
    if position is None:
        return None
    open_requests = select(SigningRequest.id).where(
        SigningRequest.source_id == source_id, SigningRequest.state == RequestState.OPEN.value
    )
    if position != BEGIN:
        open_requests = open_requests.where(SigningRequest.id > position)
    batch = db.session.scalars(open_requests.order_by(SigningRequest.id).limit(BATCH)).all()
    count = _mark_signers(batch) if batch else 0
    following = batch[-1] if len(batch) == BATCH else None
    db.session.execute(
        update(Source)
        .where(Source.id == source_id)
        .values(reminders_position=following)
        .execution_options(synchronize_session=False)
    )
    return count


def _mark_signers(request_ids: Sequence[str]) -> int:
    """Let the chore of reminders check the pending signers of requests now."""
    result = db.session.execute(
        update(Signer)
        .where(Signer.request_id.in_(request_ids), Signer.state.in_(OWING))
        .values(remind_at=read_clock())
        .execution_options(synchronize_session=False)
    )
    return int(getattr(result, "rowcount", 0))
