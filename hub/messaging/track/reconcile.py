"""Look up messages of unknown outcome at the provider: expired leases and lost answers."""

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
from hub.messaging.send.outbound import Addressee, outbound_of
from hub.messaging.send.outcomes import FIND_AFTER, record_accepted, requeue_absent
from hub.messaging.state import overdue, unreadable_rows
from hub.messaging.state.database_clock import CLOCKS_APART
from hub.messaging.state.message_batch import MessageBatch
from hub.messaging.track.statuses import expire_lease
from hub.models import Attempt, Connection, Message, MessageBody
from hub.shared import integration_instances

log = structlog.get_logger(__name__)

BATCH = 50  # of one connection in one run
GIVE_UP_AFTER = timedelta(hours=24)  # then an admin decides, with a button
# the pause before the next question is this part of how long it is not known already
PATIENCE = 0.25
WAITS_FOR_OTHERS = timedelta(minutes=10)  # then what the provider has is nobody's of whom we know
MISSES = 3  # questions without an answer in one run, then the others of the connection wait


def is_due() -> bool:
    """Tell whether a lease has expired or an unknown outcome is due to be looked into.

    Reads only.
    """
    return bool(overdue.overdue_connections((Status.SENDING, Status.UNKNOWN)))


def look_up_unknown(stopping: ShutdownSignal | None = None) -> int:
    """Settle what can be settled; return how many messages were looked at."""
    late = _due(Status.SENDING)
    for message_id in itertools.chain.from_iterable(late.values()):
        with _apart(message_id):
            expire_lease(message_id)
    looked_at = sum(map(len, late.values()))
    for unknown in _due(Status.UNKNOWN).values():
        looked_at += _settle_all(unknown, stopping)
    return looked_at


def _due(status: Status) -> dict[str, list[str]]:
    found = {
        connection_id: overdue.oldest_overdue(connection_id, [status], BATCH)
        for connection_id in overdue.overdue_connections([status])
    }
    db.session.rollback()
    return found


@contextmanager
def _apart(message_id: str) -> Iterator[None]:
    """Let what goes wrong with one message hold no other: it is logged, and that message waits."""
    try:
        yield
    except Exception:
        log.exception("reconcile.fault", message=message_id)
        db.session.rollback()
        try:
            postpone_lookup(message_id)
        except Exception as problem:  # its row cannot be read
            if unreadable_rows.is_transient(problem):
                raise
            db.session.rollback()
            unreadable_rows.hold_message(message_id, problem)


def _settle_all(unknown: list[str], stopping: ShutdownSignal | None) -> int:
    """Settle messages of one connection; a provider that does not answer is left alone, so that it
    holds no other.
    """
    missed = 0
    for place, message_id in enumerate(unknown):
        if stopping is not None and stopping.now:
            return place
        with _apart(message_id):
            missed += not settle_unknown(message_id)
        if missed == MISSES:
            for left in unknown[place + 1 :]:
                postpone_lookup(left)
            return place + 1
    return len(unknown)


def settle_unknown(message_id: str) -> bool:
    """Ask the provider whether it has a message whose outcome is not known, and act on the answer;
    False when there is none.
    """
    try:
        candidates = _ask(message_id)
    except HubError as problem:
        code = problem.code if isinstance(problem, SendError) else type(problem).__name__
        log.info("find.failed", message=message_id, code=code)
        postpone_lookup(message_id)
        return False
    except Exception:  # a fault of the integration's own must not hold the messages after this one
        log.exception("find.fault", message=message_id)
        postpone_lookup(message_id)
        return False
    if candidates is not None:
        decide_outcome(message_id, candidates)
    return True


def _ask(message_id: str) -> list[Accepted] | None:
    """Return what the provider has that may be a message; None where it was decided unasked."""
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
        # the answer would be about another account or sender: absent there means nothing
        leave_unknown(message_id, "set up anew")
        return None
    to = Addressee(
        contact.address,
        contact.address_key,
        contact.time_zone,
        contact.erased_at is not None,
        body._content,
    )
    outbound = outbound_of(
        message, to, integration, message.tries, free=not attempt.template
    ) or outbound_of(message, to, integration, message.tries)
    assert outbound is not None  # noqa: S101 - of free text there always is one
    since = attempt.started_at
    db.session.rollback()  # no transaction is open while the provider thinks
    return integration.find(outbound, since)


@transaction
def decide_outcome(message_id: str, candidates: list[Accepted]) -> None:
    """Match what the provider has with the messages that could be it."""
    message = db.session.scalars(
        select(Message).where(Message.id == message_id).with_for_update()
    ).one()
    if message.status != Status.UNKNOWN:
        return  # a callback was faster
    can_poll = integrations.get(message.connection.integration).supports("fetch_status")
    held = dict(db.session.execute(_HELD, {"message_id": message_id}).all())
    own = _own(message, held, candidates)
    if own is not None:
        _found(message_id, *own, can_poll=can_poll)
    elif message.tries in held:
        # a callback named it, so the provider has it, whatever its list says
        postpone_lookup(message_id)
    else:
        _match(message, candidates, can_poll=can_poll)


def _match(message: Message, candidates: list[Accepted], *, can_poll: bool) -> None:
    """Decide for a message of which the provider has named no id yet."""
    twins = _twins(message.connection)
    claimed = _claimed(twins, candidates)
    free = [candidate for candidate in candidates if candidate.provider_id not in claimed]
    if not free:
        requeue_absent(message.id)
        return
    free = [candidate for candidate in free if candidate.sure]
    # something is there that may be it, or another message whose outcome is not known either
    if not free:
        (postpone_lookup if _others_are_open(message, twins) else leave_unknown)(message.id)
        return
    same = (
        select(func.count())
        .select_from(Message)
        .where(
            Message.contact_id == message.contact_id,
            Message.connection_id.in_(twins),
            Message.body_hmac == message.body_hmac,
        )
    )
    if db.session.scalar(same.where(Message.status == Status.SENDING)):
        # one of the candidates may be the other's, whose answer is still to come
        postpone_lookup(message.id)
    elif len(free) == db.session.scalar(same.where(Message.status == Status.UNKNOWN)):
        # as many as there are equal messages to match: which is whose makes no difference
        _found(message.id, free[0], message.tries, can_poll=can_poll)
    else:
        leave_unknown(message.id)


def _claimed(connection_ids: Collection[str], candidates: list[Accepted]) -> set[str | None]:
    """Return the candidates' provider ids that attempts have already."""
    query = select(Attempt.provider_id).where(
        Attempt.connection_id.in_(connection_ids),
        Attempt.provider_id.in_([candidate.provider_id for candidate in candidates]),
    )
    return set(db.session.scalars(query))


_HELD = select(Attempt.number, Attempt.provider_id).where(
    Attempt.message_id == bindparam("message_id"), Attempt.provider_id.is_not(None)
)


def _own(
    message: Message, held: Mapping[int, str | None], candidates: list[Accepted]
) -> tuple[Accepted, int] | None:
    """Return what is there of this message for sure, since a callback gave its attempt that very
    id; and which attempt.
    """
    listed = {candidate.provider_id: candidate for candidate in candidates}
    for n, provider_id in sorted(held.items(), reverse=True):
        found = listed.get(provider_id or "")
        # what an older attempt failed at stays with it
        if found is not None and (
            n == message.tries or found.status not in (Status.FAILED, Status.UNDELIVERED)
        ):
            return found, n
    return None


def _unknown_for(message: Message) -> timedelta:
    """Return how long the outcome is not known: not longer than the attempt is old, whose time
    comes from the database's clock.
    """
    attempt = db.session.get(Attempt, (message.id, message.tries))
    since = message.changed_at
    if attempt is not None and since < attempt.started_at < since + CLOCKS_APART:
        since = attempt.started_at  # who wrote the message last had a clock that was behind
    return now() - since


def _others_are_open(message: Message, twins: list[str]) -> bool:
    """Tell whether it is soon to be decided what became of other messages to this contact: they may
    be what the provider has.
    """
    if _unknown_for(message) >= WAITS_FOR_OTHERS:
        return False
    others = select(Message.id).where(
        Message.contact_id == message.contact_id,
        Message.connection_id.in_(twins),
        Message.id != message.id,
        Message.status.in_((Status.SENDING, Status.UNKNOWN)),
        Message.due_at.is_not(None),
    )
    return db.session.scalar(others.limit(1)) is not None


def _found(message_id: str, accepted: Accepted, n: int, *, can_poll: bool) -> None:
    ledger = MessageBatch()
    ledger.read([message_id])
    row = ledger.rows[message_id]
    attempt = db.session.get_one(Attempt, (row.id, n))
    attempt.sender = accepted.sender or attempt.sender
    ledger.store_provider_id(row.id, n, accepted.provider_id)
    record_accepted(row, accepted, ledger, can_poll=can_poll)
    ledger.record_fact(row, "found", accepted.status, attempt=n)
    ledger.write()


def _twins(connection: Connection) -> list[str]:
    """Return the connections whose messages the provider may list together with this one's: of the
    same account.
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
    """Look again later, ever more rarely; after a day leave it to an admin."""
    message = db.session.scalars(
        select(Message).where(Message.id == message_id).with_for_update()
    ).one()
    if message.status == Status.SENDING:
        message.due_at = now() + FIND_AFTER
    if message.status != Status.UNKNOWN:
        return
    unknown_for = _unknown_for(message)
    if unknown_for < GIVE_UP_AFTER:
        message.due_at = now() + max(FIND_AFTER, unknown_for * PATIENCE)
    else:
        message.due_at = None
        record_fact(message, "unanswered", Status.UNKNOWN)


@transaction
def leave_unknown(message_id: str, word: str = "undecided") -> None:
    """Leave the outcome unknown, and note why: sending twice would be worse."""
    message = db.session.scalars(
        select(Message).where(Message.id == message_id).with_for_update()
    ).one()
    if message.status == Status.UNKNOWN:
        message.due_at = None
        record_fact(message, word, Status.UNKNOWN)
