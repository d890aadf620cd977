"""Process stored callbacks: read them and apply their events in batches.

A callback about a message that is not known yet is retried for 10 minutes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import structlog
from sqlalchemy import bindparam, or_, select, update

from hub import integrations
from hub.core.errors import HubError, NotFound, Refused
from hub.db import store
from hub.db.compiled_sql import Statement, get_table
from hub.db.encrypted_fields import CALLBACK_REQUEST
from hub.db.engine import db
from hub.db.optimistic_transaction import optimistic
from hub.db.store import is_retryable, list_param, savepoint
from hub.db.types import keyring, now
from hub.intake.apply_event import apply_event
from hub.intake.callback_rows import (
    COLUMNS,
    NO_CONNECTION,
    REMOVED,
    CallbackRow,
    callbacks,
    request_fetches,
)
from hub.intake.provider_callbacks import restore_request
from hub.intake.source_callbacks import SourceReader
from hub.integrations.base import (
    Inbound,
    SourceEvent,
    StatusUpdate,
    Unrecognized,
    WebhookEvent,
)
from hub.integrations.webhook_receiver import WebhookReceiver
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.state import unreadable_rows
from hub.messaging.state.message_batch import MessageBatch
from hub.messaging.track import statuses
from hub.messaging.track.statuses import Origin
from hub.models import Connection
from hub.shared import integration_instances

log = structlog.get_logger(__name__)

BATCH = 200
# a callback may arrive before the message's own record, by no more than this
MATCH_WINDOW = timedelta(minutes=10)
FIRST_PAUSE = 0.25
MAX_PAUSE = 60.0
IDLE_PAUSE = 0.025
# a webhook of the last moments may not be committed yet; reading it now would read it twice
ARRIVING = timedelta(milliseconds=20)
NOTED_EVERY = timedelta(minutes=1)
LINGER_SECONDS = 20.0

connections = get_table(Connection)
_IS_DUE = Statement(
    select(callbacks.c.id).where(callbacks.c.due_at <= bindparam("due_by")).limit(1)
)
_WAITING = (
    select(*COLUMNS)
    .where(callbacks.c.due_at <= bindparam("due_by"))
    .order_by(callbacks.c.due_at)
    .limit(BATCH)
    .with_for_update(skip_locked=True)
)
_DUE = Statement(_WAITING)
_ONE = Statement(_WAITING.where(callbacks.c.id == bindparam("only")))
_IDS = Statement(
    select(callbacks.c.id)
    .where(callbacks.c.due_at <= bindparam("due_by"))
    .order_by(callbacks.c.due_at)
    .limit(BATCH)
)
_CONNECTIONS = Statement(
    select(Connection.id, Connection.settings_version).where(Connection.id.in_(list_param("ids")))
)
_STORE_RESULT = Statement(
    update(callbacks)
    .where(callbacks.c.id == bindparam("key"))
    .values(
        tries=bindparam("new_tries"), due_at=bindparam("new_due_at"), error=bindparam("new_error")
    )
)
_NOTE_LAST_CALLBACK = Statement(
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


def is_due(due_by: datetime | None = None) -> bool:
    """Return whether a callback is due at `due_by`, by default now. Reads only."""
    return bool(store.read(_IS_DUE, due_by=due_by or now()))


def process_due(stopping: ShutdownSignal, linger: float = LINGER_SECONDS) -> int:
    """Process due callbacks until none arrives for `linger` seconds; return how many."""
    processed = 0
    idle_since = time.monotonic()
    with SourceReader() as sources:
        while not stopping.is_due:
            is_last_round = time.monotonic() - idle_since >= linger
            due_by = now() if is_last_round else now() - ARRIVING
            has_work = is_due(due_by)
            db.session.rollback()
            count = process_batch(due_by) if has_work else 0
            processed += count
            if sources.advance() or count:
                idle_since = time.monotonic()
            elif is_last_round:
                break
            if count < BATCH:
                time.sleep(IDLE_PAUSE)  # callbacks that arrive now are processed together
    return processed


def process_batch(due_by: datetime | None = None) -> int:
    """Process up to BATCH callbacks that are due at `due_by`, by default now, in one transaction.

    A callback that fails stores its error and delays no other one.
    """
    due_by = due_by or now()
    try:
        return _process_due_batch(due_by)
    except Exception as error:
        if unreadable_rows.is_transient(error):
            raise
        log.error("batch.failed", problem=type(error).__name__)
        return _process_separately(due_by)


def _process_separately(due_by: datetime) -> int:
    """Process callbacks in separate transactions, because a common one failed.

    Callbacks that fail alone are set aside.
    """
    ids = [callback_id for (callback_id,) in store.read(_IDS, due_by=due_by)]
    for callback_id in ids:
        try:
            _process_due_batch(due_by, only=callback_id)
        except Exception as error:
            if unreadable_rows.is_transient(error):
                raise
            unreadable_rows.hold_callback(callback_id, error)
    return len(ids)


@optimistic
def _process_due_batch(due_by: datetime, only: str = "") -> int:
    """Process the callbacks that are due, or only one of them."""
    rows = store.read(_ONE, due_by=due_by, only=only) if only else store.read(_DUE, due_by=due_by)
    batch = [CallbackRow(*row) for row in rows]
    _note_last_callbacks(batch)  # first, because claims lock connections before messages
    apply_events(batch)
    write_results(batch)
    return len(batch)


def _note_last_callbacks(batch: Sequence[CallbackRow]) -> None:
    """Store when each connection received its last callback, at most once a minute.

    The connection's page then need not search a large table.
    """
    newest: dict[str, datetime] = {}
    for callback in batch:
        if callback.connection_id is not None:
            newest[callback.connection_id] = max(
                callback.received_at, newest.get(callback.connection_id, callback.received_at)
            )
    for connection_id, at in sorted(newest.items()):
        store.write(
            _NOTE_LAST_CALLBACK, {"key": connection_id, "at": at, "long_ago": at - NOTED_EVERY}
        )


def write_results(batch: Sequence[CallbackRow]) -> None:
    """Store the result of each callback: processed, due again, or failed with an error."""
    store.write(_STORE_RESULT, [_result_row(callback) for callback in batch])
    request_fetches(batch)


def _result_row(callback: CallbackRow) -> dict[str, Any]:
    attempt_count = callback.tries + 1
    return {
        "key": callback.id,
        "new_tries": attempt_count,
        "new_due_at": _next_attempt(callback, attempt_count),
        "new_error": callback.error,
    }


def _next_attempt(callback: CallbackRow, attempt_count: int) -> datetime | None:
    """Return the time of the next try; None once a callback is processed or set aside."""
    if not callback.error or callback.final or now() - callback.received_at >= MATCH_WINDOW:
        return None
    return now() + timedelta(seconds=min(FIRST_PAUSE * 2 ** min(attempt_count - 1, 20), MAX_PAUSE))


def apply_events(
    batch: Sequence[CallbackRow], new_batch: Callable[[], MessageBatch] = MessageBatch
) -> list[MessageBatch]:
    """Read callbacks and apply their events, inside a transaction; each keeps its own error.

    `new_batch` makes the batches that write the changes of messages; those written are returned.
    """
    versions = (
        {row[0]: row[1] for row in store.read(_CONNECTIONS, ids=ids)}
        if (ids := _connection_ids(batch))
        else {}
    )
    for callback in batch:
        _read_events(callback, versions.get(callback.connection_id or "", 0))
    written: list[MessageBatch] = []
    _apply_statuses(
        [callback for callback in batch if callback.status_updates and not callback.failure],
        new_batch,
        written,
    )
    for callback in batch:
        if callback.other_events and not callback.failure:
            _apply_other_events(callback)
    return written


def _apply_other_events(callback: CallbackRow) -> None:
    """Apply the events of a callback that are no statuses; an error stays with the callback."""
    try:
        with savepoint():
            for event, origin in callback.other_events:
                if not apply_event(event, origin, callback.received_at):
                    callback.failure = NO_CONNECTION
    except Refused as refusal:
        _set_aside(callback, str(refusal))
    except Exception as error:
        if is_retryable(error):
            raise
        _record_failure(callback, error)


def _connection_ids(batch: Sequence[CallbackRow]) -> list[str]:
    return list(
        {callback.connection_id for callback in batch if callback.connection_id is not None}
    )


def _read_events(callback: CallbackRow, version: int) -> None:
    """Read the events of a callback; an error stays with the callback."""
    if callback.encrypted is None:
        callback.failure = REMOVED
        return
    try:
        content = keyring().open_json(
            CALLBACK_REQUEST, callback.id.partition("_")[2], callback.encrypted
        )
        origin = Origin("callback", content["connections"], callback.id, callback.received_at)
        if callback.connection_id is None:
            events = _unassigned_messages(content)
        else:
            events = _reader(callback.connection_id, version).parse_events(restore_request(content))
    except Exception as error:
        if is_retryable(error):  # reading the connection restarts the change under the lock
            raise
        _record_failure(callback, error)
    else:
        unknown = (event.description for event in events if isinstance(event, Unrecognized))
        _set_aside(callback, next(unknown, ""))
        callback.status_updates = [
            (event, origin) for event in events if isinstance(event, StatusUpdate)
        ]
        callback.other_events = [
            (event, origin)
            for event in events
            if not isinstance(event, StatusUpdate | Unrecognized | SourceEvent)
        ]
        callback.has_source_events = any(isinstance(event, SourceEvent) for event in events)


def _unassigned_messages(content: Mapping[str, Any]) -> list[WebhookEvent]:
    """Return the messages in a webhook for an account that no connection has."""
    reader = integration_instances.instances().unassigned_verifier(
        integrations.webhook_receiver(content["integration"])
    )
    events = reader.parse_events(restore_request(content)) if reader is not None else []
    return [event for event in events if isinstance(event, Inbound)]


def _reader(connection_id: str, version: int) -> WebhookReceiver:
    instances = integration_instances.instances()
    instance = instances.cached(connection_id, version) or instances.webhook_reader(
        db.session.get_one(Connection, connection_id)
    )
    if not isinstance(instance, WebhookReceiver):
        raise NotFound(
            "no_webhooks", f"{instance.title} does not support webhooks in this version."
        )
    return instance


def _apply_statuses(
    batch: list[CallbackRow],
    new_batch: Callable[[], MessageBatch],
    written_batches: list[MessageBatch],
) -> None:
    """Apply the statuses of many callbacks at once, or one by one if that fails."""
    if not batch:
        return
    changes = new_batch()
    try:
        with savepoint():
            matches = iter(
                statuses.apply_statuses(
                    [update for callback in batch for update in callback.status_updates], changes
                )
            )
    except Exception as error:
        if is_retryable(error):
            raise
        if len(batch) > 1:
            for callback in batch:
                _apply_statuses([callback], new_batch, written_batches)
        else:
            _record_failure(batch[0], error)
    else:
        written_batches.append(changes)
        for callback in batch:
            callback.matched = all(list(islice(matches, len(callback.status_updates))))


def _set_aside(callback: CallbackRow, reason: str) -> None:
    """Keep a callback of an unknown kind, with a sentence that names it; it is not retried."""
    callback.failure = reason
    callback.final = bool(reason)


def _record_failure(callback: CallbackRow, problem: Exception) -> None:
    if callback.tries == 0:
        log.error("callback.failed", callback=callback.id, exc_info=problem)
    internal_error = f"Internal error: {type(problem).__name__}. The worker’s log has the details."
    callback.failure = str(problem) if isinstance(problem, HubError) else internal_error
