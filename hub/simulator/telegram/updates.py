"""Deliver updates to the bot's webhook: numbered, one at a time for each chat or person, repeated
until accepted.

https://core.telegram.org/bots/api#setwebhook; pauses and lanes as in the source of its server,
tdlib/telegram-bot-api.
"""

from __future__ import annotations

import http.client
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from hub.simulator import posting
from hub.simulator.record_store import Record, Shelf
from hub.simulator.telegram.bot import Bot

log = logging.getLogger(__name__)
KIND = "telegram update"
KEPT = 500
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 60.0  # seconds; the first is a quarter of Telegram's, so that one sees it happen
LONGEST_RETRY_AFTER = 3600.0
PATIENCE = 10.0
WAITING = "waiting"
TOLD = "told"
DROPPED = "dropped"
CarryOut = Callable[[str, dict[str, Any]], Any]


class Updates:
    """The queue of updates; it outlives a restart."""

    def __init__(self, shelf: Shelf, bot: Bot) -> None:
        self._shelf = shelf
        self._bot = bot
        self._lanes: dict[str, deque[str]] = {}
        self._due: dict[str, float] = {}  # lane → when it may go on
        self._busy: set[str] = set()
        self._changed = threading.Condition()
        self._stopping = False
        self._pool = ThreadPoolExecutor(40, thread_name_prefix="telegram")
        self._thread = threading.Thread(target=self._run, name="telegram", daemon=True)
        self._carry_out: CarryOut = lambda method, params: None

    def start(self, carry_out: CarryOut) -> None:
        """Begin to post; `carry_out` does the method that an answer's body calls."""
        self._carry_out = carry_out
        for name, record in self._shelf.all(KIND).items():
            if record["state"] == WAITING:
                self._lanes.setdefault(record["lane"], deque()).append(name)
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def add(self, kind: str, content: dict[str, Any], lane: str) -> str:
        """Queue an update behind those of its lane and return its number; '' when the webhook does
        not want this kind.
        """
        if not self._bot.wants(kind):
            return ""
        with self._changed:
            number = str(self._shelf.number(KIND, 710_000_001))
            record = {
                "kind": kind,
                "content": content,
                "lane": lane,
                "state": WAITING,
                "tries": 0,
                "answer": "",
                "made": time.time(),
            }
            self._shelf.put(KIND, number, record)
            self._shelf.keep_newest(KIND, KEPT)
            self._lanes.setdefault(lane, deque()).append(number)
            self._changed.notify_all()
        return number

    def outcome(self, number: str, patience: float) -> str:
        """Wait until an update was posted once and return the result in words."""
        if not number:
            return "not sent, because the webhook does not receive this kind"
        if not self._bot.webhook.url:
            return "waiting, because no webhook is set"
        deadline = time.monotonic() + patience
        with self._changed:
            while True:
                record = self._shelf.get(KIND, number) or {}
                if record.get("tries") or not self._changed.wait(
                    max(deadline - time.monotonic(), 0)
                ):
                    return str(record.get("answer") or "waiting")

    def pending(self) -> int:
        with self._changed:
            return sum(map(len, self._lanes.values()))

    def drop(self) -> None:
        """Forget what waits."""
        with self._changed:
            for name in [name for lane in self._lanes.values() for name in lane]:
                self._shelf.change(KIND, name, lambda record: {**record, "state": DROPPED})
            self._lanes.clear()

    def hurry(self) -> None:
        """Try what waits at once: the webhook was set anew."""
        with self._changed:
            self._due.clear()
            self._changed.notify_all()

    def all(self) -> dict[str, Record]:
        return self._shelf.all(KIND)

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._look()
            except Exception:  # a thread that ends silently would leave every later update untold
                log.exception("The simulated Telegram had an error with its updates and continues")
                time.sleep(1)

    def _look(self) -> None:
        with self._changed:
            if not any(self._lanes.values()):
                self._changed.wait(1)
                return
            webhook = self._bot.webhook
            now = time.monotonic()
            ready = [
                lane
                for lane, waiting in self._lanes.items()
                if waiting and lane not in self._busy and self._due.get(lane, 0) <= now
            ]
            for lane in ready[: webhook.most - len(self._busy)] if webhook.url else ():
                self._busy.add(lane)
                self._pool.submit(self._post, lane, self._lanes[lane][0])
            self._changed.wait(0.05)

    def _post(self, lane: str, number: str) -> None:
        pause = 0.0
        taken = False
        try:
            record = self._shelf.get(KIND, number)
            taken, pause = self._try(number, record) if record else (True, 0.0)
        except Exception:
            log.exception("Update %s: sending failed", number)
            pause = LONGEST_PAUSE
        with self._changed:
            waiting = self._lanes.get(lane)
            if taken and waiting and waiting[0] == number:
                waiting.popleft()
            self._due[lane] = time.monotonic() + pause
            self._busy.discard(lane)
            self._changed.notify_all()

    def _try(self, number: str, record: Record) -> tuple[bool, float]:
        webhook = self._bot.webhook
        body = json.dumps({"update_id": int(number), record["kind"]: record["content"]}).encode()
        headers = {"Content-Type": "application/json"}
        if webhook.secret:
            headers["X-Telegram-Bot-Api-Secret-Token"] = webhook.secret
        answer = posting.post(webhook.url, body, headers, patience=PATIENCE)
        state = TOLD if answer.taken else WAITING
        said = {
            "tries": record["tries"] + 1,
            "answer": answer.words,
            "status": answer.status,
            "state": state,
        }
        if answer.taken:
            self._answer(answer)
        else:
            words = http.client.responses.get(answer.status, "")
            problem = (
                f"Wrong response from the webhook: {answer.status} {words}".strip()
                if answer.status
                else answer.failure
            )
            self._bot.keep(replace(self._bot.webhook, error=problem, error_at=int(time.time())))
        self._shelf.change(KIND, number, lambda now: {**now, **said})
        return answer.taken, 0.0 if answer.taken else _pause(record["tries"], answer)

    def _answer(self, answer: posting.Answer) -> None:
        """Do what the answer's body says, if it calls a method; the result is not reported."""
        try:
            if "json" in answer.headers.get("content-type", ""):
                params = json.loads(answer.body)
            else:
                params = dict(parse_qsl(answer.body.decode()))
        except ValueError:
            return
        if isinstance(params, dict) and params.get("method"):
            self._carry_out(str(params.pop("method")), params)


def _pause(tries: int, answer: posting.Answer) -> float:
    """Return after how many seconds an update is tried again: what Retry-After says, else ever
    longer.
    """
    asked = answer.headers.get("retry-after", "")
    if asked.isdecimal():
        return min(float(asked), LONGEST_RETRY_AFTER)
    return min(FIRST_PAUSE * 2.0 ** min(tries, 20), LONGEST_PAUSE)
