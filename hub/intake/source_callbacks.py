"""Accept the events that signing apps report: complete each by calls, then store it.

`process_callbacks` reads the webhook first and sets its `fetch_at`. Threads make the calls, and
this thread alone uses the database. A webhook waits while its connection is not enabled, and is
retried for 48 hours while the app cannot be reached.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

import structlog
from sqlalchemy import select, update

from hub.core.errors import (
    ConnectionBroken,
    HubError,
    OutcomeUnknown,
    Refused,
    SendError,
    SlowDown,
    TransientError,
    Unreachable,
)
from hub.core.vocabulary import ConnectionState
from hub.db.encrypted_fields import CALLBACK_REQUEST
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import keyring, now
from hub.intake.callback_rows import REMOVED
from hub.intake.provider_callbacks import restore_request
from hub.integrations.base import WebhookRequest
from hub.integrations.source_events import SourceEvent
from hub.integrations.source_integration import SourceIntegration
from hub.messaging.send import connection_pause
from hub.messaging.state import unreadable_rows
from hub.models import Connection, ProviderCallback
from hub.shared import integration_instances
from hub.signing import source_events

log = structlog.get_logger(__name__)

RETRY_FOR = timedelta(hours=48)  # while the app cannot be reached, or refuses for the moment
DOUBT_FOR = timedelta(minutes=10)  # while the app does not know the request, which may be new
FIRST_PAUSE = 1.0
MAX_PAUSE = 300.0
LEASE = timedelta(minutes=2)  # longer than the calls of one webhook take
THREADS = 16
PER_CONNECTION = 4  # webhooks of one connection at once, so that a slow app leaves threads free
LOOK_EVERY = 0.25  # seconds
LAST_WAIT = 20.0  # seconds for calls that are under way when the job ends
WAITS = (ConnectionBroken, OutcomeUnknown, SlowDown, TransientError, Unreachable)

_due = (
    select(ProviderCallback.connection_id)
    .join(Connection, Connection.id == ProviderCallback.connection_id)
    .where(Connection.state == ConnectionState.ENABLED.value, Connection.archived_at.is_(None))
)


@dataclass(slots=True)
class ClaimedWebhook:
    """A webhook whose events are being completed."""

    id: str
    connection_id: str
    encrypted: bytes | None
    received_at: datetime
    tries: int
    started_at: datetime = field(default_factory=now)
    provider: str = "The app"


def is_due() -> bool:
    """Return whether the events of a webhook are due. Reads only."""
    due = _due.where(ProviderCallback.fetch_at <= now()).limit(1)
    return db.session.scalar(due) is not None


class SourceReader:
    """Completes and accepts the events of due webhooks, several at once.

    Use it as a context manager. At the end it waits for the calls that are under way.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._pool: ThreadPoolExecutor | None = None
        self._running: dict[Future[list[SourceEvent]], ClaimedWebhook] = {}
        self._looked_at = float("-inf")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None and self._running:
                wait(self._running, timeout=LAST_WAIT)
                self._store_finished()
        finally:
            self._stack.close()

    def advance(self) -> int:
        """Store what has finished and begin what is due; return how many webhooks are under way.

        It does not wait for calls.
        """
        stored = self._store_finished()
        if time.monotonic() - self._looked_at >= LOOK_EVERY:
            self._looked_at = time.monotonic()
            self._begin_due()
        return stored + len(self._running)

    def finish(self) -> None:
        """Accept the events of every webhook that is due now."""
        while True:
            self._begin_due()
            if not self._running:
                return
            wait(self._running)
            self._store_finished()

    def _begin_due(self) -> None:
        busy: dict[str, int] = {}
        for claim in self._running.values():
            busy[claim.connection_id] = busy.get(claim.connection_id, 0) + 1
        due = db.session.scalars(_due.where(ProviderCallback.fetch_at <= now()).distinct()).all()
        db.session.rollback()
        for connection_id in filter(None, due):
            free = min(PER_CONNECTION - busy.get(connection_id, 0), THREADS - len(self._running))
            if free > 0:
                for claim in _claim(connection_id, free):
                    self._begin(claim)

    def _begin(self, claim: ClaimedWebhook) -> None:
        try:
            reader, request = _open(claim)
            claim.provider = reader.provider
        except Exception as error:
            db.session.rollback()
            _store_failure(claim, error)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(THREADS, "source")
            # calls that take too long end by themselves, after the limits of the client
            self._stack.callback(self._pool.shutdown, wait=False, cancel_futures=True)
        self._running[self._pool.submit(_complete, reader, request)] = claim

    def _store_finished(self) -> int:
        finished = [future for future in self._running if future.done()]
        for future in finished:
            claim = self._running.pop(future)
            try:
                _accept(claim, future.result())
            except Exception as error:
                db.session.rollback()
                _store_failure(claim, error)
        return len(finished)


@transaction
def _claim(connection_id: str, limit: int) -> list[ClaimedWebhook]:
    """Return due webhooks of a connection, which no other worker takes during the lease."""
    query = (
        select(ProviderCallback)
        .where(ProviderCallback.connection_id == connection_id, ProviderCallback.fetch_at <= now())
        .order_by(ProviderCallback.fetch_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = db.session.scalars(query.execution_options(populate_existing=True)).all()
    for row in rows:
        row.fetch_at = now() + LEASE
    return [
        ClaimedWebhook(row.id, connection_id, row.encrypted_request, row.received_at, row.tries)
        for row in rows
    ]


def _open(claim: ClaimedWebhook) -> tuple[SourceIntegration, WebhookRequest]:
    """Return a webhook, and the integration that reads it."""
    if claim.encrypted is None:
        raise Refused("removed", REMOVED)
    row_id = claim.id.partition("_")[2]
    content = keyring().open_json(CALLBACK_REQUEST, row_id, claim.encrypted)
    connection = db.session.get_one(Connection, claim.connection_id)
    reader = integration_instances.instance(connection)
    db.session.rollback()  # no transaction stays open during a call
    if not isinstance(reader, SourceIntegration):
        raise Refused("no_source", f"{reader.title} reports no events of a signing app.")
    return reader, restore_request(content)


def _complete(reader: SourceIntegration, request: WebhookRequest) -> list[SourceEvent]:
    """Return the events of a webhook with all that the app knows. It runs in a thread."""
    events = reader.parse_events(request)
    return [reader.complete_event(event) for event in events if isinstance(event, SourceEvent)]


@transaction
def _accept(claim: ClaimedWebhook, events: Sequence[SourceEvent]) -> None:
    """Accept the events of a webhook and store that it is processed, in one transaction."""
    connection = db.session.get_one(Connection, claim.connection_id)
    source_id = connection.source_id or ""
    is_test = connection.test
    for event in events:
        source_events.accept_source_event(
            event, source_id, test=is_test, received_at=claim.received_at
        )
    _write_result(claim, None, "")


def _store_failure(claim: ClaimedWebhook, error: Exception) -> None:
    """Store why the events of a webhook were not accepted, and when it is tried again."""
    if not isinstance(error, HubError):
        if unreadable_rows.is_transient(error):
            raise error  # the database is away; the lease ends by itself
        log.error("source.failed", callback=claim.id, exc_info=error)
    if isinstance(error, ConnectionBroken):
        connection_pause.pause_connection(
            claim.connection_id, str(error), attempt_started_at=claim.started_at
        )
    _store_next_attempt(claim, error)


@transaction
def _store_next_attempt(claim: ClaimedWebhook, error: Exception) -> None:
    next_attempt = None if _is_final(claim, error) else now() + _pause(claim, error)
    _write_result(claim, next_attempt, _describe(claim, error))
    if next_attempt is not None and isinstance(error, SlowDown):
        sooner = update(ProviderCallback).where(
            ProviderCallback.connection_id == claim.connection_id,
            ProviderCallback.fetch_at < next_attempt,
        )
        db.session.execute(sooner.values(fetch_at=next_attempt))


def _write_result(claim: ClaimedWebhook, next_attempt: datetime | None, error: str) -> None:
    row = update(ProviderCallback).where(ProviderCallback.id == claim.id)
    db.session.execute(row.values(fetch_at=next_attempt, tries=claim.tries + 1, error=error))


def _is_final(claim: ClaimedWebhook, error: Exception) -> bool:
    """Return whether another try would end the same."""
    age = now() - claim.received_at
    if isinstance(error, ConnectionBroken):
        return False  # it waits until the connection's test passes
    if isinstance(error, SendError) and not isinstance(error, WAITS):
        return age >= DOUBT_FOR
    return isinstance(error, Refused) or age >= RETRY_FOR


def _pause(claim: ClaimedWebhook, error: Exception) -> timedelta:
    if isinstance(error, ConnectionBroken):
        return timedelta(seconds=FIRST_PAUSE)  # once the connection is enabled again
    wanted = getattr(error, "retry_after", None) or 0
    pause = min(FIRST_PAUSE * 2 ** min(claim.tries, 20), MAX_PAUSE)
    return timedelta(seconds=max(pause, min(wanted, RETRY_FOR.total_seconds() / 2)))


def _describe(claim: ClaimedWebhook, error: Exception) -> str:
    """Return why an event was not accepted. The reasons of integrations speak of messages."""
    if not isinstance(error, HubError):
        return f"Internal error: {type(error).__name__}. The worker’s log has the details."
    if not isinstance(error, SendError) or isinstance(error, ConnectionBroken | Unreachable):
        return str(error)
    code = f" Code: {error.code}." if error.code else ""
    if isinstance(error, SlowDown):
        return f"{claim.provider} limits its API calls at the moment.{code}"
    if isinstance(error, WAITS):
        return f"{claim.provider} failed, or its response could not be read.{code}"
    return f"{claim.provider} refused to describe the request.{code}"
