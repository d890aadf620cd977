"""Remind the signers whose automatic reminder is due.

A signer is claimed by moving `remind_at` in the transaction that stores the messages, under the
lock of the request. So each reminder is sent at most once, by any number of workers, and a
crash leaves it due.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select, update

from hub.core.vocabulary import EventType, RequestState
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import new_id
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.state import database_clock, unreadable_rows
from hub.models import Signer, SigningRequest
from hub.shared import clock_check
from hub.signing import reminder_times, signing_batch
from hub.signing.accept import notify
from hub.signing.message_texts import EventRecord
from hub.signing.reminder_settings import SourceReminders, read_source_reminders
from hub.signing.signing_batch import RequestRecord, SignerRecord

log = structlog.get_logger(__name__)

BATCH = 200
PAUSE = timedelta(hours=1)  # until a request whose rows cannot be read is checked again


def is_due() -> bool:
    """Return whether a signer is to be checked now. Reads only.

    Nobody is reminded while the clock cannot be trusted.
    """
    return bool(_due_requests(1)) and not clock_check.problem()


def send_due(stopping: ShutdownSignal) -> int:
    """Check the signers whose time has come, and remind those who are due; return their number."""
    if not is_due() or not clock_check.is_trusted():
        return 0
    reminded = 0
    checked: set[str] = set()
    while request_ids := [row_id for row_id in _due_requests(BATCH) if row_id not in checked]:
        db.session.rollback()
        for request_id in request_ids:
            if stopping.is_due:
                return reminded
            reminded += _check_or_postpone(request_id)
            checked.add(request_id)
    return reminded


def _due_requests(limit: int) -> Sequence[str]:
    # PostgreSQL uses no index for a comparison with the clock itself, which changes meanwhile
    current_time = database_clock.read_clock()
    due = (
        select(Signer.request_id)
        .where(Signer.remind_at <= current_time)
        .order_by(Signer.remind_at)
        .limit(limit)
    )
    return list(dict.fromkeys(db.session.scalars(due)))


def _check_or_postpone(request_id: str) -> int:
    """Check a request, or postpone it if it cannot be read. Other requests are not delayed."""
    try:
        return check_request(request_id)
    except Exception as error:
        db.session.rollback()
        if unreadable_rows.is_transient(error):
            raise
        log.exception("reminder.not_sent", request_with_reminder=request_id)
        _postpone(request_id, error)
    return 0


@transaction
def check_request(request_id: str) -> int:
    """Remind the signers of a request who are due, and set when they are checked next.

    Returns the number of reminded signers.
    """
    request = signing_batch.get_request(request_id)
    if request is None:
        return 0
    current_time = database_clock.read_clock()
    source = read_source_reminders(request.source_id, test=request.test)
    can_remind = source.by_hub and request.state == RequestState.OPEN and not request.expired
    due = []
    for person in request.people:
        if person.remind_at is None or person.remind_at > current_time:
            continue
        if not can_remind or not reminder_times.can_be_reminded(person):
            person.remind_at = None
            continue
        person.remind_at = reminder_times.next_automatic(request, person, source, current_time)
        if person.remind_at == current_time:
            due.append(person)
        elif person.remind_at is None:
            person.reminders_handled_at = current_time
    reached = _remind(request, due, source, current_time) if due else 0
    request.write()
    return reached


def _remind(
    request: RequestRecord, due: Sequence[SignerRecord], source: SourceReminders, at: datetime
) -> int:
    """Send an automatic reminder to signers; return how many of them it can reach.

    A reminder that reaches nobody, because no address is left, is not counted.
    """
    for signer in due:
        signer.reminders_handled_at = at
    event = EventRecord(new_id("evt"), "", EventType.REMINDER, at, {"automatic": True})
    response = notify(event, request, None, only=due)
    reached = reminder_times.count_reminders(request, response, at)
    for signer in due:
        signer.remind_at = reminder_times.next_automatic(request, signer, source, at)
    return reached


@transaction
def _postpone(request_id: str, problem: Exception) -> None:
    current_time = database_clock.read_clock()
    waiting = update(Signer).where(
        Signer.request_id == request_id, Signer.remind_at <= current_time
    )
    db.session.execute(
        waiting.values(remind_at=current_time + PAUSE).execution_options(synchronize_session=False)
    )
    unreadable_rows.record_unreadable_row(SigningRequest.__tablename__, request_id, problem)
