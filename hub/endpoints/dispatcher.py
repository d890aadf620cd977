"""Send due deliveries to every endpoint concurrently, in one bounded run of a worker.

Threads call the endpoints, and only the main thread uses the database. Each endpoint has threads of
its own, so a slow or dead one never delays another. Events for a message broker are published in
batches, one batch at a time for each endpoint. Handlers run in their own processes.
"""

from __future__ import annotations

import queue
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Protocol

import structlog
from flask import current_app

from hub.core.config import Config
from hub.core.errors import HubError
from hub.db.engine import db
from hub.db.types import now
from hub.endpoints.allowed_addresses import allowed_addresses
from hub.endpoints.attempts import Claim, Outcome
from hub.endpoints.broker_publishing import BrokerPublishers, batch_size
from hub.endpoints.claims import DueEndpoint, find_due, record_and_claim
from hub.endpoints.responses import Judgment, judge_error, judge_response
from hub.endpoints.signatures import signed_headers
from hub.endpoints.targets import TargetCache
from hub.lib.provider_http import ConnectFailed, ProviderHttpClient
from hub.lib.shutdown import ShutdownSignal
from hub.models.webhook_endpoint import HANDLER, WEBHOOK

log = structlog.get_logger(__name__)

IN_FLIGHT = 16  # calls per endpoint
AHEAD = 16  # claims per fast endpoint that wait for a thread, so that no thread waits for a claim
FAST = 1000  # milliseconds of the last call; the calls before a waiting claim end within its lease
IN_FLIGHT_FAILING = 2  # calls per endpoint, or events per batch, if the last outcomes are failures
RESPONSE_WITHIN = 15.0  # seconds
READ_BYTES = 16 * 1024  # of a response, so that a short one leaves its connection usable
LINGER_SECONDS = 5.0  # how long an idle dispatcher waits for more work
IDLE_PAUSE = 0.025
GATHER_PAUSE = 0.003  # outcomes that arrive together are written together
MAX_CALL_TIME = 60.0
LAST_WAIT = 3.0  # for running calls, after SIGTERM; others are repeated when their lease ends


class HandlerCaller(Protocol):
    """Runs handlers, in threads of the dispatcher."""

    processes: int  # calls of one handler at once
    longest_call: float  # seconds

    def call(self, claim: Claim) -> Outcome:
        """Run a handler; return an outcome, also after an error."""

    def close(self) -> None:
        """End all processes."""


class Dispatcher:
    """Sends due deliveries until none is due for a while."""

    def __init__(self, stopping: ShutdownSignal, handlers: HandlerCaller | None = None) -> None:
        config: Config = current_app.extensions["hub.config"]
        ca_file = str(config.ca_file) if config.ca_file else None
        self.stopping = stopping
        self.sent = 0
        self._client = ProviderHttpClient(allow=allowed_addresses(), ca_file=ca_file)
        self._brokers = BrokerPublishers()
        self._handlers = handlers
        self._cache = TargetCache()
        self._pools: dict[str, ThreadPoolExecutor] = {}
        self._running: Counter[str] = Counter()  # claims without an outcome, by endpoint
        self._fast: set[str] = set()  # endpoints whose last call was fast and successful
        self._outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._unwritten: list[Outcome] = []
        self._has_recorded = False  # outcomes, in the last round, while nothing was running

    def run(self, linger: float = LINGER_SECONDS) -> int:
        """Send due deliveries; return the number of calls."""
        idle_since = time.monotonic()
        try:
            while not self.stopping.is_due:
                if self._run_round():
                    idle_since = time.monotonic()
                elif not self._running.total() and time.monotonic() - idle_since >= linger:
                    break
        finally:
            self._finish()
        return self.sent

    def _run_round(self) -> bool:
        # after the last outcome of a batch, the next event of its keys is due at once
        self._collect_outcomes(0 if self._has_recorded else IDLE_PAUSE)
        free = self._free_threads()
        if not (free or self._unwritten):
            self._has_recorded = False
            return False
        claims = record_and_claim(self._unwritten, free, self._cache)
        had_outcomes = bool(self._unwritten)
        self._unwritten = []
        self._has_recorded = had_outcomes and not (claims or self._running.total())
        batches: dict[str, list[Claim]] = {}
        for claim in claims:
            if claim.target.is_handler:
                self._start(claim.endpoint_id, [claim], self._run_handler)
            elif claim.target.is_broker:
                batches.setdefault(claim.endpoint_id, []).append(claim)
            else:
                self._start(claim.endpoint_id, [claim], self._call)
        for endpoint_id, batch in batches.items():
            self._start(endpoint_id, batch, self._publish)
        return bool(claims) or had_outcomes

    def _free_threads(self) -> dict[str, int]:
        due = find_due()
        db.session.rollback()  # an open read transaction would delay the clean-up of the database
        return {
            endpoint_id: free
            for endpoint_id, endpoint in due.items()
            if (free := self._limit_of(endpoint_id, endpoint) - self._running[endpoint_id]) > 0
        }

    def _limit_of(self, endpoint_id: str, endpoint: DueEndpoint) -> int:
        if endpoint.kind == HANDLER:
            return self._limit_of_handler(endpoint_id, is_failing=endpoint.is_failing)
        if endpoint.kind != WEBHOOK and self._running[endpoint_id]:
            return 0  # a batch that waits for another one might outlast its lease
        if endpoint.is_failing:
            return IN_FLIGHT_FAILING
        if endpoint.kind != WEBHOOK:
            return batch_size(endpoint.kind)
        return IN_FLIGHT + AHEAD if endpoint_id in self._fast else IN_FLIGHT

    def _limit_of_handler(self, handler_id: str, *, is_failing: bool) -> int:
        if self._handlers is None:
            return 0
        if is_failing:
            return 1
        ahead = AHEAD if handler_id in self._fast else 0
        return self._handlers.processes + ahead

    def _start(
        self, endpoint_id: str, claims: Sequence[Claim], call: Callable[[Sequence[Claim]], None]
    ) -> None:
        pool = self._pools.get(endpoint_id)
        if pool is None:
            is_handler = claims[0].target.is_handler and self._handlers is not None
            threads = self._handlers.processes if self._handlers and is_handler else IN_FLIGHT
            pool = self._pools[endpoint_id] = ThreadPoolExecutor(threads, "notify")
        self._running[endpoint_id] += len(claims)
        self.sent += len(claims)
        pool.submit(call, claims)

    def _call(self, claims: Sequence[Claim]) -> None:
        for claim in claims:
            self._outcomes.put(call_endpoint(claim, self._client))

    def _run_handler(self, claims: Sequence[Claim]) -> None:
        if self._handlers is not None:
            for claim in claims:
                self._outcomes.put(self._handlers.call(claim))

    def _publish(self, claims: Sequence[Claim]) -> None:
        for outcome in self._brokers.publish(claims):
            self._outcomes.put(outcome)

    def _collect_outcomes(self, wait: float) -> None:
        outcomes: list[Outcome] = []
        with suppress(queue.Empty):
            outcomes.append(self._outcomes.get(timeout=wait))
            time.sleep(GATHER_PAUSE)
            while True:
                outcomes.append(self._outcomes.get_nowait())
        for outcome in outcomes:
            endpoint_id = outcome.claim.endpoint_id
            self._running[endpoint_id] -= 1
            is_fast = outcome.judgment.delivered and (outcome.milliseconds or 0) < FAST
            (self._fast.add if is_fast else self._fast.discard)(endpoint_id)
        self._unwritten += outcomes

    def _finish(self) -> None:
        """Write the outcomes of running calls. A call that is not waited for is repeated later,
        when its lease ends.
        """
        longest = max(MAX_CALL_TIME, self._handlers.longest_call if self._handlers else 0)
        deadline = time.monotonic() + (LAST_WAIT if self.stopping.is_requested else longest)
        while (self._running.total() or self._unwritten) and time.monotonic() < deadline:
            if self.stopping.is_requested:
                deadline = min(deadline, time.monotonic() + LAST_WAIT)
            self._collect_outcomes(0.05)
            if self._unwritten:
                record_and_claim(self._unwritten, {}, self._cache)
                self._unwritten = []
        if self._handlers is not None:
            self._handlers.close()
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        if not self._running.total():
            self._brokers.close()


def call_endpoint(claim: Claim, client: ProviderHttpClient) -> Outcome:
    """Sign and send one delivery; return an Outcome, also after an error.

    It is signed again for each attempt, with the secrets that are valid at that time.
    """
    at = now()
    started = time.monotonic()
    milliseconds = None
    try:
        response = client.request(
            "POST",
            claim.target.url,
            headers=_headers(claim),
            body=claim.body,
            read=RESPONSE_WITHIN,
            keep=READ_BYTES,
        )
        judgment = judge_response(response, claim.target.header_secrets)
        milliseconds = round((time.monotonic() - started) * 1000)
    except HubError as problem:
        judgment = judge_error(problem)
        if not isinstance(problem, ConnectFailed):
            milliseconds = round((time.monotonic() - started) * 1000)
    except Exception as problem:
        log.exception("notify.fault", endpoint=claim.endpoint_id, event_id=claim.event_id)
        judgment = Judgment(f"Signpost had an internal error ({type(problem).__name__}).")
    return Outcome(claim, judgment, at, milliseconds)


def _headers(claim: Claim) -> Mapping[str, str]:
    moment = now()
    signature = signed_headers(claim.event_id, moment, claim.body, claim.target.secrets_at(moment))
    return {**claim.target.headers, **signature}
