"""The drain: one bounded run of a worker that sends for every connection, concurrently, and lingers
for more.

Threads only call the provider; this thread alone touches the database. No transaction is open while
a provider thinks.
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
from hub.messaging.send.claims import is_due, record_and_claim
from hub.messaging.send.outcomes import FAULT, TOO_LATE
from hub.models import Connection

log = structlog.get_logger(__name__)

LINGER_SECONDS = 20.0  # how long an idle drain stays warm
IDLE_PAUSE = 0.025
LOOK_EVERY = 0.05  # while there is enough to do: which connections have something to send
GATHER_PAUSE = 0.003  # outcomes that come together are written together
WAKE_EVERY = 5.0  # of those who settle, who linger for longer
LAST_WAIT = 3.0  # after SIGTERM
LONGEST_CALL = 50.0
HELD_FOR = 40.0  # outcomes, while the database does not store them: then the leases are over
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 0.5
# of its claim; later a call could outlast the lease, and be looked up before it was made
BEGINS_WITHIN = 20.0


class Dispatcher:
    """Sends until nothing is left for a while."""

    def __init__(self, stopping: ShutdownSignal) -> None:
        self.stopping = stopping
        self.sent = 0
        self._pools: dict[str, ThreadPoolExecutor] = {}
        self._most: dict[str, int] = {}  # calls at once, by connection
        self._flying: Counter[str] = Counter()
        self._bulk: Counter[str] = Counter()  # those of them of the bulk lane
        # connections that have something to send, as far as is known; the longest wait first
        self._waiting: list[str] = []
        self._looked_at = self._woken_at = -WAKE_EVERY
        self._done: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._ended: list[Outcome] = []  # calls that ended, and are not written yet
        self._failing_since: float | None = None
        self._pause = FIRST_PAUSE

    def run(self, linger: float = LINGER_SECONDS) -> int:
        """Send what is due; return how many calls were made."""
        idle_since = time.monotonic()
        try:
            while not self.stopping.now:
                if self._round():
                    idle_since = time.monotonic()
                elif not self._flying.total() and time.monotonic() - idle_since >= linger:
                    break
        finally:
            self._finish()  # whatever went wrong: outcomes are known here alone
        return self.sent

    def _round(self) -> bool:
        self._gather(IDLE_PAUSE)
        try:
            return self._work()
        except (SQLAlchemyError, WriteFailed, OSError) as problem:
            if not self._ended and not self._flying.total():
                raise  # nothing is lost: cron wakes the next run
            self._hold(problem)
            return True

    def _work(self) -> bool:
        if self._failing_since is not None:
            # first the outcomes: nothing new is begun while it is not known whether they can
            # be written
            self._write()
        if time.monotonic() - self._looked_at >= (LOOK_EVERY if self._ended else IDLE_PAUSE):
            self._look()
        free = {
            connection_id: threads
            for connection_id in self._waiting
            if (threads := self._free(connection_id)) > 0
        }
        outcomes = self._ended
        claims = record_and_claim(outcomes, free, self._bulk) if outcomes or free else []
        self._ended = []
        for claim in claims:
            self._send(claim)
        if claims and time.monotonic() - self._woken_at >= WAKE_EVERY:
            wake_now("settle")  # callbacks will come; who takes them in does nothing but store them
            self._woken_at = time.monotonic()
        begun = Counter(claim.connection_id for claim in claims)
        idle = {
            connection_id
            for connection_id, threads in free.items()
            if begun[connection_id] < threads
        }
        self._waiting = [
            connection_id for connection_id in self._waiting if connection_id not in idle
        ]
        return bool(outcomes or claims)

    def _look(self) -> None:
        self._waiting = is_due()
        self._looked_at = time.monotonic()
        for connection_id in self._waiting:
            if connection_id not in self._most:
                self._most[connection_id] = self._concurrency(connection_id)
        # a reading transaction left open would hold back the database's clean-up
        db.session.rollback()

    def _concurrency(self, connection_id: str) -> int:
        try:
            return integrations.get(
                db.session.get_one(Connection, connection_id).integration
            ).concurrency
        except NotFound:
            return 1  # the claim says that its package is gone

    def _free(self, connection_id: str) -> int:
        return self._most[connection_id] - self._flying[connection_id]

    def _send(self, claim: Claim) -> None:
        pool = self._pools.get(claim.connection_id)
        if pool is None:
            pool = self._pools[claim.connection_id] = ThreadPoolExecutor(
                self._most[claim.connection_id], "send"
            )
        self._flying[claim.connection_id] += 1
        self._bulk[claim.connection_id] += claim.bulk
        self.sent += 1
        pool.submit(self._call, claim)

    def _call(self, claim: Claim) -> None:
        self._done.put(call_provider(claim))

    def _gather(self, wait: float) -> None:
        outcomes: list[Outcome] = []
        with suppress(queue.Empty):
            outcomes.append(self._done.get(timeout=wait))
            time.sleep(GATHER_PAUSE)
            while True:
                outcomes.append(self._done.get_nowait())
        for outcome in outcomes:
            self._flying[outcome.claim.connection_id] -= 1
            self._bulk[outcome.claim.connection_id] -= outcome.claim.bulk
        self._ended += outcomes

    def _write(self) -> None:
        record_and_claim(self._ended, {})
        self._ended = []
        self._failing_since = None
        self._pause = FIRST_PAUSE

    def _hold(self, problem: Exception) -> None:
        """Keep outcomes for another try, since nobody else knows them.

        Raises the problem after HELD_FOR seconds.
        """
        moment = time.monotonic()
        if self._failing_since is None:
            self._failing_since = moment
            log.warning(
                "database.unreachable", problem=type(problem).__name__, outcomes=len(self._ended)
            )
        if moment - self._failing_since > HELD_FOR:
            raise problem
        with suppress(SQLAlchemyError):
            db.session.rollback()
        time.sleep(self._pause)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def _finish(self) -> None:
        """Write the outcomes of calls under way; claim nothing more."""
        # at the planned end of a run there is time for every call; after SIGTERM the leases take
        # care of the rest
        deadline = time.monotonic() + (LAST_WAIT if self.stopping.told else LONGEST_CALL)
        while (self._flying.total() or self._ended) and time.monotonic() < deadline:
            if self.stopping.told:
                deadline = min(deadline, time.monotonic() + LAST_WAIT)
            self._gather(0.05)
            try:
                if self._ended:
                    self._write()
            except (SQLAlchemyError, WriteFailed, OSError) as problem:
                self._hold(problem)
        if self._ended:
            log.error("outcomes.not_written", outcomes=len(self._ended))  # their leases will expire
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)


def _look_first(claim: Claim) -> SendError | None:
    """Check the attached files; whatever goes wrong, the provider was not called."""
    try:
        if claim.looks is not None:
            claim.looks()
    except SendError as problem:
        return problem
    except Exception as problem:
        log.exception("look.fault", message=claim.message_id)
        return FileMissing(
            f"Signpost had an internal error ({type(problem).__name__}) when it checked the file.",
            "media_unreachable",
        )
    return None


def call_provider(claim: Claim) -> Outcome:
    """Hand one message over; every way it can end is an Outcome."""
    started = time.monotonic()
    accepted = None
    error = None
    if (refused := _look_first(claim)) is not None:
        return Outcome(
            claim,
            None,
            refused,
            ended_at=now(),
            milliseconds=round((time.monotonic() - started) * 1000),
        )
    with record_exchanges() as exchanges:
        try:
            if uptime() - claim.begun > BEGINS_WITHIN:
                raise Unreachable(
                    "Signpost was paused before the call, so it did not call the provider.",
                    TOO_LATE,
                )
            accepted = claim.integration.send(claim.outbound)
        except SendError as problem:
            error = problem
        except (
            Exception
        ) as problem:  # a fault of ours or of the integration: what the provider has is not known
            log.exception(
                "send.fault", message=claim.message_id, integration=claim.integration.name
            )
            error = OutcomeUnknown(
                f"Signpost had an internal error ({type(problem).__name__}).", FAULT
            )
    last = exchanges[-1] if exchanges else None
    return Outcome(
        claim,
        accepted,
        error,
        ended_at=now(),
        milliseconds=round((time.monotonic() - started) * 1000),
        http_status=last.status if last else None,
        request_ref=(
            last.headers.get(claim.integration.request_ref_header, "")
            if last and claim.integration.request_ref_header
            else ""
        ),
    )
