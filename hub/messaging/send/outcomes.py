"""Record outcomes of provider calls: always on the attempt, on the message only if no newer attempt
exists.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import func, select

from hub.core.errors import (
    ConnectionBroken,
    DestinationUnavailable,
    FileMissing,
    FileRefused,
    OutcomeUnknown,
    RecipientMoved,
    RecipientRefused,
    Scope,
    SendError,
    SlowDown,
    TemplateRequired,
    TransientError,
    Unreachable,
)
from hub.core.vocabulary import Status
from hub.db.compiled_sql import Statement
from hub.db.engine import db
from hub.db.store import list_param, read, transaction, wake
from hub.db.types import now
from hub.integrations.base import Accepted, Integration
from hub.lib.times import pause as asked_pause
from hub.messaging.compose import fallback
from hub.messaging.contacts import chats, suppressions
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.send import destinations, recipient_pacing, senders
from hub.messaging.send.calls import Outcome
from hub.messaging.send.connection_pause import pause_connection
from hub.messaging.send.provider_ids import ProviderIds, read_provider_ids
from hub.messaging.state.message_batch import MessageBatch, MessageRow, raise_status
from hub.messaging.state.reported_events import ReportedFact
from hub.models import Attempt, Connection, Contact

log = structlog.get_logger(__name__)

FIND_AFTER = timedelta(seconds=60)
FIRST_PAUSE = 1.0
MAX_PAUSE = 600.0  # seconds before a retry: doubled each time, with jitter
# nine pauses, the last one of four minutes; by then the file is available or permanently missing
FILE_TRIES = 10
# within a minute, because newer posts of the thread wait; the next edit repeats this one's change
EDIT_TRIES = 6
MAX_UNREACHABLE_PAUSE = 5.0  # seconds; the circuit breaker of the sender makes longer pauses
FAULT = "fault"
TOO_LATE = "too_late"  # both are codes of errors in the hub, which are no sign of an outage


@transaction
def record_outcomes(ended: Sequence[Outcome]) -> None:
    """Record the outcomes of calls."""
    batch = MessageBatch()
    batch.read({outcome.claim.message_id for outcome in ended})
    provider_ids = read_provider_ids(ended)
    earlier_failures = _count_earlier_failures(ended)
    for outcome in ended:
        _record(outcome, provider_ids, earlier_failures, batch)
    batch.write()


def _record(
    outcome: Outcome,
    provider_ids: ProviderIds,
    earlier_failures: Mapping[str, int],
    batch: MessageBatch,
) -> None:
    claim = outcome.claim
    accepted = outcome.accepted
    row = batch.rows[claim.message_id]
    error = destinations.adjust_error(row, outcome.error)
    attempt = (claim.message_id, claim.number)
    provider_id = provider_ids.ids_by_attempt.get(attempt)  # a callback may have reported it
    new_id = accepted.provider_id if accepted else ""
    if (
        new_id
        and provider_ids.attempts_by_id.setdefault((claim.connection_id, new_id), attempt)
        == attempt
    ):
        provider_id = new_id  # otherwise another attempt already has this ID
    batch.end_attempt(
        claim.message_id,
        claim.number,
        ended_at=outcome.ended_at,
        milliseconds=outcome.milliseconds,
        http_status=outcome.http_status,
        request_ref=outcome.request_ref,
        outcome="accepted" if accepted else _attempt_status(error),
        code=error.code if error else "",
        reason=str(error) if error else "",
        sender=(accepted and accepted.sender) or claim.sender,
        provider_id=provider_id,
    )
    if claim.number != row.tries:
        return
    if accepted is not None:
        record_accepted(row, accepted, batch, can_poll=claim.integration.supports("fetch_status"))
    elif error is not None and row.status in (Status.SENDING, Status.UNKNOWN):
        # in any other status, a callback has reported more
        _apply_error(row, error, claim.integration, earlier_failures.get(row.id, 0), batch)


def _count_earlier_failures(ended: Sequence[Outcome]) -> dict[str, int]:
    """Return how often each message failed before for the same kind of reason, if that counts."""
    counts: dict[str, int] = {}
    for kinds in (OWN_REASONS, (DESTINATION,)):
        refused = [
            outcome.claim.message_id for outcome in ended if _attempt_status(outcome.error) in kinds
        ]
        counts |= dict(read(_TIMES, messages=refused, outcomes=list(kinds))) if refused else {}
    return counts


OWN_REASONS = ("transient", "file missing")  # temporary reasons of the message itself
DESTINATION = "destination"
_TIMES = Statement(
    select(Attempt.message_id, func.count())
    .where(
        Attempt.message_id.in_(list_param("messages")), Attempt.outcome.in_(list_param("outcomes"))
    )
    .group_by(Attempt.message_id)
)


def record_accepted(
    row: MessageRow, accepted: Accepted, batch: MessageBatch, *, can_poll: bool
) -> None:
    """Record that the provider accepted a message.

    `can_poll`: the provider can be asked for its status.
    """
    row.provider_id = accepted.provider_id or None
    row.segments = row.segments or accepted.segments
    batch.record_price(row, accepted.price)
    batch.record_thread(row, accepted.thread)
    if accepted.code:
        batch.record_fact(
            row,
            accepted.status.value,
            accepted.status,
            code=accepted.code,
            reason=accepted.reason,
            source="answer",
        )
    if (
        raise_status(row, accepted.status, code=accepted.code, can_poll=can_poll)
        and accepted.status == Status.FAILED
    ):
        batch.cancel_estimate(row)
    if accepted.outside_window:
        fallback.resend_as_template(row, row.tries, batch)
    if accepted.error is not None:
        apply_wider_errors(row, accepted.error)
    if accepted.event:
        event = ReportedFact(row, accepted.event, {}, provider_id=accepted.provider_id)
        batch.record_other_event(event)
    batch.record_event(row, accepted.status, {"code": accepted.code} if accepted.code else {})


def _apply_error(
    row: MessageRow, error: SendError, integration: Integration, times: int, batch: MessageBatch
) -> None:
    current_time = now()
    if isinstance(error, OutcomeUnknown) and row.edits_id:
        # repeating an edit shows the same text
        error = TransientError(str(error), error.code)
    if isinstance(error, TransientError) and error.scope == Scope.RECIPIENT:
        _delay_recipient(row, error, current_time)
    if isinstance(error, SlowDown | Unreachable):
        _wait_for_provider(row, error, batch)
    elif isinstance(error, TransientError):
        _retry(row, error, integration, times + 1, batch)
    elif isinstance(error, OutcomeUnknown):
        row.status = Status.UNKNOWN.value
        row.code = error.code
        row.due_at = current_time + FIND_AFTER
        row.changed_at = current_time
    elif isinstance(error, DestinationUnavailable):
        _wait_for_destination(row, error, times, batch)
    elif isinstance(error, ConnectionBroken):
        requeue_message(row, current_time, batch, error.code)
        pause_connection(row.connection_id, str(error))
    elif isinstance(error, RecipientMoved):
        _move_recipient(row, error, integration)
        requeue_message(row, current_time, batch, error.code)
    else:
        if isinstance(error, RecipientRefused):
            suppressions.suppress(row.id, reason="provider", code=error.code)
        if isinstance(error, TemplateRequired):
            fallback.resend_as_template(row, row.tries, batch)
        _fail_message(row, error.code, batch)


def _wait_for_provider(row: MessageRow, error: SlowDown | Unreachable, batch: MessageBatch) -> None:
    """Postpone a message until its provider accepts requests again. This does not count as an
    attempt.

    The throttle of the sender decides when sending continues.
    """
    seconds = asked_pause(error.retry_after)
    if isinstance(error, Unreachable):
        seconds = max(seconds, _pause(min(row.tries, 8), MAX_UNREACHABLE_PAUSE))
    requeue_message(row, now() + timedelta(seconds=seconds), batch, error.code)


def _wait_for_destination(
    row: MessageRow, error: DestinationUnavailable, times: int, batch: MessageBatch
) -> None:
    """Pause the destination of a message; fail a message that was refused before."""
    if times and not error.sure:
        _fail_message(row, error.code, batch)
        return
    current_time = now()
    destinations.pause_destination(
        row.connection_id, row.contact_id, code=error.code, reason=str(error), at=current_time
    )
    requeue_message(row, row.expires_at or current_time + destinations.NO_EXPIRY, batch, error.code)


def _move_recipient(row: MessageRow, error: RecipientMoved, integration: Integration) -> None:
    """Address a message to the new address of its recipient or its team's chat."""
    before = row.contact_id
    row.contact_id = get_or_create_contact(
        integration.kind_of(error.new), error.new, test=row.test
    ).id
    chats.move_chat(before, row.contact_id)
    _move_destination(row.connection_id, before, error.new)


def _delay_recipient(row: MessageRow, error: TransientError, reported_at: datetime) -> None:
    """Delay more messages from a sender to a recipient for as long as the provider asks."""
    if error.retry_after:
        for sender in senders.find_senders([row.connection_id]).values():
            recipient_pacing.pause_recipient(
                sender.name,
                row.contact_id,
                reported_at + timedelta(seconds=asked_pause(error.retry_after)),
            )


def apply_wider_errors(
    row: MessageRow,
    error: SendError,
    attempt_started_at: datetime | None = None,
    reported_at: datetime | None = None,
) -> None:
    """Apply the error in a message status to everything it concerns beyond that message.

    `attempt_started_at` is the start of the attempt: a connection tested, a destination reopened or
    an opt-out lifted after it stays as it is. `reported_at` is when the provider reported the
    error. `ThrottleGates.pause_sender` applies limits of senders and accounts, because their rows
    are locked before any message.
    """
    error = destinations.adjust_error(row, error) or error
    if isinstance(error, RecipientRefused):
        suppressions.suppress(
            row.id,
            reason=suppressions.BY_PROVIDER,
            code=error.code,
            attempt_started_at=attempt_started_at,
        )
    elif isinstance(error, DestinationUnavailable):
        destinations.pause_destination(
            row.connection_id,
            row.contact_id,
            code=error.code,
            reason=str(error),
            at=attempt_started_at or now(),
        )
    elif isinstance(error, ConnectionBroken):
        pause_connection(row.connection_id, str(error), attempt_started_at=attempt_started_at)
    elif isinstance(error, TransientError) and error.scope == Scope.RECIPIENT:
        _delay_recipient(row, error, reported_at or now())


def _retry(
    row: MessageRow,
    error: TransientError,
    integration: Integration,
    times: int,
    batch: MessageBatch,
) -> None:
    if isinstance(error, FileMissing):
        limit = FILE_TRIES
    else:
        limit = EDIT_TRIES if row.edits_id else integration.retries
    if times >= limit:
        _fail_message(row, error.code, batch)
    else:
        seconds = max(_retry_pause(integration, times), asked_pause(error.retry_after))
        requeue_message(row, now() + timedelta(seconds=seconds), batch, error.code)


def _retry_pause(integration: Integration, times: int) -> float:
    """Return the seconds before the retry after a number of failed attempts."""
    schedule = integration.retry_schedule
    if schedule:
        return schedule[min(times, len(schedule)) - 1] * _jitter()
    return _pause(times, MAX_PAUSE)


def _pause(times: int, longest: float) -> float:
    return min(FIRST_PAUSE * 2.0 ** min(times - 1, 60), longest) * _jitter()


def _jitter() -> float:
    return random.uniform(0.75, 1.25)  # noqa: S311 - spreads retries, no security


def requeue_message(row: MessageRow, due_at: datetime, batch: MessageBatch, code: str = "") -> None:
    """Queue a message for another try, unless it was stopped in the meantime."""
    if row.stop_reason:
        batch.end_message(row, Status.CANCELED, "stopped", reason=row.stop_reason)
    else:
        row.status = Status.QUEUED.value
        row.due_at = due_at
        row.code = code
        row.changed_at = now()


def _fail_message(row: MessageRow, code: str, batch: MessageBatch) -> None:
    if raise_status(row, Status.FAILED, code=code):
        batch.cancel_estimate(row)
    batch.record_event(row, Status.FAILED, {"code": code})


def _attempt_status(error: SendError | None) -> str:
    return next((_OUTCOMES[kind] for kind in type(error).__mro__ if kind in _OUTCOMES), "failed")


_OUTCOMES: dict[type, str] = {
    FileMissing: "file missing",
    FileRefused: "file refused",
    TransientError: "transient",
    Unreachable: "unreachable",
    SlowDown: "slowed",
    OutcomeUnknown: "unknown",
    ConnectionBroken: "broken",
    DestinationUnavailable: DESTINATION,
}


def _move_destination(connection_id: str, before: str, destination: str) -> None:
    """Store the new address of a team's chat in its connection."""
    contact = db.session.get_one(Contact, before)
    connection = db.session.get_one(Connection, connection_id)
    if connection.destination and connection.destination == contact.address:
        connection.destination = destination


@transaction
def requeue_absent(message_id: str) -> None:
    """Queue a message of unknown outcome again, because the provider provably does not have it."""
    batch = MessageBatch()
    batch.read([message_id])
    row = batch.rows[message_id]
    if row.status == Status.UNKNOWN:
        requeue_message(row, now(), batch)
        batch.record_fact(row, "proved absent", Status.QUEUED)
        batch.write()
        wake("deliver")
