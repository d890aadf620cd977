"""Move messages through their planned steps in a thread. A pool of threads posts callbacks."""

from __future__ import annotations

import heapq
import itertools
import logging
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from hub.simulator import callbacks, media
from hub.simulator.account import Account
from hub.simulator.media import MediaFiles
from hub.simulator.store import Message, Store

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DueStep:
    """A step of a message's plan is due."""

    sid: str
    step_index: int


@dataclass(frozen=True)
class StatusCallback:
    """Statuses that are still to be posted for one step of a message."""

    message: Message
    step_index: int
    statuses: tuple[str, ...]
    attempts: int = 0
    started_at: float = 0.0


class Timeline:
    """Follows every message to its final status. After a restart it continues where it stopped."""

    def __init__(self, store: Store, account: Account, media: MediaFiles) -> None:
        self._store = store
        self._account = account
        self._media = media
        self._queue: list[tuple[float, int, DueStep | StatusCallback]] = []
        self._sequence = itertools.count()
        self._completed: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()
        self._queue_changed = threading.Condition()
        self.stopping = threading.Event()
        self._pool = ThreadPoolExecutor(32, thread_name_prefix="callback")
        self._thread = threading.Thread(target=self._run, name="timeline", daemon=True)

    def start(self) -> None:
        for message in self._store.pending():
            self.follow(message)
        self._thread.start()

    def stop(self) -> None:
        """Stop at once. Unfinished callbacks are posted again after the next start."""
        self.stopping.set()
        with self._queue_changed:
            self._queue_changed.notify()
        if self._thread.is_alive():
            self._thread.join(1)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def follow(self, message: Message) -> None:
        """Fetch a message's files, then schedule the steps that are not completed."""
        if message.media and not message.steps_taken and not message.inbound:
            self._pool.submit(self._fetch, message)
        else:
            self._schedule_steps(message)

    def _fetch(self, message: Message) -> None:
        try:
            for file in self._media.for_message(message.sid):
                if media.is_reachable(file.url) and not file.size:
                    fetched = media.fetch(file.url)
                    self._media.fill(file.sid, fetched)
                    if code := media.error_code(fetched.error, whatsapp=message.whatsapp):
                        message = replace(message, failure_code=message.failure_code or code)
            self._store.change(message.sid, failure_code=message.failure_code)
        except Exception:  # without its next step, the message would stay queued
            log.exception("Files of %s: could not fetch", message.sid)
        self._schedule_steps(message)

    def _schedule_steps(self, message: Message) -> None:
        for step_index, step in enumerate(message.plan):
            if not message.completed_steps & 1 << step_index:
                self._schedule(message.starts_at + step.after, DueStep(message.sid, step_index))

    def _schedule(self, due_at: float, item: DueStep | StatusCallback) -> None:
        with self._queue_changed:
            heapq.heappush(self._queue, (due_at, next(self._sequence), item))
            if self._queue[0][2] is item:  # otherwise the thread already wakes early enough
                self._queue_changed.notify()

    def _run(self) -> None:
        while not self.stopping.is_set():
            try:
                self._process_due()
            except Exception:
                # if the thread ended, no later message would be delivered
                log.exception("The simulator's timeline had an error and continues")
                self.stopping.wait(1)

    def _process_due(self) -> None:
        with self._queue_changed:
            if not self._queue or self._queue[0][0] > time.time():
                delay = min(self._queue[0][0] - time.time(), 0.1) if self._queue else 0.1
                # at most 200 rounds a second, so that many messages share one transaction
                self._queue_changed.wait(max(delay, 0.005))
            now = time.time()
            items = []
            while self._queue and self._queue[0][0] <= now:
                items.append(heapq.heappop(self._queue)[2])
        completed = [self._completed.get_nowait() for _ in range(self._completed.qsize())]
        if completed:
            self._store.complete_steps(completed)
        for item in items:
            if isinstance(item, StatusCallback):
                self._pool.submit(self._post, item)
        steps = [(item.sid, item.step_index) for item in items if isinstance(item, DueStep)]
        for message, step_index in self._store.take_steps(steps) if steps else ():
            self._report_step(message, step_index)

    def _report_step(self, message: Message, step_index: int) -> None:
        statuses = message.plan[step_index].callbacks
        if statuses and message.callback and callbacks.is_reachable(message.callback):
            self._pool.submit(self._post, StatusCallback(message, step_index, statuses))
            return
        if statuses and message.callback:
            host = urlsplit(message.callback).netloc
            log.warning(
                "Status callback of %s: not sent, because %s is not on this machine",
                message.sid,
                host,
            )
        self._completed.put((message.sid, step_index))

    def _post(self, call: StatusCallback) -> None:
        try:
            self._post_statuses(call)
        except Exception:
            log.exception("Status callback of %s: given up", call.message.sid)
            self._completed.put((call.message.sid, call.step_index))

    def _post_statuses(self, call: StatusCallback) -> None:
        overrides = callbacks.overrides(call.message.callback)
        while call.statuses:
            if self.stopping.is_set():
                return
            started_at = call.started_at or time.time()
            failure = callbacks.post(call.message, call.statuses[0], self._account, overrides)
            next_attempt_at = time.time() + callbacks.FIRST_RETRY * 2**call.attempts
            if (
                failure
                and overrides.retries_after(failure)
                and call.attempts < overrides.retries
                and next_attempt_at < started_at + overrides.total_timeout
            ):
                self._schedule(
                    next_attempt_at,
                    replace(call, attempts=call.attempts + 1, started_at=started_at),
                )
                return
            call = replace(call, statuses=call.statuses[1:], attempts=0, started_at=0.0)
        self._completed.put((call.message.sid, call.step_index))
