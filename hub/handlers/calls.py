"""Run the deliveries of handlers, each in a separate process that stays while there is work."""

from __future__ import annotations

import json
import threading
from collections import defaultdict

import structlog
from flask import current_app
from sqlalchemy import func, select

from hub.core.config import Config
from hub.db.engine import db
from hub.db.types import now
from hub.endpoints.attempts import Claim, Outcome
from hub.endpoints.catalog import handler_event_kinds
from hub.endpoints.responses import Judgment
from hub.handlers.child_process import EXTRA, LOAD_SECONDS, Failure, HandlerProcess, Limits
from hub.handlers.masking import mask_message
from hub.handlers.sources import HandlerSource, find_sources
from hub.models import WebhookEndpoint
from hub.models.webhook_endpoint import HANDLER

log = structlog.get_logger(__name__)

MAX_PROCESSES = 4  # of one handler
ALL_PROCESSES = 16  # of all handlers, unless there are more handlers
MAX_CALLS = 1000  # of one process, so that a memory leak of a handler does not grow without limit
START_WITHIN = 60.0  # seconds after the claim; a later call could outlast the lease


def read_limits() -> Limits:
    """Return the limits of the settings."""
    config: Config = current_app.extensions["hub.config"]
    return Limits(config.handler_seconds, config.handler_memory)


class HandlerCaller:
    """The processes of handlers. Each call takes an idle one, or starts one more."""

    def __init__(self) -> None:
        self._sources = {source.name: source for source in find_sources()}
        self._limits = read_limits()
        self._types = tuple(handler_event_kinds())
        self._idle: dict[str, list[_Running]] = defaultdict(list)
        self._all: set[HandlerProcess] = set()
        self._lock = threading.Lock()
        self._is_closed = False
        self.processes = max(1, min(MAX_PROCESSES, ALL_PROCESSES // max(_count_handlers(), 1)))
        self.longest_call = LOAD_SECONDS + self._limits.seconds + 2 * EXTRA

    def call(self, claim: Claim) -> Outcome:
        """Run a handler with its event; return an outcome, also after an error."""
        at = now()
        if self._is_closed or (at - claim.claimed_at).total_seconds() > START_WITHIN:
            return Outcome(claim, Judgment(not_started=True), at, None)
        payload = json.loads(claim.body)
        try:
            failure, milliseconds = self._run(claim, payload)
        except Exception as error:  # such as a process that the system does not start
            log.exception("handler.fault", handler=claim.target.name)
            failure = Failure(f"Signpost had an internal error ({type(error).__name__}).")
            milliseconds = None
        if failure is None:
            return Outcome(claim, Judgment(), at, milliseconds)
        message = mask_message(failure.message, payload)
        problem = f"{failure.problem}: {message}" if message else failure.problem
        return Outcome(claim, Judgment(problem, excerpt="\n".join(failure.lines)), at, milliseconds)

    def close(self) -> None:
        """End all processes, also those that are running a handler."""
        with self._lock:
            self._is_closed = True
            processes = list(self._all)
        for process in processes:
            process.stop()

    def _run(self, claim: Claim, payload: dict[str, object]) -> tuple[Failure | None, int | None]:
        source = self._sources.get(str(claim.target.settings.get("source")))
        if source is None:
            name = claim.target.settings.get("source")
            return Failure(f"{name} is not installed where Signpost runs."), None
        running = self._take(claim.target.name)
        if running is None:
            running, failure = self._start(source)
            if running is None:
                return failure, None
        response = running.process.run(claim.target.name, payload, claim.number)
        running.calls += 1
        is_stopped = response.failure is not None and response.failure.is_stopped
        if is_stopped or running.calls >= MAX_CALLS:
            self._remove(running.process)
        else:
            with self._lock:
                self._idle[claim.target.name].append(running)
        return response.failure, response.milliseconds

    def _take(self, name: str) -> _Running | None:
        with self._lock:
            return self._idle[name].pop() if self._idle[name] else None

    def _start(self, source: HandlerSource) -> tuple[_Running | None, Failure | None]:
        """Start a process that has loaded a file, or return why it did not."""
        process = HandlerProcess(source, self._limits)
        with self._lock:
            self._all.add(process)
            is_closed = self._is_closed
        response = process.load(self._types)
        if response.failure is None and not is_closed:
            return _Running(process), None
        self._remove(process)
        failure = response.failure or Failure("Signpost stopped.")
        reason = f"{source.name} could not be loaded. {failure.problem}"
        return None, Failure(reason, failure.message, failure.lines, failure.is_stopped)

    def _remove(self, process: HandlerProcess) -> None:
        process.stop()
        with self._lock:
            self._all.discard(process)


class _Running:
    """A process that has loaded its file, and the number of its calls."""

    def __init__(self, process: HandlerProcess) -> None:
        self.process = process
        self.calls = 0


def _count_handlers() -> int:
    query = select(func.count()).where(
        WebhookEndpoint.kind == HANDLER, WebhookEndpoint.deleted_at.is_(None)
    )
    return int(db.session.scalar(query) or 0)
