"""Ask the provider about messages with an unknown outcome: expired leases and lost responses."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

import structlog
from sqlalchemy import bindparam, func, select

from hub import integrations
from hub.core.errors import HubError, SendError
from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.integrations.base import Accepted
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.compose.outbox import record_fact
from hub.messaging.send.outbound import build_outbound
from hub.messaging.send.outcomes import FIND_AFTER, record_accepted, requeue_absent
from hub.messaging.state import overdue, unreadable_rows
from hub.messaging.state.database_clock import CLOCKS_APART
from hub.messaging.state.message_batch import MessageBatch
from hub.messaging.track.statuses import expire_lease
from hub.models import Attempt, Connection, Message, MessageBody
from hub.shared import integration_instances

log = structlog.get_logger(__name__)

BATCH = 50  # messages of one connection in one run
GIVE_UP_AFTER = timedelta(hours=24)  # then an admin decides on the message's page
# the pause before the next lookup, as a part of the time for which the outcome has been unknown
PAUSE_FACTOR = 0.25
WAIT_FOR_OTHERS = timedelta(minutes=10)  # then other messages no longer delay a decision
MAX_FAILURES = 3  # failed lookups of a connection in one run, then its other messages wait


def is_due() -> bool:
    """Return whether a lease has expired or a lookup is due. Reads only."""
    return bool(overdue.overdue_connections((Status.SENDING, Status.UNKNOWN)))


def look_up_unknown(stopping: ShutdownSignal | None = None) -> int:
    """Expire leases and look up unknown outcomes that are due; return the number of messages."""
    expired = _due_by_connection(Status.SENDING)
    for message_id in itertools.chain.from_iterable(expired.values()):
        with _contain_errors(message_id):
            expire_lease(message_id)
    processed = sum(map(len, expired.values()))
    for message_ids in _due_by_connection(Status.UNKNOWN).values():
        processed += _look_up_connection(message_ids, stopping)
    return processed


def _due_by_connection(status: Status) -> dict[str, list[str]]:
    message_ids = {
        connection_id: overdue.oldest_overdue(connection_id, [status], BATCH)
        for connection_id in overdue.overdue_connections([status])
    }
    db.session.rollback()
    return message_ids


@contextmanager
def _contain_errors(message_id: str) -> Iterator[None]:
    """Log an error of one message and postpone its lookup, so that other messages are not
    blocked.
    """
    try:
        yield
    except Exception:
        log.exception("reconcile.internal_error", message=message_id)
        db.session.rollback()
        try:
            postpone_lookup(message_id)
        except Exception as error:  # its row cannot be read
            if unreadable_rows.is_transient(error):
                raise
            db.session.rollback()
            unreadable_rows.hold_message(message_id, error)


def _look_up_connection(message_ids: list[str], stopping: ShutdownSignal | None) -> int:
    """Look up messages of one connection; return how many.

    After MAX_FAILURES failed lookups the other messages wait, so that a provider that is down does
    not delay other connections.
    """
    failures = 0
    for index, message_id in enumerate(message_ids):
        if stopping is not None and stopping.is_due:
            return index
        with _contain_errors(message_id):
            failures += not look_up_message(message_id)
        if failures == MAX_FAILURES:
            for waiting_id in message_ids[index + 1 :]:
                postpone_lookup(waiting_id)
            return index + 1
    return len(message_ids)


def look_up_message(message_id: str) -> bool:
    """Ask the provider about a message with an unknown outcome, and act on the response.

    Returns False if the provider could not be asked; the lookup is then postponed.
    """
    try:
        candidates = _find_candidates(message_id)
    except HubError as error:
        code = error.code if isinstance(error, SendError) else type(error).__name__
        log.info("lookup.failed", message=message_id, code=code)
        postpone_lookup(message_id)
        return False
    except Exception:  # a defect of the integration must not hold back the next messages
        log.exception("lookup.internal_error", message=message_id)
        postpone_lookup(message_id)
        return False
    if candidates is not None:
        decide_outcome(message_id, candidates)
    return True


def _find_candidates(message_id: str) -> list[Accepted] | None:
    """Return the provider's messages that may be this one.

    Returns None if the outcome was decided without the provider.
    """
    message = db.session.get_one(Message, message_id)
    body = db.session.get(MessageBody, message_id)
    attempt = db.session.get_one(Attempt, (message_id, message.tries))
    integration = integration_instances.instance(message.connection)
    if not integration.supports("find") or body is None:
        absent = integration.resend_unknown and body is not None
        (requeue_absent if absent else leave_unknown)(message_id)
        return None
    contact = message.contact
    if attempt.account is not None and (attempt.account, attempt.sender) != (
        message.connection.account,
        integration.senders.country_sender(contact.address) or message.connection.sender,
    ):
        # the response would be about another account or sender, so it would prove nothing
        leave_unknown(message_id, "set up anew")
        return None
    sent = (message, contact.address, body._content, integration, message.tries)
    outbound = build_outbound(*sent, allow_free_text=not attempt.template) or build_outbound(*sent)
    assert outbound is not None  # noqa: S101 - free text always makes one
    since = attempt.started_at
    db.session.rollback()  # no transaction is open during the call of the provider
    return integration.find(outbound, since)


@transaction
def decide_outcome(message_id: str, candidates: list[Accepted]) -> None:
    """Decide the outcome of a message from the messages that the provider lists."""
    message = db.session.scalars(
        select(Message).where(Message.id == message_id).with_for_update()
    ).one()
    if message.status != Status.UNKNOWN:
        return  # a callback arrived before the response
    can_poll = integrations.get(message.connection.integration).supports("fetch_status")
    provider_ids = dict(db.session.execute(_PROVIDER_IDS, {"message_id": message_id}).all())
    own_attempt = _listed_attempt(message, provider_ids, candidates)
    if own_attempt is not None:
        _record_found(message_id, *own_attempt, can_poll=can_poll)
    elif message.tries in provider_ids:
        # a callback contained this ID, so the provider has the message even if its list does not
        postpone_lookup(message_id)
    else:
        _match(message, candidates, can_poll=can_poll)


def _match(message: Message, candidates: list[Accepted], *, can_poll: bool) -> None:
    """Decide the outcome of a message whose provider ID is not known."""
    connection_ids = _connections_of_account(message.connection)
    claimed = _claimed_ids(connection_ids, candidates)
    unclaimed = [candidate for candidate in candidates if candidate.provider_id not in claimed]
    if not unclaimed:
        requeue_absent(message.id)
        return
    equal = [candidate for candidate in unclaimed if candidate.sure]
    # the provider has something that may be this message, or another one of unknown outcome
    if not equal:
        is_early = _has_open_others(message, connection_ids)
        (postpone_lookup if is_early else leave_unknown)(message.id)
        return
    same_text = (
        select(func.count())
        .select_from(Message)
        .where(
            Message.contact_id == message.contact_id,
            Message.connection_id.in_(connection_ids),
            Message.body_hmac == message.body_hmac,
        )
    )
    if db.session.scalar(same_text.where(Message.status == Status.SENDING)):
        # a candidate may be the message that is being sent now
        postpone_lookup(message.id)
    elif len(equal) == db.session.scalar(same_text.where(Message.status == Status.UNKNOWN)):
        # each equal message has one candidate, so any of them may be assigned to this one
        _record_found(message.id, equal[0], message.tries, can_poll=can_poll)
    else:
        leave_unknown(message.id)


def _claimed_ids(connection_ids: Collection[str], candidates: list[Accepted]) -> set[str | None]:
    """Return the provider IDs of candidates that belong to attempts already."""
    query = select(Attempt.provider_id).where(
        Attempt.connection_id.in_(connection_ids),
        Attempt.provider_id.in_([candidate.provider_id for candidate in candidates]),
    )
    return set(db.session.scalars(query))


_PROVIDER_IDS = select(Attempt.number, Attempt.provider_id).where(
    Attempt.message_id == bindparam("message_id"), Attempt.provider_id.is_not(None)
)


def _listed_attempt(
    message: Message, provider_ids: Mapping[int, str | None], candidates: list[Accepted]
) -> tuple[Accepted, int] | None:
    """Return the candidate whose ID a callback has given for an attempt, and its attempt number.

    `provider_ids`: the provider's IDs by attempt number.
    """
    candidates_by_id = {candidate.provider_id: candidate for candidate in candidates}
    for number, provider_id in sorted(provider_ids.items(), reverse=True):
        candidate = candidates_by_id.get(provider_id or "")
        # the failure of an older attempt does not decide the outcome of the message
        if candidate is not None and (
            number == message.tries or candidate.status not in (Status.FAILED, Status.UNDELIVERED)
        ):
            return candidate, number
    return None


def _time_unknown(message: Message) -> timedelta:
    """Return how long the outcome has been unknown, but no longer than since the attempt started.

    The start of an attempt is a time of the database's clock.
    """
    attempt = db.session.get(Attempt, (message.id, message.tries))
    since = message.changed_at
    if attempt is not None and since < attempt.started_at < since + CLOCKS_APART:
        since = attempt.started_at  # the clock of the process that changed the message was behind
    return now() - since


def _has_open_others(message: Message, connection_ids: list[str]) -> bool:
    """Return whether the outcome of another message to this contact will be known soon.

    What the provider lists may be that message.
    """
    if _time_unknown(message) >= WAIT_FOR_OTHERS:
        return False
    others = select(Message.id).where(
        Message.contact_id == message.contact_id,
        Message.connection_id.in_(connection_ids),
        Message.id != message.id,
        Message.status.in_((Status.SENDING, Status.UNKNOWN)),
        Message.due_at.is_not(None),
    )
    return db.session.scalar(others.limit(1)) is not None


def _record_found(message_id: str, accepted: Accepted, number: int, *, can_poll: bool) -> None:
    batch = MessageBatch()
    batch.read([message_id])
    row = batch.rows[message_id]
    attempt = db.session.get_one(Attempt, (row.id, number))
    attempt.sender = accepted.sender or attempt.sender
    batch.store_provider_id(row.id, number, accepted.provider_id)
    record_accepted(row, accepted, batch, can_poll=can_poll)
    batch.record_fact(row, "found", accepted.status, attempt=number)
    batch.write()


def _connections_of_account(connection: Connection) -> list[str]:
    """Return the IDs of the connections to the same account.

    The provider may list their messages together with those of this connection.
    """
    if not connection.account:
        return [connection.id]
    query = select(Connection.id).where(
        Connection.integration == connection.integration,
        Connection.account == connection.account,
        Connection.test == connection.test,
    )
    return list(db.session.scalars(query))


@transaction
def postpone_lookup(message_id: str) -> None:
    """Look a message up later, at growing intervals; after a day leave it to an admin."""
    message = db.session.scalars(
        select(Message).where(Message.id == message_id).with_for_update()
    ).one()
    if message.status == Status.SENDING:
        message.due_at = now() + FIND_AFTER
    if message.status != Status.UNKNOWN:
        return
    unknown_for = _time_unknown(message)
    if unknown_for < GIVE_UP_AFTER:
        message.due_at = now() + max(FIND_AFTER, unknown_for * PAUSE_FACTOR)
    else:
        message.due_at = None
        record_fact(message, "unanswered", Status.UNKNOWN)


@transaction
def leave_unknown(message_id: str, fact: str = "undecided") -> None:
    """Stop looking up a message and record the reason as a fact.

    The message is not sent again, because a duplicate would be worse.
    """
    message = db.session.scalars(
        select(Message).where(Message.id == message_id).with_for_update()
    ).one()
    if message.status == Status.UNKNOWN:
        message.due_at = None
        record_fact(message, fact, Status.UNKNOWN)
