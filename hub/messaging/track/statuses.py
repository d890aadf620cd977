"""Facts of providers: kept all, and raising a message's status by rank, so that repeats and any
order end the same.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from hub.core.errors import SendError, SlowDown
from hub.core.vocabulary import Status
from hub.db.compiled_sql import Statement
from hub.db.engine import db
from hub.db.store import list_param, read, transaction, wake
from hub.db.types import is_id, now
from hub.integrations.base import StatusUpdate
from hub.lib import times
from hub.messaging.compose import fallback
from hub.messaging.send import outcomes
from hub.messaging.send.outcomes import FIND_AFTER
from hub.messaging.send.throttle_gate import WIDE, Gates
from hub.messaging.state.message_batch import MessageBatch, MessageRow, raise_status
from hub.models import Attempt

ARRIVING = (Status.SENT, Status.DELIVERED, Status.READ)
LOST = (Status.FAILED, Status.UNDELIVERED)


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
    n: int
    connection_id: str
    provider_id: str | None
    started_at: datetime


def apply_status(update: StatusUpdate, origin: Origin) -> bool:
    """Apply a provider's word to the message it is about.

    False when no message of these connections matches.
    """
    return apply_statuses([(update, origin)])[0]


@transaction
def apply_statuses(
    told: Sequence[tuple[StatusUpdate, Origin]], ledger: MessageBatch | None = None
) -> list[bool]:
    """Apply many statuses at once; returns for each whether a message matched.

    `ledger`: a fresh one that the caller looks into afterwards.
    """
    found = _resolve(told)
    pairs = list(zip(told, found, strict=True))
    gates = _gates(
        [
            (attempt.connection_id, update.error)
            for (update, _), attempt in pairs
            if attempt and update.error
        ]
    )
    ledger = MessageBatch() if ledger is None else ledger
    ledger.read({attempt.message_id for attempt in found if attempt})
    for (update, origin), attempt in pairs:
        if attempt is not None:
            _apply(update, origin, attempt, ledger, gates)
    ledger.write()
    if gates is not None:
        gates.write()
    return [attempt is not None for attempt in found]


def _gates(errors: Sequence[tuple[str, SendError]]) -> Gates | None:
    """Lock the throttles of the senders that errors limit; None if no error limits a sender."""
    named = {
        (connection_id, error.scope)
        for connection_id, error in errors
        if isinstance(error, SlowDown) and error.scope in WIDE
    }
    return Gates((), named=named) if named else None


def _apply(
    update: StatusUpdate,
    origin: Origin,
    attempt: _Attempt,
    ledger: MessageBatch,
    gates: Gates | None,
) -> None:
    row = ledger.rows[attempt.message_id]
    if update.provider_id and attempt.provider_id is None:
        attempt.provider_id = update.provider_id  # the callback was faster than the API's answer
        ledger.store_provider_id(attempt.message_id, attempt.n, update.provider_id)
    ledger.record_fact(
        row,
        update.word,
        update.status,
        code=update.code,
        reason=update.why,
        attempt=attempt.n,
        source=origin.source,
        callback_id=origin.callback_id,
        provider_at=update.at if update.at and times.in_range(update.at) else None,
    )
    if update.segments:
        # in any order, and said again, it ends the same
        row.segments = max(row.segments or 0, update.segments)
    ledger.record_price(row, update.price)
    # what an older attempt failed at stays with it: a newer one is under way
    if update.status is None or not (attempt.n == row.tries or update.status in ARRIVING):
        return
    raised = raise_status(row, update.status, code=update.code)
    if raised and update.status == Status.FAILED:
        ledger.cancel_estimate(row)
    # only a status that changes the message: a repeated one pauses nothing again
    if raised and update.error is not None and update.status in LOST:
        _spread(row, update, update.error, origin, attempt, gates)
    if attempt.provider_id and (row.provider_id is None or attempt.n == row.tries):
        row.provider_id = attempt.provider_id
    if update.outside_window:
        fallback.by_template(row, attempt.n, ledger)
    ledger.record_event(
        row,
        update.status,
        {**update.details, "code": update.code} if update.code else update.details,
    )


def _spread(
    row: MessageRow,
    update: StatusUpdate,
    error: SendError,
    origin: Origin,
    attempt: _Attempt,
    gates: Gates | None,
) -> None:
    """Apply a reported error to all that it concerns beyond the message."""
    said_at = attempt.started_at
    if update.at or origin.received_at:
        said_at = times.clamp_reported(update.at, origin.received_at or now())
    outcomes.spread_retries(row, error, attempt.started_at, said_at)
    if gates is not None and isinstance(error, SlowDown):
        gates.hold(attempt.connection_id, error, began=attempt.started_at, said_at=said_at)


def _resolve(told: Sequence[tuple[StatusUpdate, Origin]]) -> list[_Attempt | None]:
    """Find the attempts meant: by the names in the address that we gave the provider, else by the
    provider's id.
    """
    named = {
        update.message_id
        for update, _ in told
        if is_id("msg", update.message_id) and update.attempt
    }
    known = {update.provider_id for update, _ in told if update.provider_id}
    connections = {connection_id for _, origin in told for connection_id in origin.connection_ids}
    by_name: dict[tuple[str, int], _Attempt] = {}
    by_provider: dict[tuple[str, str], _Attempt] = {}
    rows = read(_NAMED, ids=list(named)) if named else []
    rows += (
        read(_KNOWN, connections=list(connections), ids=list(known))
        if known and connections
        else []
    )
    for row in rows:
        attempt = by_name.setdefault((row[0], row[1]), _Attempt(*row))
        if attempt.provider_id:
            by_provider[attempt.connection_id, attempt.provider_id] = attempt
    return [_meant(update, origin, by_name, by_provider) for update, origin in told]


_COLUMNS = select(
    Attempt.message_id,
    Attempt.number,
    Attempt.connection_id,
    Attempt.provider_id,
    Attempt.started_at,
)
_NAMED = Statement(_COLUMNS.where(Attempt.message_id.in_(list_param("ids"))))
_KNOWN = Statement(
    _COLUMNS.where(
        Attempt.connection_id.in_(list_param("connections")),
        Attempt.provider_id.in_(list_param("ids")),
    )
)


def _meant(
    update: StatusUpdate,
    origin: Origin,
    by_name: dict[tuple[str, int], _Attempt],
    by_provider: dict[tuple[str, str], _Attempt],
) -> _Attempt | None:
    named = by_name.get((update.message_id, update.attempt))
    if (
        named is not None
        and named.connection_id in origin.connection_ids
        and named.provider_id in (None, update.provider_id)
    ):
        other = by_provider.get((named.connection_id, update.provider_id))
        if named.provider_id is None and other is None and update.provider_id:
            # later words of this batch find it by that id too
            by_provider[named.connection_id, update.provider_id] = named
        return named if other in (None, named) else other
    matches = (
        by_provider.get((connection_id, update.provider_id))
        for connection_id in origin.connection_ids
    )
    return (
        next((attempt for attempt in matches if attempt is not None), None)
        if update.provider_id
        else None
    )


@transaction
def expire_lease(message_id: str) -> None:
    """Say of a message whose worker is gone that its outcome is not known, and when it is looked
    up.
    """
    ledger = MessageBatch()
    ledger.read([message_id])
    row = ledger.rows.get(message_id)
    if row is None or row.status != Status.SENDING or row.due_at is None or row.due_at > now():
        return
    attempt = db.session.get(Attempt, (row.id, row.tries))
    if attempt is not None and attempt.outcome is None:
        attempt.outcome = "unknown"
        attempt.ended_at = now()
        attempt.reason = "The worker ended before the provider responded."
    moment = now()
    # made twice it shows what it shows once; and it keeps its turn, before newer ones
    if row.edits_id is not None:
        row.status = Status.QUEUED.value
        row.code = "lease_expired"
        row.changed_at = moment
        row.due_at = moment
        ledger.record_fact(row, "made again", Status.QUEUED)
        ledger.write()
        wake("deliver")
        return
    # not at once: the call may be under way still, of a worker that stood still for a while, or our
    # clock be ahead of its own
    row.status = Status.UNKNOWN.value
    row.code = "lease_expired"
    row.changed_at = moment
    row.due_at = moment + FIND_AFTER
    ledger.record_fact(row, "lease expired", Status.UNKNOWN)
    ledger.write()
