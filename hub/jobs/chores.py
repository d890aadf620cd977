"""Queue `chores`: look after leases, unknown outcomes and lost callbacks, and forget what need not
be kept.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

import structlog
from rq.timeouts import BaseTimeoutException

from hub import jobs
from hub.db.engine import db
from hub.intake import retention
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.compose import cancellation, media, template_sync
from hub.messaging.send import recipient_pacing
from hub.messaging.state import clock_skew, job_failures, unreadable_rows
from hub.messaging.track import price_polling, reconcile, status_polling
from hub.shared import idempotency
from hub.signing import erasure

log = structlog.get_logger(__name__)


def run() -> None:
    """Do each chore once."""
    jobs.run_job("chores", each)


def each(stopping: ShutdownSignal) -> int:
    """Do each chore once; return how many things were looked after."""
    looked_after = 0
    for chore in (
        clock_skew.correct_times,
        unreadable_rows.retry_rows,
        unreadable_rows.delete_resolved,
        cancellation.give_up_waiting,
        idempotency.delete_old_answers,
        recipient_pacing.delete_old_paces,
        media.delete_expired,
        retention.apply_retention,
        partial(reconcile.look_up_unknown, stopping),
        partial(status_polling.poll_statuses, stopping),
        template_sync.sync_due,
        erasure.clean_erased,
        partial(price_polling.poll_prices, stopping),
    ):
        name = _name(chore)
        try:
            looked_after += chore()
            job_failures.clear_failure(f"{job_failures.CHORES}{name}")
        except BaseTimeoutException:
            raise  # the job's time is over
        except Exception as problem:  # one that fails must not keep the others from being done
            log.exception("chore.failed", chore=name)
            db.session.rollback()
            if not unreadable_rows.is_transient(problem):
                with suppress(Exception):  # a failure to note it must not stop the other chores
                    job_failures.note_failure(f"{job_failures.CHORES}{name}", problem)
    return looked_after


def _name(chore: Any) -> str:
    function = getattr(chore, "func", chore)
    return f"{function.__module__.rpartition('.')[2]}.{function.__name__}"


def due() -> bool:
    """Tell whether a chore is due that should not wait for the next round of all. Reads only."""
    return (
        reconcile.is_due()
        or status_polling.is_due()
        or clock_skew.is_due()
        or template_sync.is_due()
    )
