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
from hub.messaging.contacts.contacts import contact_for
from hub.messaging.send import destinations, recipient_pacing, senders
from hub.messaging.send.calls import Outcome
from hub.messaging.send.connection_pause import pause_connection
from hub.messaging.send.provider_ids import ProviderIds, read_provider_ids
from hub.messaging.state.message_batch import MessageBatch, MessageRow, raise_status
from hub.models import Attempt, Connection, Contact

log = structlog.get_logger(__name__)

FIND_AFTER = timedelta(seconds=60)
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 600.0  # seconds before a retry: doubled each time, with jitter
# with nine pauses, the last of four minutes: by then the file's server has fixed it, or it is
# not there
FILE_TRIES = 10
# within a minute: newer posts of the thread wait behind it, and the next change shows all that this
# one did
EDIT_TRIES = 6
LONGEST_UNREACHED = 5.0  # where nothing gets through, the sender's circuit makes the longer pauses
FAULT = "fault"
TOO_LATE = "too_late"  # codes of faults of ours, which say nothing of the provider


@transaction
def record_outcomes(ended: Sequence[Outcome]) -> None:
    """Record the outcomes of calls."""
    ledger = MessageBatch()
    ledger.read({outcome.claim.message_id for outcome in ended})
    known = read_provider_ids(ended)
    times = _times(ended)
    for outcome in ended:
        _record(outcome, known, times, ledger)
    ledger.write()


def _record(
    outcome: Outcome, known: ProviderIds, times: Mapping[str, int], ledger: MessageBatch
) -> None:
    claim = outcome.claim
    accepted = outcome.accepted
    row = ledger.rows[claim.message_id]
    error = destinations.judge_outcome(row, outcome.error)
    attempt = (claim.message_id, claim.n)
    provider_id = known.of.get(attempt)  # a callback may have brought it
    said = accepted.provider_id if accepted else ""
    if said and known.holder.setdefault((claim.connection_id, said), attempt) == attempt:
        provider_id = said  # else the provider says one id twice: it stays where it stood first
    ledger.end_attempt(
        claim.message_id,
        claim.n,
        ended_at=outcome.ended_at,
        milliseconds=outcome.milliseconds,
        http_status=outcome.http_status,
        request_ref=outcome.request_ref,
        outcome="accepted" if accepted else _outcome(error),
        code=error.code if error else "",
        reason=str(error) if error else "",
        sender=(accepted and accepted.sender) or claim.sender,
        provider_id=provider_id,
    )
    if claim.n != row.tries:
        return
    if accepted is not None:
        record_accepted(row, accepted, ledger, can_poll=claim.integration.supports("fetch_status"))
    elif error is not None and row.status in (
        Status.SENDING,
        Status.UNKNOWN,
    ):  # else a callback has reported more
        _fail(row, error, claim.integration, times.get(row.id, 0), ledger)


def _times(ended: Sequence[Outcome]) -> dict[str, int]:
    """Return how often each message was refused before in the same way, where that counts."""
    found: dict[str, int] = {}
    for kinds in (OWN_REASONS, (DESTINATION,)):
        refused = [
            outcome.claim.message_id for outcome in ended if _outcome(outcome.error) in kinds
        ]
        found |= dict(read(_TIMES, messages=refused, outcomes=list(kinds))) if refused else {}
    return found


OWN_REASONS = ("transient", "file missing")  # that pass
DESTINATION = "destination"
_TIMES = Statement(
    select(Attempt.message_id, func.count())
    .where(
        Attempt.message_id.in_(list_param("messages")), Attempt.outcome.in_(list_param("outcomes"))
    )
    .group_by(Attempt.message_id)
)


def record_accepted(
    row: MessageRow, accepted: Accepted, ledger: MessageBatch, *, can_poll: bool
) -> None:
    """Record that the provider accepted a message.

    `can_poll`: the provider can be asked for its status.
    """
    row.provider_id = accepted.provider_id or None
    row.segments = row.segments or accepted.segments
    ledger.record_price(row, accepted.price)
    ledger.record_thread(row, accepted.thread)
    if accepted.code:
        ledger.record_fact(
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
        ledger.cancel_estimate(row)
    if accepted.outside_window:
        fallback.by_template(row, row.tries, ledger)
    if accepted.error is not None:
        spread_retries(row, accepted.error)
    ledger.record_event(row, accepted.status, {"code": accepted.code} if accepted.code else {})


def _fail(
    row: MessageRow, error: SendError, integration: Integration, times: int, ledger: MessageBatch
) -> None:
    moment = now()
    if isinstance(error, OutcomeUnknown) and row.edits_id:
        # an edit that is made twice shows what it shows once
        error = TransientError(str(error), error.code)
    if isinstance(error, TransientError) and error.scope == Scope.RECIPIENT:
        _space(row, error, moment)
    if isinstance(error, SlowDown | Unreachable):
        _wait_for_provider(row, error, ledger)
    elif isinstance(error, TransientError):
        _retry(row, error, integration, times + 1, ledger)
    elif isinstance(error, OutcomeUnknown):
        row.status = Status.UNKNOWN.value
        row.code = error.code
        row.due_at = moment + FIND_AFTER
        row.changed_at = moment
    elif isinstance(error, DestinationUnavailable):
        _wait_for_destination(row, error, times, ledger)
    elif isinstance(error, ConnectionBroken):
        requeue_message(row, moment, ledger, error.code)
        pause_connection(row.connection_id, str(error))
    elif isinstance(error, RecipientMoved):
        _move(row, error, integration)
        requeue_message(row, moment, ledger, error.code)
    else:
        if isinstance(error, RecipientRefused):
            suppressions.suppress(row.id, reason="provider", code=error.code)
        if isinstance(error, TemplateRequired):
            fallback.by_template(row, row.tries, ledger)
        _give_up(row, error.code, ledger)


def _wait_for_provider(
    row: MessageRow, error: SlowDown | Unreachable, ledger: MessageBatch
) -> None:
    """Let a message wait that could not be sent through no fault of its own: this is not a try.

    How fast to go on is for its sender's throttle to say.
    """
    seconds = asked_pause(error.retry_after)
    if isinstance(error, Unreachable):
        seconds = max(seconds, _pause(min(row.tries, 8), LONGEST_UNREACHED))
    requeue_message(row, now() + timedelta(seconds=seconds), ledger, error.code)


def _wait_for_destination(
    row: MessageRow, error: DestinationUnavailable, times: int, ledger: MessageBatch
) -> None:
    """Pause a message's destination; give up a message that was refused so before."""
    if times and not error.sure:
        _give_up(row, error.code, ledger)
        return
    moment = now()
    destinations.pause_destination(
        row.connection_id, row.contact_id, code=error.code, reason=str(error), at=moment
    )
    requeue_message(row, row.expires_at or moment + destinations.NO_EXPIRY, ledger, error.code)


def _move(row: MessageRow, error: RecipientMoved, integration: Integration) -> None:
    """Address a message to where its recipient, or its team's chat, has moved."""
    before = row.contact_id
    row.contact_id = contact_for(integration.kind_of(error.new), error.new, test=row.test).id
    chats.move_chat(before, row.contact_id)
    _follow(row.connection_id, before, error.new)


def _space(row: MessageRow, error: TransientError, said_at: datetime) -> None:
    """Delay further messages from a sender to a recipient for as long as the provider asks."""
    if error.retry_after:
        for sender in senders.sender_of_connection([row.connection_id]).values():
            recipient_pacing.pause_recipient(
                sender.name,
                row.contact_id,
                said_at + timedelta(seconds=asked_pause(error.retry_after)),
            )


def spread_retries(
    row: MessageRow,
    error: SendError,
    began: datetime | None = None,
    said_at: datetime | None = None,
) -> None:
    """Apply the error in a message status to everything it concerns beyond that message.

    `began` is the start of the attempt: a connection tested, a destination reopened or an opt-out
    lifted after it stays as it is. `said_at` is when the provider reported the error. `Gates.hold`
    applies limits of senders and accounts, because their rows are locked before any message.
    """
    error = destinations.judge_outcome(row, error) or error
    if isinstance(error, RecipientRefused):
        suppressions.suppress(row.id, reason=suppressions.BY_PROVIDER, code=error.code, began=began)
    elif isinstance(error, DestinationUnavailable):
        destinations.pause_destination(
            row.connection_id, row.contact_id, code=error.code, reason=str(error), at=began or now()
        )
    elif isinstance(error, ConnectionBroken):
        pause_connection(row.connection_id, str(error), began=began)
    elif isinstance(error, TransientError) and error.scope == Scope.RECIPIENT:
        _space(row, error, said_at or now())


def _retry(
    row: MessageRow,
    error: TransientError,
    integration: Integration,
    times: int,
    ledger: MessageBatch,
) -> None:
    if isinstance(error, FileMissing):
        most = FILE_TRIES
    else:
        most = EDIT_TRIES if row.edits_id else integration.retries
    if times >= most:
        _give_up(row, error.code, ledger)
    else:
        seconds = max(_pause(times, LONGEST_PAUSE), asked_pause(error.retry_after))
        requeue_message(row, now() + timedelta(seconds=seconds), ledger, error.code)


def _pause(times: int, most: float) -> float:
    return min(FIRST_PAUSE * 2.0 ** (times - 1), most) * random.uniform(0.75, 1.25)  # noqa: S311 - jitter


def requeue_message(
    row: MessageRow, due_at: datetime, ledger: MessageBatch, code: str = ""
) -> None:
    """Let a message wait for another try, unless it was stopped meanwhile."""
    if row.stop_reason:
        ledger.end_message(row, Status.CANCELED, "stopped", reason=row.stop_reason)
    else:
        row.status = Status.QUEUED.value
        row.due_at = due_at
        row.code = code
        row.changed_at = now()


def _give_up(row: MessageRow, code: str, ledger: MessageBatch) -> None:
    if raise_status(row, Status.FAILED, code=code):
        ledger.cancel_estimate(row)
    ledger.record_event(row, Status.FAILED, {"code": code})


def _outcome(error: SendError | None) -> str:
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


def _follow(connection_id: str, before: str, place: str) -> None:
    """Post to where a team's chat has moved; its settings lead there from now on."""
    contact = db.session.get_one(Contact, before)
    connection = db.session.get_one(Connection, connection_id)
    if connection.destination and connection.destination == contact.address:
        connection.destination = place


@transaction
def requeue_absent(message_id: str) -> None:
    """Queue a message of unknown outcome again, because the provider surely does not have it."""
    ledger = MessageBatch()
    ledger.read([message_id])
    row = ledger.rows[message_id]
    if row.status == Status.UNKNOWN:
        requeue_message(row, now(), ledger)
        ledger.record_fact(row, "proved absent", Status.QUEUED)
        ledger.write()
        wake("deliver")
