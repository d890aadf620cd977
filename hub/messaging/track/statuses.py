"""Apply the statuses that providers report to messages and their attempts.

Every fact is stored. The status of a message changes only to one of a higher rank, so repeated
facts and facts in any order give the same result.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from hub.core.errors import RecipientRefused, SendError, SlowDown
from hub.core.vocabulary import Feedback, Status
from hub.db.compiled_sql import Statement
from hub.db.engine import db
from hub.db.store import list_param, read, transaction, wake
from hub.db.types import is_id, now
from hub.integrations.base import StatusUpdate
from hub.lib import times
from hub.messaging.compose import fallback, retries
from hub.messaging.contacts import suppressions
from hub.messaging.send import outcomes
from hub.messaging.send.outcomes import FIND_AFTER
from hub.messaging.send.throttle_gate import SENDER_WIDE_SCOPES, ThrottleGates
from hub.messaging.state.message_batch import MessageBatch, MessageRow, raise_status
from hub.messaging.state.reported_events import ReportedFact
from hub.models import Attempt

POSITIVE = (Status.SENT, Status.DELIVERED, Status.READ)
NOT_DELIVERED = (Status.FAILED, Status.UNDELIVERED)
REFUSAL_REASONS = {
    Feedback.BOUNCED: suppressions.BY_PROVIDER,
    Feedback.COMPLAINED: suppressions.BY_COMPLAINT,
    Feedback.UNSUBSCRIBED: suppressions.BY_UNSUBSCRIBE,
}


@dataclass(frozen=True)
class Origin:
    """The source of a status update: its kind, connections, stored callback and time of receipt.

    `source` is `callback`, `poll` or `find`.
    """

    source: str
    connection_ids: Collection[str]
    callback_id: str | None = None
    received_at: datetime | None = None


@dataclass
class _Attempt:
    message_id: str
    number: int
    connection_id: str
    provider_id: str | None
    started_at: datetime


def apply_status(update: StatusUpdate, origin: Origin) -> bool:
    """Apply a status to its message; return whether a message of the connections matches."""
    return apply_statuses([(update, origin)])[0]


@transaction
def apply_statuses(
    updates: Sequence[tuple[StatusUpdate, Origin]], batch: MessageBatch | None = None
) -> list[bool]:
    """Apply many statuses at once; return for each whether a message matches.

    `batch`: an empty one, which the caller reads afterwards.
    """
    matches = _find_attempts(updates)
    pairs = list(zip(updates, matches, strict=True))
    gates = _lock_gates(
        [
            (attempt.connection_id, update.error)
            for (update, _), attempt in pairs
            if attempt and update.error
        ]
    )
    batch = MessageBatch() if batch is None else batch
    batch.read({attempt.message_id for attempt in matches if attempt})
    for (update, origin), attempt in pairs:
        if attempt is not None:
            _apply(update, origin, attempt, batch, gates)
    batch.write()
    if gates is not None:
        gates.write()
    return [attempt is not None for attempt in matches]


def _lock_gates(errors: Sequence[tuple[str, SendError]]) -> ThrottleGates | None:
    """Lock the rate limits of the senders that errors slow down, or None if there are none."""
    scopes = {
        (connection_id, error.scope)
        for connection_id, error in errors
        if isinstance(error, SlowDown) and error.scope in SENDER_WIDE_SCOPES
    }
    return ThrottleGates((), named=scopes) if scopes else None


def _apply(
    update: StatusUpdate,
    origin: Origin,
    attempt: _Attempt,
    batch: MessageBatch,
    gates: ThrottleGates | None,
) -> None:
    row = batch.rows[attempt.message_id]
    if update.provider_id and attempt.provider_id is None:
        attempt.provider_id = update.provider_id  # the callback arrived before the API response
        batch.store_provider_id(attempt.message_id, attempt.number, update.provider_id)
    batch.record_fact(
        row,
        update.provider_status,
        update.status,
        code=update.code,
        reason=update.reason,
        attempt=attempt.number,
        source=origin.source,
        callback_id=origin.callback_id,
        provider_at=update.at if update.at and times.in_range(update.at) else None,
    )
    _apply_details(row, update, attempt, batch)
    # the failure of an older attempt does not change the message: a newer one is in progress
    is_latest = attempt.number == row.tries
    if update.status is None or not (is_latest or update.status in POSITIVE):
        return
    raised = raise_status(row, update.status, code=update.code)
    if raised and (update.status == Status.FAILED or update.free):
        batch.cancel_estimate(row)
    if raised and update.try_again:
        retries.try_again(row, batch)
    # only if the message changed, so that a repeated callback does not start a second pause
    if raised and update.error is not None and update.status in NOT_DELIVERED:
        _apply_error(row, update, update.error, origin, attempt, gates)
    if attempt.provider_id and (row.provider_id is None or is_latest):
        row.provider_id = attempt.provider_id
    if update.outside_window:
        fallback.resend_as_template(row, attempt.number, batch)
    if not update.event:
        details = {**update.details, "code": update.code} if update.code else update.details
        batch.record_event(row, update.status, details, update.handler_status)


def _apply_details(
    row: MessageRow, update: StatusUpdate, attempt: _Attempt, batch: MessageBatch
) -> None:
    """Apply what a report says about a message beside its status."""
    if update.segments:
        # the largest number is the same for repeated callbacks in any order
        row.segments = max(row.segments or 0, update.segments)
    batch.record_price(row, update.price)
    if update.feedback is not None:
        _apply_feedback(row, update.feedback, update, attempt, batch)
    if update.event:
        event = ReportedFact(
            row, update.event, update.details, provider_id=attempt.provider_id or ""
        )
        batch.record_other_event(event)


def _apply_feedback(
    row: MessageRow,
    feedback: Feedback,
    update: StatusUpdate,
    attempt: _Attempt,
    batch: MessageBatch,
) -> None:
    """Report feedback to the signing app, and opt out a recipient who refuses messages."""
    # a dead address also opts out if it is reported after the message was delivered
    is_refusal = feedback is not Feedback.BOUNCED or isinstance(update.error, RecipientRefused)
    if is_refusal:
        suppressions.suppress(
            row.id,
            reason=REFUSAL_REASONS[feedback],
            code=update.code,
            attempt_started_at=attempt.started_at,
        )
    details = {"code": update.code} if update.code else {}
    batch.record_other_event(ReportedFact(row, feedback.value, details))


def _apply_error(
    row: MessageRow,
    update: StatusUpdate,
    error: SendError,
    origin: Origin,
    attempt: _Attempt,
    gates: ThrottleGates | None,
) -> None:
    """Apply a reported error to its connection, sender and destination."""
    reported_at = attempt.started_at
    if update.at or origin.received_at:
        reported_at = times.clamp_reported(update.at, origin.received_at or now())
    outcomes.apply_wider_errors(row, error, attempt.started_at, reported_at)
    if gates is not None and isinstance(error, SlowDown):
        gates.pause_sender(
            attempt.connection_id,
            error,
            attempted_at=attempt.started_at,
            reported_at=reported_at,
        )


def _find_attempts(updates: Sequence[tuple[StatusUpdate, Origin]]) -> list[_Attempt | None]:
    """Return the attempt of each status, or None if there is none.

    An attempt is found by the message ID and number in the callback address, or else by the
    provider's ID.
    """
    message_ids = {
        update.message_id
        for update, _ in updates
        if is_id("msg", update.message_id) and update.attempt
    }
    provider_ids = {update.provider_id for update, _ in updates if update.provider_id}
    connections = {
        connection_id for _, origin in updates for connection_id in origin.connection_ids
    }
    by_number: dict[tuple[str, int], _Attempt] = {}
    by_provider: dict[tuple[str, str], _Attempt] = {}
    rows = read(_BY_MESSAGE, ids=list(message_ids)) if message_ids else []
    if provider_ids and connections:
        rows += read(_BY_PROVIDER_ID, connections=list(connections), ids=list(provider_ids))
    for row in rows:
        attempt = by_number.setdefault((row[0], row[1]), _Attempt(*row))
        if attempt.provider_id:
            by_provider[attempt.connection_id, attempt.provider_id] = attempt
    return [_attempt_for(update, origin, by_number, by_provider) for update, origin in updates]


_COLUMNS = select(
    Attempt.message_id,
    Attempt.number,
    Attempt.connection_id,
    Attempt.provider_id,
    Attempt.started_at,
)
_BY_MESSAGE = Statement(_COLUMNS.where(Attempt.message_id.in_(list_param("ids"))))
_BY_PROVIDER_ID = Statement(
    _COLUMNS.where(
        Attempt.connection_id.in_(list_param("connections")),
        Attempt.provider_id.in_(list_param("ids")),
    )
)


def _attempt_for(
    update: StatusUpdate,
    origin: Origin,
    by_number: dict[tuple[str, int], _Attempt],
    by_provider: dict[tuple[str, str], _Attempt],
) -> _Attempt | None:
    attempt = by_number.get((update.message_id, update.attempt))
    if (
        attempt is not None
        and attempt.connection_id in origin.connection_ids
        # a status may name the message only, as the segments of a text have their own IDs
        and (not update.provider_id or attempt.provider_id in (None, update.provider_id))
    ):
        owner = by_provider.get((attempt.connection_id, update.provider_id))
        if attempt.provider_id is None and owner is None and update.provider_id:
            # later statuses of this batch may contain only the provider's ID
            by_provider[attempt.connection_id, update.provider_id] = attempt
        return owner or attempt
    if not update.provider_id:
        return None
    matches = (
        by_provider.get((connection_id, update.provider_id))
        for connection_id in origin.connection_ids
    )
    return next((match for match in matches if match is not None), None)


@transaction
def expire_lease(message_id: str) -> None:
    """Mark a message whose worker ended while sending it, and schedule its lookup.

    Its outcome is unknown. An update of a post is sent again instead.
    """
    batch = MessageBatch()
    batch.read([message_id])
    row = batch.rows.get(message_id)
    if row is None or row.status != Status.SENDING or row.due_at is None or row.due_at > now():
        return
    attempt = db.session.get(Attempt, (row.id, row.tries))
    if attempt is not None and attempt.outcome is None:
        attempt.outcome = "unknown"
        attempt.ended_at = now()
        attempt.reason = "The worker ended before the provider responded."
    current_time = now()
    # repeating an update of a post does not change its result, and keeps its order among updates
    if row.edits_id is not None:
        row.status = Status.QUEUED.value
        row.code = "lease_expired"
        row.changed_at = current_time
        row.due_at = current_time
        batch.record_fact(row, "made again", Status.QUEUED)
        batch.write()
        wake("deliver")
        return
    # the lookup waits: a paused worker may still be calling, or this clock may be ahead of its own
    row.status = Status.UNKNOWN.value
    row.code = "lease_expired"
    row.changed_at = current_time
    row.due_at = current_time + FIND_AFTER
    batch.record_fact(row, "lease expired", Status.UNKNOWN)
    batch.write()
