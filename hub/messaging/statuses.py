"""Facts about messages: kept all, and raising a message's status by rank, so that repeats and any order end the same."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select

from hub import integrations
from hub.extensions import db
from hub.integrations.base import StatusUpdate
from hub.messaging.outbox import note
from hub.models import Attempt, Message, PlatformEvent, StatusEvent
from hub.models.types import is_id, now
from hub.store import transaction
from hub.vocabulary import Status

# what the signing app is told of; its name begins with the integration's event prefix
TOLD = (Status.SENT, Status.DELIVERED, Status.READ, Status.FAILED, Status.UNDELIVERED)


@dataclass(frozen=True)
class Origin:
    """Where facts come from: a callback, poll or find; on behalf of which connections; kept in which receipt."""

    source: str
    connection_ids: Collection[str]
    receipt_id: str | None = None


@transaction
def apply(update: StatusUpdate, origin: Origin) -> bool:
    """Apply a provider's word to the message it is about. False when no message of these connections matches."""
    found = _resolve(update, origin.connection_ids)
    if found is None:
        return False
    message, attempt = found
    if update.provider_id and attempt.provider_id is None:
        adopt(attempt, update.provider_id)  # the callback was faster than the API's answer
    _keep(update, origin, message, attempt)
    if update.segments:
        message.segments = update.segments
    # what an older attempt failed at stays with it: a newer one is under way
    counts = attempt.n == message.tries or update.status in (Status.SENT, Status.DELIVERED, Status.READ)
    if update.status is not None and counts:
        raise_to(message, update.status, code=update.code)
        if attempt.provider_id and (message.provider_id is None or attempt.n == message.tries):
            message.provider_id = attempt.provider_id
        tell(message, update.status, {**update.details, "code": update.code} if update.code else dict(update.details))
    db.session.flush()
    return True


def _resolve(update: StatusUpdate, connection_ids: Collection[str]) -> tuple[Message, Attempt] | None:
    """Find message and attempt: by the names in the address that we gave the provider, else by the provider's id."""
    where = Attempt.provider_id == update.provider_id
    if is_id("msg", update.message_id) and update.attempt:
        named = db.session.get(Attempt, (update.message_id, update.attempt))
        if named is not None and named.provider_id in (None, update.provider_id):
            where = (Attempt.message_id == named.message_id) & (Attempt.n == named.n)
    elif not update.provider_id:
        return None
    row = db.session.execute(
        select(Message, Attempt).join(Attempt, Attempt.message_id == Message.id)
        .where(where, Attempt.connection_id.in_(list(connection_ids))).with_for_update(of=Message)
    ).first()  # fmt: skip
    return (row[0], row[1]) if row else None


def adopt(attempt: Attempt, provider_id: str) -> None:
    """Write the provider's id on an attempt, unless it stands on another one: a provider must not say one id twice."""
    other = select(Attempt.message_id).where(Attempt.connection_id == attempt.connection_id, Attempt.provider_id == provider_id)
    if attempt.provider_id != provider_id and db.session.scalar(other) is None:
        attempt.provider_id = provider_id


def _keep(update: StatusUpdate, origin: Origin, message: Message, attempt: Attempt) -> None:
    same = select(StatusEvent.id).where(
        StatusEvent.message_id == message.id, StatusEvent.attempt == attempt.n, StatusEvent.source == origin.source,
        StatusEvent.word == update.word, StatusEvent.code == update.code,
    )  # fmt: skip
    if db.session.scalar(same) is None:
        db.session.add(StatusEvent(
            message_id=message.id, attempt=attempt.n, status=update.status and update.status.value, word=update.word, code=update.code,
            why=update.why, source=origin.source, receipt_id=origin.receipt_id, provider_at=update.at,
        ))  # fmt: skip


def raise_to(message: Message, status: Status, *, code: str = "") -> bool:
    """Raise a message's status if the new one ranks higher; an equal rank keeps the first."""
    if status.rank <= Status(message.status).rank:
        return False
    message.status, message.code, message.changed_at = status.value, code, now()
    message.due_at = None
    return True


def tell(message: Message, status: Status, details: dict[str, str]) -> None:
    """Write the platform event of a fact, once however often the fact comes."""
    if status not in TOLD:
        return
    prefix = integrations.get(message.connection.integration).event_prefix
    cause = f"{message.id}:{status.value}"
    if db.session.scalar(select(PlatformEvent.id).where(PlatformEvent.cause == cause)) is None:
        event = PlatformEvent(cause=cause, type=f"{prefix}_{status.value}", message_id=message.id, request_id=message.request_id)
        event.payload = details
        db.session.add(event)


@transaction
def expire_lease(message_id: str) -> None:
    """Say of a message whose worker is gone that its outcome is not known."""
    message = db.session.scalar(select(Message).where(Message.id == message_id).with_for_update())
    if message is None or message.status != Status.SENDING or message.due_at is None or message.due_at > now():
        return
    attempt = db.session.get(Attempt, (message.id, message.tries))
    if attempt is not None and attempt.outcome is None:
        attempt.outcome, attempt.ended_at = "unknown", now()
        attempt.why = "The worker ended before the provider answered."
    message.status, message.code, message.changed_at, message.due_at = Status.UNKNOWN.value, "lease_expired", now(), now()
    note(message, "lease expired", Status.UNKNOWN)
