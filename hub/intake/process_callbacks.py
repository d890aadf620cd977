"""Settling callbacks: read, applied in batches, tried again for a while when what they are about is
not known yet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import structlog
from sqlalchemy import bindparam, or_, select, update

from hub import integrations
from hub.core.errors import HubError, NotFound, Refused
from hub.db import store
from hub.db.compiled_sql import Statement, table_of
from hub.db.encrypted_fields import CALLBACK_REQUEST
from hub.db.engine import db
from hub.db.optimistic_transaction import optimistic
from hub.db.store import is_retryable, list_param, savepoint
from hub.db.types import keyring, now
from hub.intake.provider_callbacks import request_of
from hub.integrations.base import (
    ButtonPress,
    ChatLinked,
    ChatPermission,
    Inbound,
    StatusUpdate,
    Unrecognized,
    WebhookEvent,
)
from hub.integrations.webhook_receiver import WebhookReceiver
from hub.lib import times
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.inbox import chat_membership, inbound, opt_out
from hub.messaging.state import unreadable_rows
from hub.messaging.state.message_batch import MessageBatch
from hub.messaging.track import statuses
from hub.messaging.track.statuses import Origin
from hub.models import Connection, ProviderCallback
from hub.shared import integration_instances
from hub.signing import button_actions, chat_invitations

log = structlog.get_logger(__name__)

BATCH = 200
# a callback may be faster than our own record, not by more than this
LOOK_FOR = timedelta(minutes=10)
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 60.0
IDLE_PAUSE = 0.025
# a webhook from just now may not be committed yet; read too early, it is read twice
ARRIVING = timedelta(milliseconds=20)
NOTED_EVERY = timedelta(minutes=1)
LINGER_SECONDS = 20.0


@dataclass(slots=True)
class CallbackRow:
    """A callback in the hands of a batch: its row, the facts it holds, and how it ends."""

    id: str
    connection_id: str | None
    sealed: bytes | None
    received_at: datetime
    due_at: datetime | None
    tries: int
    before: str  # the error that the row holds
    told: list[tuple[StatusUpdate, Origin]] = field(default_factory=list)
    came: list[tuple[WebhookEvent, Origin]] = field(default_factory=list)  # all others
    matched: bool = True
    fault: str = ""
    final: bool = False  # trying again would end the same

    @property
    def error(self) -> str:
        """The error that keeps it from being settled; '' when there is none."""
        return self.fault or ("" if self.matched else UNKNOWN)


UNKNOWN = "This hub does not know the message."
NOBODYS = "No connection of this account has the sender or destination."
REMOVED = (
    "Its content was deleted at the end of its retention period, so it can no longer be processed."
)

callbacks = table_of(ProviderCallback)
connections = table_of(Connection)
COLUMNS = [
    callbacks.c[name]
    for name in ("id", "connection_id", "request", "received_at", "due_at", "tries", "error")
]
_IS_DUE = Statement(
    select(callbacks.c.id).where(callbacks.c.due_at <= bindparam("moment")).limit(1)
)
_WAITING = (
    select(*COLUMNS)
    .where(callbacks.c.due_at <= bindparam("moment"))
    .order_by(callbacks.c.due_at)
    .limit(BATCH)
    .with_for_update(skip_locked=True)
)
_DUE = Statement(_WAITING)
_ONE = Statement(_WAITING.where(callbacks.c.id == bindparam("only")))
_IDS = Statement(
    select(callbacks.c.id)
    .where(callbacks.c.due_at <= bindparam("moment"))
    .order_by(callbacks.c.due_at)
    .limit(BATCH)
)
_CONNECTIONS = Statement(
    select(Connection.id, Connection.settings_version).where(Connection.id.in_(list_param("ids")))
)
_SETTLED = Statement(
    update(callbacks)
    .where(callbacks.c.id == bindparam("key"))
    .values(
        tries=bindparam("new_tries"), due_at=bindparam("new_due_at"), error=bindparam("new_error")
    )
)
_CALLED = Statement(
    update(connections)
    .where(
        connections.c.id == bindparam("key"),
        or_(
            connections.c.last_callback_at.is_(None),
            connections.c.last_callback_at < bindparam("long_ago"),
        ),
    )
    .values(last_callback_at=bindparam("at"))
)


def is_due(moment: datetime | None = None) -> bool:
    """Tell whether a callback was due at a moment, else now. Reads only."""
    return bool(store.read(_IS_DUE, moment=moment or now()))


def process_due(stopping: ShutdownSignal, linger: float = LINGER_SECONDS) -> int:
    """Settle what is due until nothing comes for a while; return the number of callbacks."""
    settled = 0
    idle_since = time.monotonic()
    while not stopping.now:
        ends = time.monotonic() - idle_since >= linger
        moment = now() if ends else now() - ARRIVING
        waiting = is_due(moment)
        db.session.rollback()
        count = process_batch(moment) if waiting else 0
        settled += count
        if count:
            idle_since = time.monotonic()
        elif ends:
            break
        if count < BATCH:
            time.sleep(IDLE_PAUSE)  # what comes meanwhile is settled together
    return settled


def process_batch(moment: datetime | None = None) -> int:
    """Settle up to BATCH callbacks, due at a moment, else now, in one transaction; one that fails
    keeps its error and holds no other.
    """
    moment = moment or now()
    try:
        return _batch(moment)
    except Exception as problem:
        if unreadable_rows.is_transient(problem):
            raise
        log.error("batch.failed", problem=type(problem).__name__)
        return _one_by_one(moment)


def _one_by_one(moment: datetime) -> int:
    """Settle callbacks each in a transaction of its own, because together they failed; set aside
    those that fail alone.
    """
    ids = [callback_id for (callback_id,) in store.read(_IDS, moment=moment)]
    for callback_id in ids:
        try:
            _batch(moment, only=callback_id)
        except Exception as problem:
            if unreadable_rows.is_transient(problem):
                raise
            unreadable_rows.hold_callback(callback_id, problem)
    return len(ids)


@optimistic
def _batch(moment: datetime, only: str = "") -> int:
    """Settle what is due, or one callback of it."""
    rows = store.read(_ONE, moment=moment, only=only) if only else store.read(_DUE, moment=moment)
    held = [CallbackRow(*row) for row in rows]
    _note_calls(held)  # first: who claims locks connections before messages
    apply_events(held)
    write_results(held)
    return len(held)


def _note_calls(held: Sequence[CallbackRow]) -> None:
    """Note when each connection was called back last, once a minute: its page must not search a
    large table.
    """
    newest: dict[str, datetime] = {}
    for one in held:
        if one.connection_id is not None:
            newest[one.connection_id] = max(
                one.received_at, newest.get(one.connection_id, one.received_at)
            )
    for connection_id, at in sorted(newest.items()):
        store.write(_CALLED, {"key": connection_id, "at": at, "long_ago": at - NOTED_EVERY})


def write_results(held: Sequence[CallbackRow]) -> None:
    """Write on callbacks how they ended: settled, due again, or given up with an error."""
    store.write(_SETTLED, [_ended(one) for one in held])


def _ended(one: CallbackRow) -> dict[str, Any]:
    tries = one.tries + 1
    return {
        "key": one.id,
        "new_tries": tries,
        "new_due_at": _next_try(one, tries),
        "new_error": one.error,
    }


def _next_try(one: CallbackRow, tries: int) -> datetime | None:
    """Return when a callback is tried again; None once it is settled or set aside."""
    if not one.error or one.final or now() - one.received_at >= LOOK_FOR:
        return None
    return now() + timedelta(seconds=min(FIRST_PAUSE * 2 ** min(tries - 1, 20), LONGEST_PAUSE))


def apply_events(
    held: Sequence[CallbackRow], ledger_of: Callable[[], MessageBatch] = MessageBatch
) -> list[MessageBatch]:
    """Read callbacks and apply what they tell, inside a transaction; each then says what is wrong
    with it.

    `ledger_of` makes the ledgers that the facts go through; those that were written are returned.
    """
    known = (
        {row[0]: row[1] for row in store.read(_CONNECTIONS, ids=ids)}
        if (ids := _connections(held))
        else {}
    )
    for one in held:
        _read(one, known.get(one.connection_id or "", 0))
    ledgers: list[MessageBatch] = []
    _apply([one for one in held if one.told and not one.fault], ledger_of, ledgers)
    for one in held:
        if one.came and not one.fault:
            _take_in(one)
    return ledgers


def _take_in(one: CallbackRow) -> None:
    """Store what a person sent to us; whatever goes wrong stays with its callback."""
    try:
        with savepoint():
            for came, origin in one.came:
                if not _take(came, origin, one.received_at):
                    one.fault = NOBODYS
    except Refused as refusal:
        _set_aside(one, str(refusal))
    except Exception as problem:
        if is_retryable(problem):
            raise
        _blame(one, problem)


def _take(came: WebhookEvent, origin: Origin, received_at: datetime) -> bool:
    """Do what somebody did over there: wrote, pressed, linked, shut us out; False when it concerns
    no connection of ours.
    """
    if (
        isinstance(came, Inbound | ChatLinked | ChatPermission)
        and not came.address.strip()
        and not _may_be_unknown(came, origin)
    ):
        raise Refused("no_address", "This webhook contains no address.")
    at = times.clamp_reported(came.at, received_at)
    match came:
        case Inbound() if not origin.connection_ids:
            opt_out.process_unassigned_keyword(came, at, origin.callback_id)
            return True
        case Inbound():
            return inbound.store_inbound(came, origin, received_at)
        case ButtonPress():
            button_actions.perform_action(
                came.token, came.who, origin=origin, reply_to=came.reply_to, post=came.provider_id
            )
            return True
        case ChatLinked():
            return chat_invitations.link_chat(came, origin, at)
        case ChatPermission():
            return chat_membership.apply_membership(came, origin, at)
    return True


def _may_be_unknown(came: WebhookEvent, origin: Origin) -> bool:
    """Tell whether a fact counts without a sender: a message to one of our connections does."""
    return isinstance(came, Inbound) and bool(origin.connection_ids)


def _connections(held: Sequence[CallbackRow]) -> list[str]:
    return list({one.connection_id for one in held if one.connection_id is not None})


def _read(one: CallbackRow, version: int) -> None:
    """Read the facts of a callback; whatever goes wrong stays with it."""
    if one.sealed is None:
        one.fault = REMOVED
        return
    try:
        content = keyring().open_json(CALLBACK_REQUEST, one.id.partition("_")[2], one.sealed)
        origin = Origin("callback", content["connections"], one.id, one.received_at)
        if one.connection_id is None:
            facts = _of_no_connection(content)
        else:
            facts = _reader(one.connection_id, version).parse_events(request_of(content))
    except Exception as problem:
        _blame(one, problem)
    else:
        _set_aside(one, next((fact.what for fact in facts if isinstance(fact, Unrecognized)), ""))
        one.told = [(fact, origin) for fact in facts if isinstance(fact, StatusUpdate)]
        one.came = [(fact, origin) for fact in facts if not isinstance(fact, StatusUpdate)]


def _of_no_connection(content: Mapping[str, Any]) -> list[WebhookEvent]:
    """Return the facts of a webhook for an unknown account that count: its messages."""
    reader = integration_instances.instances().unassigned_verifier(
        integrations.webhook_receiver(content["integration"])
    )
    facts = reader.parse_events(request_of(content)) if reader is not None else []
    return [fact for fact in facts if isinstance(fact, Inbound)]


def _reader(connection_id: str, version: int) -> WebhookReceiver:
    running = integration_instances.instances()
    instance = running.kept(connection_id, version) or running.reader(
        db.session.get_one(Connection, connection_id)
    )
    if not isinstance(instance, WebhookReceiver):
        raise NotFound("no_webhooks", f"{instance.title} no longer receives webhooks.")
    return instance


def _apply(
    held: list[CallbackRow], ledger_of: Callable[[], MessageBatch], ledgers: list[MessageBatch]
) -> None:
    """Apply the facts of many callbacks at once, or one by one where that fails."""
    if not held:
        return
    ledger = ledger_of()
    try:
        with savepoint():
            matches = iter(
                statuses.apply_statuses([told for one in held for told in one.told], ledger)
            )
    except Exception as problem:
        if is_retryable(problem):
            raise
        if len(held) > 1:
            for one in held:
                _apply([one], ledger_of, ledgers)
        else:
            _blame(held[0], problem)
    else:
        ledgers.append(ledger)
        for one in held:
            one.matched = all(list(islice(matches, len(one.told))))


def _set_aside(one: CallbackRow, why: str) -> None:
    """Keep a callback that means nothing to us, with a sentence that says what it is.

    It is not tried again.
    """
    one.fault = why
    one.final = bool(why)


def _blame(one: CallbackRow, problem: Exception) -> None:
    if one.tries == 0:
        log.error("callback.failed", callback=one.id, exc_info=problem)
    own = f"Internal error: {type(problem).__name__}. The worker’s log has the details."
    one.fault = str(problem) if isinstance(problem, HubError) else own
