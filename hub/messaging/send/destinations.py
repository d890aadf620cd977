"""Pause team destinations that their provider refuses, and reopen them.

Posts to a paused destination wait until a test passes. A channel or a group cannot opt out, so an
error about one never adds an opt-out. The pause belongs to one connection and one address, so
messages from the same connection to people are still sent.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from flask import current_app
from sqlalchemy import func, select, update

from hub.core.errors import (
    DestinationUnavailable,
    PermanentError,
    RecipientRefused,
    SendError,
)
from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.store import cached, transaction, wake
from hub.db.types import now
from hub.messaging.send.calls import DueMessage
from hub.messaging.state.message_batch import MessageBatch, MessageRow
from hub.models import Connection, Contact, Message, PausedDestination
from hub.shared import audit

log = structlog.get_logger(__name__)

CACHE_KEY = ("paused destinations",)  # key of the cached list
NO_EXPIRY = timedelta(days=1)  # until a post without an expiry is checked again
COUNT_TO = 1000  # waiting posts at most


@dataclass(frozen=True)
class DestinationPause:
    """A paused destination as pages show it.

    `why` is the problem and its remedy, `waiting` the number of waiting posts, at most COUNT_TO.
    """

    address: str
    code: str
    reason: str
    since: datetime
    waiting_count: int


# ── Sending ───────────────────────────────────────────────────────────────────────────────────────
def postpone_paused(
    connection_id: str, claimed: Sequence[DueMessage], batch: MessageBatch
) -> list[DueMessage]:
    """Return the claimed messages whose destination is open.

    The others wait until they expire or their destination is reopened.
    """
    paused = cached(CACHE_KEY, _read_paused)
    if not paused:
        return list(claimed)
    current_time = now()
    sendable = list[DueMessage]()
    for due in claimed:
        row = due.row
        code = paused.get((connection_id, row.contact_id))
        if (
            code is None
            or row.stop_reason
            or (row.expires_at is not None and row.expires_at <= current_time)
        ):
            sendable.append(due)  # a stopped or expired message ends as usual
        else:
            batch.add_row(row)
            row.code = code
            row.due_at = row.expires_at or current_time + NO_EXPIRY
    return sendable


def adjust_error(row: MessageRow, error: SendError | None) -> SendError | None:
    """Return the error to apply to a message, which depends on whether it is for the own team.

    A team's destination that is refused is no recipient who opted out. Another destination fails
    the message only, as does an unknown code for an update: it concerns the post.
    """
    if isinstance(error, RecipientRefused) and (row.thread or _is_own_destination(row)):
        return DestinationUnavailable(str(error), error.code)
    if isinstance(error, DestinationUnavailable):
        concerns_post = row.edits_id and not error.sure
        if concerns_post or not _is_own_destination(row):
            return PermanentError(str(error), error.code)
    return error


def _is_own_destination(row: MessageRow) -> bool:
    """Return whether a message goes to the destination of its connection's team."""
    query = (
        select(Connection.id)
        .join(Contact, Contact.address == Connection.destination)
        .where(
            Connection.id == row.connection_id,
            Contact.id == row.contact_id,
            Connection.destination != "",
        )
    )
    return db.session.scalar(query) is not None


def pause_destination(
    connection_id: str, contact_id: str, *, code: str, reason: str, at: datetime
) -> None:
    """Pause a destination from `at` on. An error from before a reopening changes nothing."""
    paused = db.session.get(
        PausedDestination,
        (connection_id, contact_id),
        with_for_update=True,
        populate_existing=True,
    )
    if paused is None:
        paused = PausedDestination(connection_id=connection_id, contact_id=contact_id, since=at)
        db.session.add(paused)
        is_new = True
    else:
        is_new = paused.reopened_at is not None
        if paused.reopened_at is not None and paused.reopened_at >= at:
            return
    paused.code = code
    paused.reason = reason
    paused.since = at if is_new else paused.since
    paused.reopened_at = None
    db.session.flush()
    _clear_cache()
    if is_new:
        title, slug = db.session.execute(
            select(Connection.title, Connection.slug).where(Connection.id == connection_id)
        ).one()
        audit.record("connection.destination_paused", connection_id, title, code=code, why=reason)
        log.warning("destination.paused", connection=slug, code=code)


# ── Reopening ─────────────────────────────────────────────────────────────────────────────────────
@transaction
def reopen_destination(
    connection_id: str, contact_ids: Collection[str] | None = None, at: datetime | None = None
) -> None:
    """Reopen the destinations of a connection, or some of them, and let their posts be sent."""
    reopened_at = now() if at is None else at
    paused = select(PausedDestination).where(
        PausedDestination.connection_id == connection_id,
        PausedDestination.reopened_at.is_(None),
        PausedDestination.since <= reopened_at,
    )
    if contact_ids is not None:
        paused = paused.where(PausedDestination.contact_id.in_(contact_ids))
    for destination in db.session.scalars(
        paused.order_by(PausedDestination.contact_id).with_for_update()
    ).all():
        destination.reopened_at = reopened_at
        _release(connection_id, destination.contact_id)
        connection = db.session.get_one(Connection, connection_id)
        audit.record(
            "connection.destination_reopened",
            connection.id,
            connection.title,
            code=destination.code,
        )
    db.session.flush()
    _clear_cache()


def _release(connection_id: str, contact_id: str) -> None:
    waiting = select(Message.id).where(
        Message.contact_id == contact_id,
        Message.connection_id == connection_id,
        Message.status == Status.QUEUED,
        Message.due_at.is_not(None),
    )
    ids = list(db.session.scalars(waiting.order_by(Message.id).with_for_update()))
    if ids:
        db.session.execute(
            update(Message)
            .where(Message.id.in_(ids))
            .values(due_at=now())
            .execution_options(synchronize_session=False)
        )
        wake("deliver")


def reopen_for_member(connection_id: str, contact_id: str, at: datetime) -> None:
    """Reopen a destination because the app was added to it again.

    A late notice of an earlier removal changes nothing.
    """
    reopen_destination(connection_id, [contact_id], at)
    if db.session.get(PausedDestination, (connection_id, contact_id)) is None:
        db.session.add(
            PausedDestination(
                connection_id=connection_id,
                contact_id=contact_id,
                code="",
                reason="",
                since=at,
                reopened_at=at,
            )
        )
        db.session.flush()


# ── Reading ───────────────────────────────────────────────────────────────────────────────────────
def find_pauses(connection_ids: Collection[str]) -> dict[str, DestinationPause]:
    """Return a paused destination for each connection that has one.

    It is the present destination of the team, or else one for which posts wait.
    """
    if not connection_ids:
        return {}
    query = (
        select(PausedDestination, Contact.address, Connection.destination)
        .join(Contact, Contact.id == PausedDestination.contact_id)
        .join(Connection, Connection.id == PausedDestination.connection_id)
        .where(
            PausedDestination.connection_id.in_(connection_ids),
            PausedDestination.reopened_at.is_(None),
        )
        .order_by(PausedDestination.since)
    )
    pauses: dict[str, DestinationPause] = {}
    for paused, address, destination in db.session.execute(query).all():
        waiting = _count_waiting(paused.connection_id, paused.contact_id)
        if address == destination or (waiting and paused.connection_id not in pauses):
            pauses[paused.connection_id] = DestinationPause(
                address, paused.code, paused.reason, paused.since, waiting
            )
    return pauses


def pause_of_message(message: Message) -> DestinationPause | None:
    """Return the pause that a message waits for, or None."""
    if message.status != Status.QUEUED:
        return None
    paused = db.session.get(PausedDestination, (message.connection_id, message.contact_id))
    if paused is None or paused.reopened_at is not None:
        return None
    return DestinationPause(
        message.contact.address,
        paused.code,
        paused.reason,
        paused.since,
        _count_waiting(paused.connection_id, paused.contact_id),
    )


def _count_waiting(connection_id: str, contact_id: str) -> int:
    rows = select(Message.id).where(
        Message.contact_id == contact_id,
        Message.connection_id == connection_id,
        Message.status == Status.QUEUED,
        Message.stop_reason.is_(None),
    )
    return db.session.scalar(select(func.count()).select_from(rows.limit(COUNT_TO).subquery())) or 0


def _read_paused() -> dict[tuple[str, str], str]:
    query = select(
        PausedDestination.connection_id, PausedDestination.contact_id, PausedDestination.code
    )
    rows = db.session.execute(query.where(PausedDestination.reopened_at.is_(None)))
    return {(connection_id, contact_id): code for connection_id, contact_id, code in rows}


def _clear_cache() -> None:
    current_app.extensions.get("hub.cached", {}).pop(CACHE_KEY, None)
