"""Claiming what can be sent, and recording what became of it. Claiming means the call begins: no attempt row, never sent."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import structlog
from flask import current_app
from sqlalchemy import func, select, update
from sqlalchemy.exc import SQLAlchemyError

from hub import audit, live, phones
from hub.config import Config, is_loopback
from hub.errors import (
    ConnectionBroken,
    HubError,
    OutcomeUnknown,
    RecipientMoved,
    RecipientRefused,
    SendError,
    TransientError,
    Unreadable,
)
from hub.extensions import db
from hub.integrations.base import Accepted, Integration, Outbound
from hub.messaging import consent, policy
from hub.messaging.contacts import contact_for
from hub.messaging.outbox import note
from hub.messaging.statuses import adopt, raise_to, tell
from hub.models import Attempt, Body, Connection, Contact, Message
from hub.models.types import now
from hub.store import transaction, wake
from hub.vocabulary import Address, ConnectionState, Lane, Status

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=60)  # longer than the longest call; an expired one becomes unknown, never queued
FIND_AFTER = timedelta(seconds=60)
UNREADABLE_PAUSE = timedelta(seconds=30)  # an operator may be restoring a key
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 600.0  # seconds before a retry: doubled each time, with jitter
LONGEST_ASKED = 86_400.0  # of a pause that the provider asks for; the message has expired by then
RESERVED = 4  # bulk leaves one in so many of a connection's threads to the other lane


@dataclass(frozen=True)
class Claim:
    """A message that is being handed over from now on."""

    message_id: str
    n: int
    connection_id: str
    integration: Integration
    outbound: Outbound


@dataclass(frozen=True)
class Outcome:
    """What a call came to: accepted, or the error; and how the exchange went."""

    claim: Claim
    accepted: Accepted | None
    error: SendError | None
    ended_at: datetime
    milliseconds: int
    http_status: int | None = None
    request_ref: str = ""


def due(limit: int = 50) -> list[str]:
    """Return the ids of enabled connections that have something to send now. Reads only."""
    waiting = (
        select(Message.id).where(Message.connection_id == Connection.id, Message.status == Status.QUEUED, Message.due_at <= now())
        .exists()
    )  # fmt: skip
    query = select(Connection.id).where(Connection.state == ConnectionState.ENABLED, Connection.archived_at.is_(None), waiting)
    return list(db.session.scalars(query.limit(limit)))


@transaction
def turn(outcomes: Sequence[Outcome], free: Mapping[str, int]) -> list[Claim]:
    """Record outcomes and claim for each connection no more than its free threads: one transaction for both."""
    for outcome in outcomes:
        try:
            with db.session.begin_nested():
                record(outcome)
        except SQLAlchemyError as problem:  # the others are written all the same; this one's lease will expire
            log.error("outcome.not_written", message=outcome.claim.message_id, problem=type(problem).__name__)
    db.session.flush()
    claims = [claim for connection_id, threads in free.items() for claim in _claim(connection_id, threads)]
    if claims:
        wake("settle")  # callbacks will come; who takes them in does nothing but store them
    return claims


def _claim(connection_id: str, threads: int) -> list[Claim]:
    connection = db.session.get(Connection, connection_id)
    if connection is None or not connection.enabled or threads <= 0:
        return []
    try:
        integration = live.instance(connection)
    except HubError as problem:  # unreadable settings, a package that is gone
        _break(connection, str(problem))
        return []
    chosen = _choose(connection_id, Lane.NOW, threads)
    bulk = threads - len(chosen) - max(1, threads // RESERVED)
    if bulk > 0:
        chosen += _choose(connection_id, Lane.BULK, bulk)
    claims = []
    for message, contact, body in chosen:
        if claim := _begin(message, contact, body, connection, integration):
            claims.append(claim)
    return claims


def _choose(connection_id: str, lane: Lane, most: int) -> list[tuple[Message, Contact, Body | None]]:
    query = (
        select(Message, Contact, Body).join(Contact, Contact.id == Message.contact_id).outerjoin(Body, Body.owner_id == Message.id)
        .where(Message.connection_id == connection_id, Message.status == Status.QUEUED, Message.lane == lane, Message.due_at <= now())
        .order_by(Message.due_at).limit(most).with_for_update(of=Message, skip_locked=True)
    )  # fmt: skip
    return [tuple(row) for row in db.session.execute(query)]  # type: ignore[misc]


def _begin(message: Message, contact: Contact, body: Body | None, connection: Connection, integration: Integration) -> Claim | None:
    moment = now()
    if ending := _ending(message, contact, body, connection):
        _end(message, *ending)
        return None
    assert body is not None  # noqa: S101 - else it ended
    try:
        outbound = outbound_of(message, contact, body, integration, message.tries + 1)
    except Unreadable as problem:
        if message.code != "unreadable":
            note(message, "unreadable", why=str(problem))
        message.due_at, message.code = moment + UNREADABLE_PAUSE, "unreadable"
        return None
    message.status, message.tries, message.due_at, message.changed_at = Status.SENDING.value, message.tries + 1, moment + LEASE, moment
    message.code = ""
    db.session.add(Attempt(message_id=message.id, n=message.tries, connection_id=connection.id, started_at=moment))
    return Claim(message.id, message.tries, connection.id, integration, outbound)


def _ending(message: Message, contact: Contact, body: Body | None, connection: Connection) -> tuple[Status, str, str, str] | None:
    """Return how a message ends without being sent: status, word, code, why; None when it may go."""
    if message.stop:
        return Status.CANCELED, "stopped", "", message.stop
    if message.expires_at is not None and message.expires_at <= now():
        return Status.EXPIRED, "expired", "", ""
    if code := policy.refusal(contact.address_key, message.channel, connection.sender, test=message.test):
        return Status.SUPPRESSED, "suppressed", code, ""
    if body is None or contact.erased_at is not None:
        return Status.CANCELED, "erased", "", "What it said, or whom it was for, was removed."
    return None


def _end(message: Message, status: Status, word: str, code: str = "", why: str = "") -> None:
    message.status, message.code, message.due_at, message.changed_at = status.value, code, None, now()
    note(message, word, status, code=code, why=why)


def outbound_of(message: Message, contact: Contact, body: Body, integration: Integration, n: int) -> Outbound:
    """Return what to hand to the integration. Raises Unreadable."""
    content = body.content
    return Outbound(
        id=message.id, attempt=n, to=contact.address, text=content["text"], subject=content.get("subject", ""),
        thread=message.thread, expires_at=message.expires_at, status_url=_status_url(message, integration, n),
        country=phones.region(contact.address) if contact.kind == Address.PHONE else "",
    )  # fmt: skip


def _status_url(message: Message, integration: Integration, n: int) -> str:
    """Return where the provider reports; nothing when it could not reach us there, since it would refuse the message."""
    config: Config = current_app.extensions["hub.config"]
    if not integration.status_path:
        return ""
    here_only = is_loopback(urlsplit(config.public_url).hostname or "")
    there = [urlsplit(url).hostname or "" for url in integration.api_urls.values()]
    if here_only and not any(is_loopback(host) for host in there):
        return ""
    return f"{config.public_url}/api/rpc/webhooks/{integration.status_path}?message={message.id}&attempt={n}"


# ── Outcomes ────────────────────────────────────────────────────────────────────────────────────────────────
@transaction
def record(outcome: Outcome) -> None:
    """Write what a call came to: on its attempt always, on its message only if no newer attempt exists."""
    claim, error, accepted = outcome.claim, outcome.error, outcome.accepted
    attempt = db.session.get_one(Attempt, (claim.message_id, claim.n))
    message = db.session.scalars(select(Message).where(Message.id == claim.message_id).with_for_update()).one()
    attempt.ended_at, attempt.milliseconds = outcome.ended_at, outcome.milliseconds
    attempt.http_status, attempt.request_ref = outcome.http_status, outcome.request_ref
    attempt.outcome = "accepted" if accepted else _OUTCOMES.get(type(error), "failed")
    if error is not None:
        attempt.code, attempt.why = error.code, str(error)
    if accepted is not None:
        attempt.sender = accepted.sender
        adopt(attempt, accepted.provider_id)
    if claim.n != message.tries:
        return
    if accepted is not None:
        accept(message, accepted)
    elif message.status in (Status.SENDING, Status.UNKNOWN):  # else a callback has told us better
        assert error is not None  # noqa: S101
        _fail(message, error, claim.integration)


def accept(message: Message, accepted: Accepted) -> None:
    """Write on a message that the provider has it."""
    message.provider_id = accepted.provider_id
    message.segments = message.segments or accepted.segments
    message.price = message.price or accepted.price
    raise_to(message, accepted.status)
    tell(message, accepted.status, {})
    if accepted.thread:
        message.thread = accepted.thread


def _fail(message: Message, error: SendError, integration: Integration) -> None:
    moment = now()
    if isinstance(error, TransientError):
        _retry(message, error, integration)
    elif isinstance(error, OutcomeUnknown):
        message.status, message.code, message.due_at = Status.UNKNOWN.value, error.code, moment + FIND_AFTER
        message.changed_at = moment
    elif isinstance(error, ConnectionBroken):
        _requeue(message, moment, error.code)
        _break(message.connection, str(error))
    elif isinstance(error, RecipientMoved):
        message.contact_id = contact_for(integration.address, error.new, test=message.test).id
        _requeue(message, moment, error.code)
    else:
        if isinstance(error, RecipientRefused):
            consent.suppress(message, reason="provider", code=error.code)
        _give_up(message, error.code)


def _retry(message: Message, error: TransientError, integration: Integration) -> None:
    tried = select(func.count()).select_from(Attempt).where(Attempt.message_id == message.id, Attempt.outcome == "transient")
    times = db.session.scalar(tried) or 1
    if times >= integration.retries:
        _give_up(message, error.code)
        return
    pause = min(FIRST_PAUSE * 2 ** (times - 1), LONGEST_PAUSE) * random.uniform(0.75, 1.25)  # noqa: S311 - jitter
    pause = max(pause, min(error.retry_after or 0, LONGEST_ASKED))
    _requeue(message, now() + timedelta(seconds=pause), error.code)


def _requeue(message: Message, due_at: datetime, code: str) -> None:
    if message.stop:
        _end(message, Status.CANCELED, "stopped", why=message.stop)
        return
    message.status, message.due_at, message.code, message.changed_at = Status.QUEUED.value, due_at, code, now()


def _give_up(message: Message, code: str) -> None:
    raise_to(message, Status.FAILED, code=code)
    tell(message, Status.FAILED, {"code": code})


def _break(connection: Connection, why: str) -> None:
    """Pause a connection until an admin has fixed it; what waits for it stays."""
    changed = db.session.execute(
        update(Connection).where(Connection.id == connection.id, Connection.state == ConnectionState.ENABLED)
        .values(state=ConnectionState.BROKEN.value, why=why, state_at=now())
    )  # fmt: skip
    if changed.rowcount:  # type: ignore[attr-defined]
        db.session.expire(connection)
        audit.record("connection.broke", connection.id, connection.title, why=why)
        log.warning("connection.broken", connection=connection.slug, why=why)


_OUTCOMES = {TransientError: "transient", OutcomeUnknown: "unknown", ConnectionBroken: "broken"}


@transaction
def requeue_absent(message_id: str) -> None:
    """Queue a message of unknown outcome again, because the provider surely does not have it."""
    message = db.session.scalars(select(Message).where(Message.id == message_id).with_for_update()).one()
    if message.status == Status.UNKNOWN:
        _requeue(message, now(), "")
        note(message, "proved absent", Status.QUEUED)
        wake("deliver")
