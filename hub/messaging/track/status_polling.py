"""Poll the statuses of messages whose callbacks are missing, a few at a time.

`due_at` of an accepted or sent message is when it is asked for next; every news puts that off, and
a final status ends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import bindparam, case, null, select, update

from hub.core.errors import HubError, PermanentError, SendError
from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.store import list_param, transaction
from hub.db.types import now
from hub.integrations.base import Integration, StatusUpdate
from hub.lib import times
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.state import overdue, unreadable_rows
from hub.messaging.state.message_batch import POLL_AFTER, MessageBatch, messages
from hub.messaging.track import statuses
from hub.messaging.track.statuses import Origin
from hub.models import Connection
from hub.shared import integration_instances

log = structlog.get_logger(__name__)

# after the last news; some carriers never say more than "sent", so that asking has to end
PAUSES = (POLL_AFTER, timedelta(hours=1), timedelta(hours=6), timedelta(hours=24))
# of one connection in one run, one after the other: asking takes from what the account may call
FEW = 10
LATER = timedelta(minutes=10)  # when the provider cannot be asked now
PUT_OFF = 500  # so many of a connection then wait with the one that was asked for
GIVE_UP_AFTER = timedelta(hours=48)  # since the last news
ASKED_FOR = (Status.SENT, Status.ACCEPTED)


@dataclass(frozen=True)
class StatusLookup:
    """A message that is asked for in this run."""

    message_id: str
    provider_id: str


def is_due() -> bool:
    """Tell whether something is to be asked for over a connection that sends. Reads only."""
    return bool(overdue.overdue_connections(ASKED_FOR, that_send=True))


def poll_statuses(stopping: ShutdownSignal | None = None) -> int:
    """Ask for what is due, each connection in its turn; return how many messages were asked for."""
    asked = 0
    waiting = overdue.overdue_connections(ASKED_FOR, that_send=True)
    db.session.rollback()
    for connection_id in waiting:
        try:
            asked += _ask_over(connection_id, stopping)
        except Exception:  # what spoils one connection's turn must not hold the others
            log.exception("poll.failed", connection=connection_id)
            db.session.rollback()
    return asked


def _ask_over(connection_id: str, stopping: ShutdownSignal | None) -> int:
    connection = db.session.get_one(Connection, connection_id)
    try:
        integration = integration_instances.instance(connection)
    except (
        HubError
    ) as problem:  # an unreadable key, a package that is gone: an admin is told elsewhere
        return _cannot(connection_id, [], problem)
    claims = claim_lookups(connection_id, ask=integration.supports("fetch_status"))
    told: list[StatusUpdate] = []
    asked = 0
    for place, one in enumerate(claims):
        if stopping is not None and stopping.now:
            postpone_lookups([left.message_id for left in claims[place:]], now())
            break
        asked += 1
        try:
            told.append(_fetch(integration, one))
        except PermanentError as problem:
            delete_old_lookups(one.message_id, problem.code)
        except HubError as problem:
            _cannot(connection_id, [left.message_id for left in claims[place:]], problem)
            break
        except Exception:  # a fault of the integration's own: its turn comes again
            log.exception("poll.fault", message=one.message_id, integration=integration.name)
    _apply(told, Origin("poll", [connection_id]))
    return asked


def _apply(told: Sequence[StatusUpdate], origin: Origin) -> None:
    try:
        statuses.apply_statuses([(update, origin) for update in told])
    except Exception as problem:
        if unreadable_rows.is_transient(problem) or len(told) < 2:
            raise
        for update in told:  # one of them spoils it for all
            try:
                statuses.apply_statuses([(update, origin)])
            except Exception as fault:
                if unreadable_rows.is_transient(fault):
                    raise
                log.error(
                    "poll.not_applied", provider_id=update.provider_id, problem=type(fault).__name__
                )


def _fetch(integration: Integration, one: StatusLookup) -> StatusUpdate:
    found = integration.fetch_status(one.provider_id)
    return replace(found, provider_id=one.provider_id, message_id="", attempt=0)


@transaction
def claim_lookups(connection_id: str, *, ask: bool = True) -> list[StatusLookup]:
    """Take up to FEW messages of a connection to ask for, and say when each is asked for the next
    time.

    Without `ask` the provider cannot be asked: they are never due again.
    """
    ids = overdue.oldest_overdue(connection_id, ASKED_FOR, FEW if ask else PUT_OFF)
    if not ids:
        return []
    rows = db.session.execute(_CLAIM, {"ids": ids, "statuses": _VALUES}).all()
    moment = now()
    # another run may have been faster
    still_due = [row for row in rows if row.due_at is not None and row.due_at <= moment]
    if still_due:
        db.session.execute(
            _NEXT,
            [
                {
                    "key": row.id,
                    "next": _next(row.changed_at, moment) if ask and row.provider_id else None,
                }
                for row in still_due
            ],
        )
    return [StatusLookup(row.id, row.provider_id) for row in still_due if ask and row.provider_id]


def _next(changed_at: datetime, moment: datetime) -> datetime | None:
    return next((changed_at + pause for pause in PAUSES if changed_at + pause > moment), None)


def _cannot(connection_id: str, claimed: Sequence[str], problem: HubError) -> int:
    """Leave a provider alone that cannot be asked now: whatever else is due over this connection
    waits too.
    """
    log.info(
        "poll.put_off",
        connection=connection_id,
        code=problem.code if isinstance(problem, SendError) else type(problem).__name__,
    )
    pause = timedelta(seconds=times.pause(getattr(problem, "retry_after", None)))
    waiting = overdue.oldest_overdue(connection_id, ASKED_FOR, PUT_OFF)
    postpone_lookups([*claimed, *waiting], now() + max(LATER, pause))
    return 0


@transaction
def postpone_lookups(ids: Sequence[str], until: datetime) -> None:
    """Ask for messages at another time; no more for what has been silent for too long."""
    if ids:
        moment = {"until": until, "earliest": now() - GIVE_UP_AFTER}
        db.session.execute(_PUT_OFF, {"ids": list(ids), "statuses": _VALUES, **moment})


@transaction
def delete_old_lookups(message_id: str, code: str) -> None:
    """Note that the provider has a message no more: no more callbacks come."""
    ledger = MessageBatch()
    ledger.read([message_id])
    row = ledger.rows[message_id]
    if row.status in ASKED_FOR:
        row.due_at = None
        ledger.record_fact(row, "gone", code=code)
        ledger.write()


_VALUES = [status.value for status in ASKED_FOR]
_CLAIM = (
    select(messages.c.id, messages.c.provider_id, messages.c.changed_at, messages.c.due_at)
    .where(messages.c.id.in_(list_param("ids")), messages.c.status.in_(list_param("statuses")))
    .order_by(messages.c.id)
    .with_for_update(skip_locked=True)
)
_NEXT = update(messages).where(messages.c.id == bindparam("key")).values(due_at=bindparam("next"))
_PUT_OFF = (
    update(messages)
    .where(messages.c.id.in_(list_param("ids")), messages.c.status.in_(list_param("statuses")))
    .values(
        due_at=case(
            (
                messages.c.changed_at < bindparam("earliest", type_=messages.c.changed_at.type),
                null(),
            ),
            else_=bindparam("until", type_=messages.c.due_at.type),
        )
    )
)
