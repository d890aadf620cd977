"""Find problems of enabled senders for the admin pages: unreachable or rate-limited providers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, or_, select, update

from hub.core.vocabulary import ConnectionState
from hub.db.engine import db
from hub.db.store import list_param, transaction, wake
from hub.db.types import now
from hub.messaging.state.database_clock import CLOCK
from hub.models import Connection, Throttle

UNREACHABLE = "unreachable"
SLOWED = "slowed"


@dataclass(frozen=True)
class ProviderProblem:
    """A provider problem: UNREACHABLE since `started_at` with the next probe at `retry_at`, or
    SLOWED until `retry_at`. `reason` is the last error in sentences.
    """

    kind: str
    started_at: datetime | None
    retry_at: datetime
    reason: str


def find_problems(connection_ids: Iterable[str]) -> dict[str, ProviderProblem]:
    """Return the provider problem of each connection that has one, by connection ID."""
    if not (ids := list(connection_ids)):
        return {}
    problems = {}
    rows = db.session.execute(_FIND, {"ids": ids, "now": now()})
    for connection_id, opened_at, ready_at, paused_until, reason, current_time in rows:
        if opened_at is not None:
            problems[connection_id] = ProviderProblem(
                UNREACHABLE, opened_at, ready_at or current_time, reason
            )
        elif paused_until is not None:
            problems[connection_id] = ProviderProblem(SLOWED, None, paused_until, reason)
    return problems


def any_unreachable() -> bool:
    """Return whether the provider of any enabled connection is unreachable."""
    return db.session.execute(_UNREACHABLE).first() is not None


_ENABLED = Connection.state == ConnectionState.ENABLED, Connection.archived_at.is_(None)
_OF_SENDER = Throttle.name == Connection.throttle
_FIND = (
    select(
        Connection.id,
        Throttle.opened_at,
        Throttle.ready_at,
        Throttle.paused_until,
        Throttle.reason,
        CLOCK,
    )
    .join(Throttle, _OF_SENDER)
    .where(
        *_ENABLED,
        Connection.id.in_(list_param("ids")),
        or_(Throttle.opened_at.is_not(None), Throttle.paused_until > CLOCK),
    )
)
_UNREACHABLE = (
    select(Connection.id)
    .join(Throttle, _OF_SENDER)
    .where(*_ENABLED, Throttle.opened_at.is_not(None))
    .limit(1)
)


def healthy_since(since: datetime) -> Select[Any]:
    """Return a query for the IDs of connections whose senders have not been limited since `since`.
    Messages that are late there need a worker.
    """
    not_limited = or_(Throttle.bulk_ready_at.is_(None), Throttle.bulk_ready_at < since)
    return select(Connection.id).outerjoin(Throttle, _OF_SENDER).where(*_ENABLED, not_limited)


@transaction
def probe_now(connection: Connection) -> None:
    """Allow the next probe immediately, because the provider has just responded."""
    open_circuit = update(Throttle).where(
        Throttle.name == connection.throttle, Throttle.opened_at.is_not(None)
    )
    db.session.execute(
        open_circuit.values(
            ready_at=Throttle.paused_until, bulk_ready_at=Throttle.paused_until
        ).execution_options(synchronize_session=False)
    )
    wake("deliver")
