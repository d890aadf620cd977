"""Queue `chores`: look after leases, unknown outcomes and lost callbacks, and forget what need not
be kept.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

import structlog
from rq.timeouts import BaseTimeoutException

from hub import idempotency, jobs
from hub.extensions import db
from hub.intake import retention
from hub.messaging import (
    job_failures,
    media,
    misdated,
    polling,
    prices,
    reconcile,
    set_aside,
    spacing,
    taking_back,
    template_sync,
)
from hub.signing import people
from hub.stopping import Stopping

log = structlog.get_logger(__name__)


def run() -> None:
    """Do each chore once."""
    jobs.run("chores", each)


def each(stopping: Stopping) -> int:
    """Do each chore once; return how many things were looked after."""
    looked_after = 0
    for chore in (
        misdated.run,
        set_aside.retry,
        set_aside.forget,
        taking_back.give_up_waiting,
        idempotency.forget,
        spacing.forget,
        media.forget,
        retention.run,
        partial(reconcile.run, stopping),
        partial(polling.run, stopping),
        template_sync.sync_due,
        people.clean,
        partial(prices.run, stopping),
    ):
        name = _name(chore)
        try:
            looked_after += chore()
            job_failures.clear(f"{job_failures.CHORES}{name}")
        except BaseTimeoutException:
            raise  # the job's time is over
        except Exception as problem:  # one that fails must not keep the others from being done
            log.exception("chore.failed", chore=name)
            db.session.rollback()
            if not set_aside.lets_pass(problem):
                with suppress(Exception):  # a failure to note it must not stop the other chores
                    job_failures.note(f"{job_failures.CHORES}{name}", problem)
    return looked_after


def _name(chore: Any) -> str:
    function = getattr(chore, "func", chore)
    return f"{function.__module__.rpartition('.')[2]}.{function.__name__}"


def due() -> bool:
    """Tell whether a chore is due that should not wait for the next round of all. Reads only."""
    return reconcile.due() or polling.due() or misdated.due() or template_sync.due()
