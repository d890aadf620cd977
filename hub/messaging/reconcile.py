"""What became of messages nobody heard of: expired leases, and outcomes that are not known."""

from __future__ import annotations

from datetime import timedelta

import structlog
from sqlalchemy import func, select

from hub import live
from hub.errors import HubError, SendError
from hub.extensions import db
from hub.integrations.base import Accepted
from hub.messaging.delivery import Addressed, outbound_of
from hub.messaging.ledger import Ledger
from hub.messaging.outbox import note
from hub.messaging.outcomes import FIND_AFTER, accept, requeue_absent
from hub.messaging.statuses import expire_lease
from hub.models import Attempt, Body, Connection, Message
from hub.models.types import now
from hub.store import transaction
from hub.vocabulary import Status

log = structlog.get_logger(__name__)

BATCH = 50
GIVE_UP_AFTER = timedelta(hours=24)  # then an admin decides, with a button


def due() -> bool:
    """Tell whether a lease has expired or an unknown outcome is due to be looked into. Reads only."""
    query = select(Message.id).where(Message.status.in_((Status.SENDING, Status.UNKNOWN)), Message.due_at <= now()).limit(1)
    return db.session.scalar(query) is not None


def run() -> int:
    """Settle what can be settled; return how many messages were looked at."""
    late = _due(Status.SENDING)
    for message_id in late:
        expire_lease(message_id)
    unknown = _due(Status.UNKNOWN)
    for message_id in unknown:
        settle(message_id)
    return len(late) + len(unknown)


def _due(status: Status) -> list[str]:
    query = select(Message.id).where(Message.status == status, Message.due_at <= now()).order_by(Message.id).limit(BATCH)
    found = list(db.session.scalars(query))
    db.session.rollback()
    return found


def settle(message_id: str) -> None:
    """Ask the provider whether it has a message whose outcome is not known, and act on the answer."""
    message = db.session.get_one(Message, message_id)
    body = db.session.get(Body, message_id)
    attempt = db.session.get_one(Attempt, (message_id, message.tries))
    try:
        integration = live.instance(message.connection)
        if not integration.can("find") or body is None:
            policy = requeue_absent if integration.resend_unknown and body is not None else leave
            return policy(message_id)
        contact = message.contact
        to = Addressed(contact.address, contact.address_key, contact.kind, contact.erased_at is not None, body._content)
        outbound = outbound_of(message, to, integration, message.tries)
        since = attempt.started_at
        db.session.rollback()  # no transaction is open while the provider thinks
        candidates = integration.find(outbound, since)
    except HubError as problem:
        log.info("find.failed", message=message_id, code=problem.code if isinstance(problem, SendError) else type(problem).__name__)
        return postpone(message_id)
    except Exception:  # a fault of the integration's own must not hold the messages after this one
        log.exception("find.fault", message=message_id)
        return postpone(message_id)
    return decide(message_id, candidates)


@transaction
def decide(message_id: str, candidates: list[Accepted]) -> None:
    """Match what the provider has with the messages that could be it."""
    message = db.session.scalars(select(Message).where(Message.id == message_id).with_for_update()).one()
    if message.status != Status.UNKNOWN:
        return  # a callback was faster
    twins = _twins(message.connection)
    claimed = set(db.session.scalars(select(Attempt.provider_id).where(
        Attempt.connection_id.in_(twins), Attempt.provider_id.in_([c.provider_id for c in candidates]),
    )))  # fmt: skip
    free = [candidate for candidate in candidates if candidate.provider_id not in claimed]
    if not free:
        requeue_absent(message_id)
        return
    free = [candidate for candidate in free if candidate.sure]
    if not free:
        leave(message_id)  # something is there that may be it
        return
    same = select(func.count()).select_from(Message).where(
        Message.contact_id == message.contact_id, Message.connection_id.in_(twins), Message.body_hmac == message.body_hmac,
    )  # fmt: skip
    if db.session.scalar(same.where(Message.status == Status.SENDING)):
        postpone(message_id)  # one of the candidates may be that one's, whose answer is on its way
    elif len(free) == db.session.scalar(same.where(Message.status == Status.UNKNOWN)):
        # as many as there are equal messages to match: which is whose makes no difference
        _found(message_id, free[0])
    else:
        leave(message_id)


def _found(message_id: str, accepted: Accepted) -> None:
    ledger = Ledger()
    ledger.read([message_id])
    row = ledger.rows[message_id]
    db.session.get_one(Attempt, (row.id, row.tries)).sender = accepted.sender
    ledger.adopt(row.id, row.tries, accepted.provider_id)
    accept(row, accepted, ledger)
    ledger.note(row, "found", accepted.status)
    ledger.write()


def _twins(connection: Connection) -> list[str]:
    """Return the connections whose messages the provider lists together with this one's: of the same account and sender."""
    if not connection.account:
        return [connection.id]
    query = select(Connection.id).where(
        Connection.integration == connection.integration, Connection.account == connection.account,
        Connection.sender == connection.sender, Connection.test == connection.test,
    )  # fmt: skip
    return list(db.session.scalars(query))


@transaction
def postpone(message_id: str) -> None:
    """Look again later; after a day leave it to an admin."""
    message = db.session.scalars(select(Message).where(Message.id == message_id).with_for_update()).one()
    if message.status == Status.UNKNOWN:
        message.due_at = now() + FIND_AFTER if now() - message.changed_at < GIVE_UP_AFTER else None


@transaction
def leave(message_id: str) -> None:
    """Leave the outcome unknown: nobody can tell, and sending twice would be worse."""
    message = db.session.scalars(select(Message).where(Message.id == message_id).with_for_update()).one()
    if message.status == Status.UNKNOWN:
        message.due_at = None
        note(message, "undecided", Status.UNKNOWN)
