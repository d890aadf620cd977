"""Destinations where a team reads: one that its provider refuses is paused, and its posts wait
until a test passes.

A channel or a group is nobody who could opt out, so an error about one never makes a suppression.
The pause belongs to one connection and one address: people to whom the same connection writes are
not concerned.
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

KEPT = ("paused destinations",)  # a list that may be a moment old
NO_EXPIRY = timedelta(days=1)  # until a post without an expiry is looked at again
COUNT_TO = 1000  # waiting posts; more are not counted


@dataclass(frozen=True)
class DestinationPause:
    """A paused destination for people to read: `why` says what is wrong and how to fix it;
    `waiting` counts posts, to COUNT_TO.
    """

    address: str
    code: str
    why: str
    since: datetime
    waiting: int


# ── Sending ───────────────────────────────────────────────────────────────────────────────────────
def hold_back(
    connection_id: str, found: Sequence[tuple[MessageRow, T]], ledger: MessageBatch
) -> list[tuple[MessageRow, T]]:
    """Return the claimed messages whose destination is open.

    The others wait until they expire, or until it is reopened.
    """
    paused = cached(KEPT, _paused)
    if not paused:
        return list(found)
    moment = now()
    going = list[tuple[MessageRow, T]]()
    for row, more in found:
        code = paused.get((connection_id, row.contact_id))
        if (
            code is None
            or row.stop_reason
            or (row.expires_at is not None and row.expires_at <= moment)
        ):
            going.append((row, more))  # what was stopped or has expired ends as any other message
        else:
            ledger.add_row(row)
            row.code = code
            row.due_at = row.expires_at or moment + NO_EXPIRY
    return going


def judge_outcome(row: MessageRow, error: SendError | None) -> SendError | None:
    """Return the error of a call as it counts for its message: a team's destination is never a
    recipient who refuses.
    """
    if isinstance(error, RecipientRefused) and (
        row.thread or read(_PLACES, connection=row.connection_id, contact=row.contact_id)
    ):
        return DestinationUnavailable(str(error), error.code)
    return error


def pause_destination(
    connection_id: str, contact_id: str, *, code: str, reason: str, at: datetime
) -> None:
    """Let the posts to a destination wait from a moment on.

    What is known from before a reopening changes nothing.
    """
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
    _forget()
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
    for one in db.session.scalars(
        paused.order_by(PausedDestination.contact_id).with_for_update()
    ).all():
        one.reopened_at = moment
        _release(connection_id, one.contact_id)
        connection = db.session.get_one(Connection, connection_id)
        audit.record(
            "connection.destination_reopened", connection.id, connection.title, code=one.code
        )
    db.session.flush()
    _forget()


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
    """Note that the provider lets the connection into a destination again; an older word may come
    late.
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
    """Return the paused destination of each connection that has one: where its team reads now, else
    one for which posts wait.
    """
    if not connection_ids:
        return {}
    wanted = (
        select(PausedDestination, Contact.address, Connection.destination)
        .join(Contact, Contact.id == PausedDestination.contact_id)
        .join(Connection, Connection.id == PausedDestination.connection_id)
        .where(
            PausedDestination.connection_id.in_(connection_ids),
            PausedDestination.reopened_at.is_(None),
        )
        .order_by(PausedDestination.since)
    )
    found: dict[str, DestinationPause] = {}
    for one, address, place in db.session.execute(wanted).all():
        waiting = _count_waiting(one.connection_id, one.contact_id)
        if address == place or (waiting and one.connection_id not in found):
            found[one.connection_id] = DestinationPause(
                address, one.code, one.reason, one.since, waiting
            )
    return found


def pause_of_message(message: Message) -> DestinationPause | None:
    """Return the paused destination for which a message waits, or None."""
    if message.status != Status.QUEUED:
        return None
    one = db.session.get(PausedDestination, (message.connection_id, message.contact_id))
    if one is None or one.reopened_at is not None:
        return None
    return DestinationPause(
        message.contact.address,
        one.code,
        one.reason,
        one.since,
        _count_waiting(one.connection_id, one.contact_id),
    )


def _count_waiting(connection_id: str, contact_id: str) -> int:
    rows = select(Message.id).where(
        Message.contact_id == contact_id,
        Message.connection_id == connection_id,
        Message.status == Status.QUEUED,
        Message.stop_reason.is_(None),
    )
    return db.session.scalar(select(func.count()).select_from(rows.limit(COUNT_TO).subquery())) or 0


def _paused() -> dict[tuple[str, str], str]:
    wanted = select(
        PausedDestination.connection_id, PausedDestination.contact_id, PausedDestination.code
    )
    found = db.session.execute(wanted.where(PausedDestination.reopened_at.is_(None)))
    return {(connection_id, contact_id): code for connection_id, contact_id, code in found}


def _forget() -> None:
    current_app.extensions.get("hub.remembered", {}).pop(KEPT, None)


_table = table_of(PausedDestination)
_ADD = Statement.insert(_table, on_conflict_do_nothing=True)
_MINE = (
    _table.c.connection_id == bindparam("connection"),
    _table.c.contact_id == bindparam("contact"),
)
_KNOWN = Statement(select(_table.c.reopened_at, _table.c.since).where(*_MINE).with_for_update())
_PAUSE = Statement(
    update(_table)
    .where(*_MINE)
    .values(
        code=bindparam("new_code"),
        reason=bindparam("new_reason"),
        since=bindparam("new_since"),
        reopened_at=None,
    )
)
_PLACES = Statement(
    select(Connection.id)
    .join(Contact, Contact.address == Connection.destination)
    .where(
        Connection.id == bindparam("connection"),
        Contact.id == bindparam("contact"),
        Connection.destination != "",
    )
)
