"""Post updates to the bot's webhook: numbered, in order for each chat or person, until accepted.

https://core.telegram.org/bots/api#setwebhook. Pauses and lanes are as in the source of its server,
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
from hub.simulator.record_store import Record, RecordStore
from hub.simulator.telegram.bot import Bot, Webhook

log = logging.getLogger(__name__)
KIND = "telegram update"
MAX_STORED = 500
FIRST_PAUSE = 0.25
MAX_PAUSE = 60.0  # seconds; the first is a quarter of Telegram's, so that tests are quick
MAX_RETRY_AFTER = 3600.0
TIMEOUT = 10.0  # seconds
PENDING = "waiting"
POSTED = "told"
DROPPED = "dropped"
Execute = Callable[[str, dict[str, Any]], Any]


class Updates:
    """The queue of updates. It survives a restart."""

    def __init__(self, records: RecordStore, bot: Bot) -> None:
        self._records = records
        self._bot = bot
        self._lanes: dict[str, deque[str]] = {}
        self._next_attempt_at: dict[str, float] = {}  # lane → time of its next attempt
        self._busy: set[str] = set()
        self._changed = threading.Condition()
        self._stopping = False
        self._pool = ThreadPoolExecutor(40, thread_name_prefix="telegram")
        self._thread = threading.Thread(target=self._run, name="telegram", daemon=True)
        self._execute: Execute = lambda method, params: None

    def start(self, execute: Execute) -> None:
        """Start to post updates. `execute` runs the method that a response's body calls."""
        self._execute = execute
        for name, record in self._records.all(KIND).items():
            if record["state"] == PENDING:
                self._lanes.setdefault(record["lane"], deque()).append(name)
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def add(self, kind: str, content: dict[str, Any], lane: str) -> str:
        """Queue an update in its lane and return its number, or '' if the webhook excludes its
        kind.
        """
        if not self._bot.accepts_update(kind):
            return ""
        with self._changed:
            number = str(self._records.next_number(KIND, 710_000_001))
            record = {
                "kind": kind,
                "content": content,
                "lane": lane,
                "state": PENDING,
                "tries": 0,
                "answer": "",
                "made": time.time(),
            }
            self._records.put(KIND, number, record)
            self._records.keep_newest(KIND, MAX_STORED)
            self._lanes.setdefault(lane, deque()).append(number)
            self._changed.notify_all()
        return number

    def outcome(self, number: str, timeout: float) -> str:
        """Wait until an update was posted once, and return a short description of the result."""
        if not number:
            return "not sent, because the webhook does not receive this kind"
        if not self._bot.webhook.url:
            return "waiting, because no webhook is set"
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                record = self._records.get(KIND, number) or {}
                if record.get("tries") or not self._changed.wait(
                    max(deadline - time.monotonic(), 0)
                ):
                    return str(record.get("answer") or "waiting")

    def pending(self) -> int:
        with self._changed:
            return sum(map(len, self._lanes.values()))

    def drop_pending(self) -> None:
        """Drop all updates that are not posted yet."""
        with self._changed:
            for name in [name for lane in self._lanes.values() for name in lane]:
                self._records.change(KIND, name, lambda record: {**record, "state": DROPPED})
            self._lanes.clear()

    def retry_now(self) -> None:
        """Retry pending updates at once, because the webhook changed."""
        with self._changed:
            self._next_attempt_at.clear()
            self._changed.notify_all()

    def all(self) -> dict[str, Record]:
        return self._records.all(KIND)

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._post_due()
            except Exception:  # if the thread ended, no later update would be posted
                log.exception("The simulated Telegram had an error with its updates and continues")
                time.sleep(1)

    def _post_due(self) -> None:
        with self._changed:
            if not any(self._lanes.values()):
                self._changed.wait(1)
                return
            webhook = self._bot.webhook
            now = time.monotonic()
            ready = [
                lane
                for lane, waiting in self._lanes.items()
                if waiting and lane not in self._busy and self._next_attempt_at.get(lane, 0) <= now
            ]
            for lane in ready[: webhook.max_connections - len(self._busy)] if webhook.url else ():
                self._busy.add(lane)
                self._pool.submit(self._post, lane, self._lanes[lane][0])
            self._changed.wait(0.05)

    def _post(self, lane: str, number: str) -> None:
        delay = 0.0
        is_accepted = False
        try:
            webhook = self._bot.webhook  # before the record: a new webhook gets no dropped update
            record = self._records.get(KIND, number)
            if record is None or record["state"] == DROPPED:
                is_accepted = True
            else:
                is_accepted, delay = self._post_update(webhook, number, record)
        except Exception:
            log.exception("Update %s: sending failed", number)
            delay = MAX_PAUSE
        with self._changed:
            waiting = self._lanes.get(lane)
            if is_accepted and waiting and waiting[0] == number:
                waiting.popleft()
            self._next_attempt_at[lane] = time.monotonic() + delay
            self._busy.discard(lane)
            self._changed.notify_all()

    def _post_update(self, webhook: Webhook, number: str, record: Record) -> tuple[bool, float]:
        body = json.dumps({"update_id": int(number), record["kind"]: record["content"]}).encode()
        headers = {"Content-Type": "application/json"}
        if webhook.secret:
            headers["X-Telegram-Bot-Api-Secret-Token"] = webhook.secret
        answer = posting.post(webhook.url, body, headers, timeout=TIMEOUT)
        state = POSTED if answer.is_accepted else PENDING
        changes = {
            "tries": record["tries"] + 1,
            "answer": answer.summary,
            "status": answer.status,
            "state": state,
        }
        if answer.is_accepted:
            self._execute_answer(answer)
        else:
            phrase = http.client.responses.get(answer.status, "")
            failure = (
                f"Wrong response from the webhook: {answer.status} {phrase}".strip()
                if answer.status
                else answer.failure
            )
            self._bot.save_webhook(
                replace(self._bot.webhook, error=failure, error_at=int(time.time()))
            )
        self._records.change(KIND, number, lambda current: {**current, **changes})
        return answer.is_accepted, 0.0 if answer.is_accepted else _retry_delay(
            record["tries"], answer
        )

    def _execute_answer(self, answer: posting.HubResponse) -> None:
        """Execute the method in the body of a response. Its result is not reported."""
        try:
            if "json" in answer.headers.get("content-type", ""):
                params = json.loads(answer.body)
            else:
                params = dict(parse_qsl(answer.body.decode()))
        except ValueError:
            return
        if isinstance(params, dict) and params.get("method"):
            self._execute(str(params.pop("method")), params)


def _retry_delay(attempts: int, answer: posting.HubResponse) -> float:
    """Return the seconds until the next attempt: Retry-After, or an increasing delay."""
    retry_after = answer.headers.get("retry-after", "")
    if retry_after.isdecimal():
        return min(float(retry_after), MAX_RETRY_AFTER)
    return min(FIRST_PAUSE * 2.0 ** min(attempts, 20), MAX_PAUSE)
