"""Pause team destinations that their provider refuses, and reopen them.

Posts to a paused destination wait until a test passes. A channel or a group cannot opt out, so an
error about one never adds an opt-out. The pause belongs to one connection and one address, so
messages from the same connection to people are still sent.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import structlog
from flask import current_app
from sqlalchemy import bindparam, func, select, update

from hub.core.errors import DestinationUnavailable, RecipientRefused, SendError
from hub.core.vocabulary import Status
from hub.db.compiled_sql import Statement, table_of
from hub.db.engine import db
from hub.db.store import cached, read, transaction, wake, write
from hub.db.types import now
from hub.messaging.state.message_batch import MessageBatch, MessageRow
from hub.models import Connection, Contact, Message, PausedDestination
from hub.shared import audit

T = TypeVar("T")

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
    why: str
    since: datetime
    waiting: int


# ── Sending ───────────────────────────────────────────────────────────────────────────────────────
def hold_back(
    connection_id: str, claimed: Sequence[tuple[MessageRow, T]], batch: MessageBatch
) -> list[tuple[MessageRow, T]]:
    """Return the claimed messages whose destination is open.

    The others wait until they expire or their destination is reopened.
    """
    paused = cached(CACHE_KEY, _read_paused)
    if not paused:
        return list(claimed)
    moment = now()
    sendable = list[tuple[MessageRow, T]]()
    for row, details in claimed:
        code = paused.get((connection_id, row.contact_id))
        if (
            code is None
            or row.stop_reason
            or (row.expires_at is not None and row.expires_at <= moment)
        ):
            sendable.append((row, details))  # a stopped or expired message ends as usual
        else:
            batch.add_row(row)
            row.code = code
            row.due_at = row.expires_at or moment + NO_EXPIRY
    return sendable


def judge_outcome(row: MessageRow, error: SendError | None) -> SendError | None:
    """Return the error that counts for a message.

    A team's destination that is refused is no recipient who opted out.
    """
    if isinstance(error, RecipientRefused) and (
        row.thread or read(_OWN_DESTINATION, connection=row.connection_id, contact=row.contact_id)
    ):
        return DestinationUnavailable(str(error), error.code)
    return error


def pause_destination(
    connection_id: str, contact_id: str, *, code: str, reason: str, at: datetime
) -> None:
    """Pause a destination from `at` on. An error from before a reopening changes nothing."""
    key = {"connection": connection_id, "contact": contact_id}
    known = read(_KNOWN, **key)
    if known and known[0][0] is not None and known[0][0] >= at:
        return
    is_new = not known or known[0][0] is not None
    if not known:
        row = {
            "connection_id": connection_id,
            "contact_id": contact_id,
            "code": code,
            "reason": reason,
            "since": at,
            "reopened_at": None,
        }
        write(_ADD, row)
    write(
        _PAUSE,
        {**key, "new_code": code, "new_reason": reason, "new_since": at if is_new else known[0][1]},
    )
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
    moment = now() if at is None else at
    paused = select(PausedDestination).where(
        PausedDestination.connection_id == connection_id,
        PausedDestination.reopened_at.is_(None),
        PausedDestination.since <= moment,
    )
    if contact_ids is not None:
        paused = paused.where(PausedDestination.contact_id.in_(contact_ids))
    for destination in db.session.scalars(
        paused.order_by(PausedDestination.contact_id).with_for_update()
    ).all():
        destination.reopened_at = moment
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
    """Reopen a destination because the connection is its member again.

    An older notice of the opposite may arrive late, and then changes nothing.
    """
    reopen_destination(connection_id, [contact_id], at)
    if not read(_KNOWN, connection=connection_id, contact=contact_id):
        row = {
            "connection_id": connection_id,
            "contact_id": contact_id,
            "code": "",
            "reason": "",
            "since": at,
            "reopened_at": at,
        }
        write(_ADD, row)


# ── Reading ───────────────────────────────────────────────────────────────────────────────────────
def pauses_of(connection_ids: Collection[str]) -> dict[str, DestinationPause]:
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


_table = table_of(PausedDestination)
_ADD = Statement.insert(_table, on_conflict_do_nothing=True)
_SAME_DESTINATION = (
    _table.c.connection_id == bindparam("connection"),
    _table.c.contact_id == bindparam("contact"),
)
_KNOWN = Statement(
    select(_table.c.reopened_at, _table.c.since).where(*_SAME_DESTINATION).with_for_update()
)
_PAUSE = Statement(
    update(_table)
    .where(*_SAME_DESTINATION)
    .values(
        code=bindparam("new_code"),
        reason=bindparam("new_reason"),
        since=bindparam("new_since"),
        reopened_at=None,
    )
)
_OWN_DESTINATION = Statement(
    select(Connection.id)
    .join(Contact, Contact.address == Connection.destination)
    .where(
        Connection.id == bindparam("connection"),
        Contact.id == bindparam("contact"),
        Connection.destination != "",
    )
)
