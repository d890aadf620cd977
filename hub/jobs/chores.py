"""Queue `chores`: resolve unknown outcomes and lost callbacks, and delete expired data."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

import structlog
from rq.timeouts import BaseTimeoutException

from hub import jobs
from hub.db.engine import db
from hub.endpoints import cleanup, health
from hub.intake import mailboxes, retention, waiting_callbacks
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.compose import cancellation, media, template_sync
from hub.messaging.send import link_shortening, recipient_pacing
from hub.messaging.state import clock_skew, job_failures, unreadable_rows, withdrawals
from hub.messaging.track import price_polling, reconcile, status_polling, withdraw_messages
from hub.shared import idempotency
from hub.signing import (
    automatic_reminders,
    contact_erasure,
    ladders,
    plan_scheduled,
    reminder_clock,
    reminder_rechecks,
)

log = structlog.get_logger(__name__)


def run() -> None:
    """Run each chore once."""
    jobs.run_job("chores", run_chores)


def run_chores(stopping: ShutdownSignal) -> int:
    """Run each chore once; return the number of rows that they handled."""
    handled = 0
    for chore in (
        clock_skew.correct_times,
        partial(withdraw_messages.withdraw_messages, stopping),  # phones ring meanwhile
        unreadable_rows.retry_rows,
        unreadable_rows.delete_resolved,
        cancellation.end_waiting,
        idempotency.delete_old_responses,
        recipient_pacing.delete_old_paces,
        media.delete_expired,
        retention.apply_retention,
        ladders.time_waiting_messages,
        partial(ladders.escalate_due, waiting_callbacks.process_waiting, stopping),
        partial(reconcile.look_up_unknown, stopping),
        partial(status_polling.poll_statuses, stopping),
        partial(link_shortening.shorten_links, stopping),
        partial(plan_scheduled.plan_due, stopping),
        reminder_clock.correct_reminders,
        partial(reminder_rechecks.mark_all, stopping),
        partial(automatic_reminders.send_due, stopping),
        template_sync.sync_due,
        partial(mailboxes.read_mailboxes, stopping),
        health.check_failing,
        cleanup.delete_old,
        contact_erasure.clean_erased,
        partial(price_polling.poll_prices, stopping),
    ):
        name = _name(chore)
        try:
            handled += chore()
            job_failures.clear_failure(f"{job_failures.CHORES}{name}")
        except BaseTimeoutException:
            raise  # the job timed out
        except Exception as error:  # a failing chore must not stop the others
            log.exception("chore.failed", chore=name)
            db.session.rollback()
            if not unreadable_rows.is_transient(error):
                with suppress(Exception):  # failing to record it must not stop the others either
                    job_failures.record_failure(f"{job_failures.CHORES}{name}", error)
    return handled


def _name(chore: Any) -> str:
    function = getattr(chore, "func", chore)
    return f"{function.__module__.rpartition('.')[2]}.{function.__name__}"


def is_due() -> bool:
    """Return whether a chore is due that cannot wait for the next round. Reads only."""
    return (
        reconcile.is_due()
        or status_polling.is_due()
        or clock_skew.is_due()
        or withdrawals.is_due()
        or link_shortening.is_due()
        or plan_scheduled.is_due()
        or reminder_rechecks.is_due()
        or automatic_reminders.is_due()
        or template_sync.is_due()
        or mailboxes.is_due()
        or health.is_due()
        or ladders.is_due()
    )
