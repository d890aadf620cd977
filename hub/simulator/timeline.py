"""Advance messages through the steps of their plans in a thread; a pool posts callbacks."""

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
class Step:
    """A message's n-th step is due."""

    sid: str
    n: int


@dataclass(frozen=True)
class Call:
    """Words still to post for a message's n-th step."""

    message: Message
    n: int
    words: tuple[str, ...]
    tries: int = 0
    began: float = 0.0


class Timeline:
    """Follows every message to its end; what was under way at a stop goes on at the next start."""

    def __init__(self, store: Store, account: Account, media: MediaFiles) -> None:
        self._store = store
        self._account = account
        self._media = media
        self._due: list[tuple[float, int, Step | Call]] = []
        self._order = itertools.count()
        self._told: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self.stopping = threading.Event()
        self._pool = ThreadPoolExecutor(32, thread_name_prefix="callback")
        self._thread = threading.Thread(target=self._run, name="timeline", daemon=True)

    def start(self) -> None:
        for message in self._store.pending():
            self.follow(message)
        self._thread.start()

    def stop(self) -> None:
        """End at once; callbacks that are not through are posted again after the next start."""
        self.stopping.set()
        with self._changed:
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(1)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def follow(self, message: Message) -> None:
        """Put the steps of a message that are still to come, or to be told, on the line; its files
        are fetched first.
        """
        if message.media and not message.reached and not message.inbound:
            self._pool.submit(self._fetch, message)
        else:
            self._line_up(message)

    def _fetch(self, message: Message) -> None:
        try:
            for one in self._media.of(message.sid):
                if media.reachable(one.url) and not one.size:
                    got = media.fetch(one.url)
                    self._media.fill(one.sid, got)
                    if code := media.code(got.wrong, whatsapp=message.whatsapp):
                        message = replace(message, fate=message.fate or code)
            self._store.change(message.sid, fate=message.fate)
        except Exception:  # a message that is lost here would stay queued
            log.exception("Files of %s: could not fetch", message.sid)
        self._line_up(message)

    def _line_up(self, message: Message) -> None:
        for n, step in enumerate(message.plan):
            if not message.told & 1 << n:
                self._put(message.starts + step.after, Step(message.sid, n))

    def _put(self, when: float, item: Step | Call) -> None:
        with self._changed:
            heapq.heappush(self._due, (when, next(self._order), item))
            if self._due[0][2] is item:  # else the thread wakes early enough anyway
                self._changed.notify()

    def _run(self) -> None:
        while not self.stopping.is_set():
            try:
                self._tick()
            except (
                Exception
            ):  # a thread that ends silently would leave every later message undelivered
                log.exception("The simulator's timeline had an error and continues")
                self.stopping.wait(1)

    def _tick(self) -> None:
        with self._changed:
            if not self._due or self._due[0][0] > time.time():
                wait = min(self._due[0][0] - time.time(), 0.1) if self._due else 0.1
                # at most 200 rounds a second: steps of many messages share a transaction
                self._changed.wait(max(wait, 0.005))
            now = time.time()
            items = []
            while self._due and self._due[0][0] <= now:
                items.append(heapq.heappop(self._due)[2])
        told = [self._told.get_nowait() for _ in range(self._told.qsize())]
        if told:
            self._store.tell(told)
        for item in items:
            if isinstance(item, Call):
                self._pool.submit(self._post, item)
        steps = [(item.sid, item.n) for item in items if isinstance(item, Step)]
        for message, n in self._store.reach(steps) if steps else ():
            self._tell(message, n)

    def _tell(self, message: Message, n: int) -> None:
        words = message.plan[n].tells
        if words and message.callback and callbacks.reachable(message.callback):
            self._pool.submit(self._post, Call(message, n, words))
            return
        if words and message.callback:
            host = urlsplit(message.callback).netloc
            log.warning(
                "Status callback of %s: not sent, because %s is not on this machine",
                message.sid,
                host,
            )
        self._told.put((message.sid, n))

    def _post(self, call: Call) -> None:
        try:
            self._try(call)
        except Exception:
            log.exception("Status callback of %s: given up", call.message.sid)
            self._told.put((call.message.sid, call.n))

    def _try(self, call: Call) -> None:
        limits = callbacks.overrides(call.message.callback)
        while call.words:
            if self.stopping.is_set():
                return
            began = call.began or time.time()
            failure = callbacks.post(call.message, call.words[0], self._account, limits)
            again = time.time() + callbacks.FIRST_RETRY * 2**call.tries
            if (
                failure
                and limits.retries_after(failure)
                and call.tries < limits.retries
                and again < began + limits.total
            ):
                self._put(again, replace(call, tries=call.tries + 1, began=began))
                return
            call = replace(call, words=call.words[1:], tries=0, began=0.0)
        self._told.put((call.message.sid, call.n))
