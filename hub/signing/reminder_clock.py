"""Correct the times of reminders that a process wrote while its clock was ahead."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog
from sqlalchemy import case, literal, or_, select, update

from hub.db.engine import db
from hub.db.store import transaction
from hub.messaging.state.clock_skew import BATCH, FAR, TOLERANCE
from hub.messaging.state.database_clock import read_clock
from hub.models import Signer

log = structlog.get_logger(__name__)


def correct_reminders() -> int:
    """Correct the times of signers that lie ahead; return the number of signers.

    They delay an automatic reminder by as much as the clock was ahead. The latest checks are read,
    which a clock that was far ahead has set. The chore of reminders then computes them again. The
    time of a scheduled event comes from its app, so no clock of a worker can make it wrong.
    """
    current_time = read_clock()
    soon = current_time + TOLERANCE
    latest = (
        select(Signer.id)
        .where(Signer.remind_at > current_time + FAR)
        .order_by(Signer.remind_at.desc())
        .limit(BATCH)
    )
    ids = list(
        db.session.scalars(
            select(Signer.id).where(
                Signer.id.in_(latest), or_(*(column > soon for column in _SIGNER_TIMES))
            )
        )
    )
    db.session.rollback()
    return _correct_signers(ids, current_time, soon) if ids else 0


_SIGNER_TIMES = (Signer.invited_at, Signer.reminded_at, Signer.reminders_handled_at)


@transaction
def _correct_signers(ids: Sequence[str], current_time: datetime, soon: datetime) -> int:
    corrected = {
        column.key: case((column > soon, literal(current_time, column.type)), else_=column)
        for column in _SIGNER_TIMES
    }
    change = update(Signer).where(Signer.id.in_(ids), Signer.remind_at.is_not(None))
    db.session.execute(
        change.values(**corrected, remind_at=current_time).execution_options(
            synchronize_session=False
        )
    )
    log.warning("clock.reminders_corrected", rows=len(ids))
    return len(ids)
