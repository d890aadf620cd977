"""Dispatch due messages of every connection concurrently, in one bounded run of a worker.

Threads call the providers, and only this thread uses the database. No transaction is open during a
call.
"""

from __future__ import annotations

import queue
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import structlog
from sqlalchemy.exc import SQLAlchemyError

from hub import integrations
from hub.core.errors import FileMissing, NotFound, OutcomeUnknown, SendError, Unreachable
from hub.db.engine import db
from hub.db.group_commit import WriteFailed
from hub.db.store import wake_now
from hub.db.types import now
from hub.lib.provider_http import record_exchanges, uptime
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.send.calls import Claim, Outcome
from hub.messaging.send.claims import find_due_connections, record_and_claim
from hub.messaging.send.outcomes import FAULT, TOO_LATE
from hub.models import Connection

log = structlog.get_logger(__name__)

LINGER_SECONDS = 20.0  # how long an idle dispatcher waits for more work
IDLE_PAUSE = 0.025
CHECK_INTERVAL = 0.05  # how often a busy dispatcher checks which connections have due messages
BATCH_WINDOW = 0.003  # outcomes that arrive together are written together
WAKE_EVERY = 5.0  # of the callback worker, which waits longer for more work
SHUTDOWN_WAIT = 3.0  # for running calls, after SIGTERM
MAX_CALL = 50.0
MAX_HOLD_SECONDS = 40.0  # outcomes that the database does not accept: the leases end after that
FIRST_PAUSE = 0.05
MAX_PAUSE = 0.5
# after its claim; a later call could outlast the lease, and be looked up before it began
MAX_START_DELAY = 20.0


class Dispatcher:
    """Sends due messages until none is due for a while."""

    def __init__(self, stopping: ShutdownSignal) -> None:
        self.stopping = stopping
        self.sent = 0
        self._pools: dict[str, ThreadPoolExecutor] = {}
        self._limits: dict[str, int] = {}  # concurrent calls, by connection
        self._running: Counter[str] = Counter()  # calls, by connection
        self._bulk: Counter[str] = Counter()  # running calls of the bulk lane, by connection
        # connections with due messages at the last check, longest wait first
        self._due: list[str] = []
        self._checked_at = self._woken_at = -WAKE_EVERY
        self._outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._unwritten: list[Outcome] = []  # outcomes that are not written yet
        self._failing_since: float | None = None
        self._pause = FIRST_PAUSE

    def run(self, linger: float = LINGER_SECONDS) -> int:
        """Send due messages; return the number of calls."""
        idle_since = time.monotonic()
        try:
            while not self.stopping.is_due:
                if self._run_round():
                    idle_since = time.monotonic()
                elif not self._running.total() and time.monotonic() - idle_since >= linger:
                    break
        finally:
            self._finish()  # even after an error, because outcomes are known only here
        return self.sent

    def _run_round(self) -> bool:
        self._collect_outcomes(IDLE_PAUSE)
        try:
            return self._claim_and_send()
        except (SQLAlchemyError, WriteFailed, OSError) as error:
            if not self._unwritten and not self._running.total():
                raise  # nothing is lost: cron wakes the next run
            self._keep_outcomes(error)
            return True

    def _claim_and_send(self) -> bool:
        if self._failing_since is not None:
            # no new call begins before the outcomes are written
            self._write()
        if time.monotonic() - self._checked_at >= (
            CHECK_INTERVAL if self._unwritten else IDLE_PAUSE
        ):
            self._check_due()
        free_threads = {
            connection_id: threads
            for connection_id in self._due
            if (threads := self._free_threads(connection_id)) > 0
        }
        outcomes = self._unwritten
        claims = (
            record_and_claim(outcomes, free_threads, self._bulk) if outcomes or free_threads else []
        )
        self._unwritten = []
        for claim in claims:
            self._start_call(claim)
        if claims and time.monotonic() - self._woken_at >= WAKE_EVERY:
            wake_now("settle")  # callbacks will arrive, and the web server only stores them
            self._woken_at = time.monotonic()
        started = Counter(claim.connection_id for claim in claims)
        idle = {
            connection_id
            for connection_id, threads in free_threads.items()
            if started[connection_id] < threads
        }
        self._due = [connection_id for connection_id in self._due if connection_id not in idle]
        return bool(outcomes or claims)

    def _check_due(self) -> None:
        self._due = find_due_connections()
        self._checked_at = time.monotonic()
        for connection_id in self._due:
            if connection_id not in self._limits:
                self._limits[connection_id] = self._max_concurrency(connection_id)
        # an open read transaction would delay the clean-up of the database
        db.session.rollback()

    def _max_concurrency(self, connection_id: str) -> int:
        try:
            return integrations.get(
                db.session.get_one(Connection, connection_id).integration
            ).concurrency
        except NotFound:
            return 1  # the claim reports that its package is missing

    def _free_threads(self, connection_id: str) -> int:
        return self._limits[connection_id] - self._running[connection_id]

    def _start_call(self, claim: Claim) -> None:
        pool = self._pools.get(claim.connection_id)
        if pool is None:
            pool = self._pools[claim.connection_id] = ThreadPoolExecutor(
                self._limits[claim.connection_id], "send"
            )
        self._running[claim.connection_id] += 1
        self._bulk[claim.connection_id] += claim.bulk
        self.sent += 1
        pool.submit(self._call, claim)

    def _call(self, claim: Claim) -> None:
        self._outcomes.put(call_provider(claim))

    def _collect_outcomes(self, wait: float) -> None:
        outcomes: list[Outcome] = []
        with suppress(queue.Empty):
            outcomes.append(self._outcomes.get(timeout=wait))
            time.sleep(BATCH_WINDOW)
            while True:
                outcomes.append(self._outcomes.get_nowait())
        for outcome in outcomes:
            self._running[outcome.claim.connection_id] -= 1
            self._bulk[outcome.claim.connection_id] -= outcome.claim.bulk
        self._unwritten += outcomes

    def _write(self) -> None:
        record_and_claim(self._unwritten, {})
        self._unwritten = []
        self._failing_since = None
        self._pause = FIRST_PAUSE

    def _keep_outcomes(self, problem: Exception) -> None:
        """Keep outcomes for another try, because no other process knows them.

        Raises `problem` once they have been kept for HELD_FOR seconds.
        """
        current = time.monotonic()
        if self._failing_since is None:
            self._failing_since = current
            log.warning(
                "database.unreachable",
                problem=type(problem).__name__,
                outcomes=len(self._unwritten),
            )
        if current - self._failing_since > MAX_HOLD_SECONDS:
            raise problem
        with suppress(SQLAlchemyError):
            db.session.rollback()
        time.sleep(self._pause)
        self._pause = min(self._pause * 2, MAX_PAUSE)

    def _finish(self) -> None:
        """Write the outcomes of running calls; claim nothing more."""
        # a planned end waits for every call; after SIGTERM the leases cover calls that still run
        deadline = time.monotonic() + (SHUTDOWN_WAIT if self.stopping.is_requested else MAX_CALL)
        while (self._running.total() or self._unwritten) and time.monotonic() < deadline:
            if self.stopping.is_requested:
                deadline = min(deadline, time.monotonic() + SHUTDOWN_WAIT)
            self._collect_outcomes(0.05)
            try:
                if self._unwritten:
                    self._write()
            except (SQLAlchemyError, WriteFailed, OSError) as error:
                self._keep_outcomes(error)
        if self._unwritten:
            log.error(
                "outcomes.write_failed", outcomes=len(self._unwritten)
            )  # their leases will expire
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)


def _check_files(claim: Claim) -> SendError | None:
    """Check the attached files; return an error if one cannot be sent.

    The provider has not been called then.
    """
    try:
        if claim.check_files is not None:
            claim.check_files()
    except SendError as error:
        return error
    except Exception as error:
        log.exception("file_check.internal_error", message=claim.message_id)
        return FileMissing(
            f"Signpost had an internal error ({type(error).__name__}) when it checked the file.",
            "media_unreachable",
        )
    return None


def call_provider(claim: Claim) -> Outcome:
    """Send one message to its provider; return an Outcome, also after an error."""
    started = time.monotonic()
    accepted = None
    error = None
    if (file_error := _check_files(claim)) is not None:
        return Outcome(
            claim,
            None,
            file_error,
            ended_at=now(),
            milliseconds=round((time.monotonic() - started) * 1000),
        )
    with record_exchanges() as exchanges:
        try:
            if uptime() - claim.started_at > MAX_START_DELAY:
                raise Unreachable(
                    "Signpost was suspended before the call, so it did not call the provider.",
                    TOO_LATE,
                )
            accepted = claim.integration.send(claim.outbound)
        except SendError as problem:
            error = problem
        except Exception as problem:
            # an error in the hub or the integration: the provider may have the message
            log.exception(
                "send.internal_error", message=claim.message_id, integration=claim.integration.name
            )
            error = OutcomeUnknown(
                f"Signpost had an internal error ({type(problem).__name__}).", FAULT
            )
    last_exchange = exchanges[-1] if exchanges else None
    return Outcome(
        claim,
        accepted,
        error,
        ended_at=now(),
        milliseconds=round((time.monotonic() - started) * 1000),
        http_status=last_exchange.status if last_exchange else None,
        request_ref=(
            last_exchange.headers.get(claim.integration.request_ref_header, "")
            if last_exchange and claim.integration.request_ref_header
            else ""
        ),
    )
