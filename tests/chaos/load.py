"""A signing app that posts at a steady rate, and retries with the same Idempotency-Key.

Two thirds of its messages come from events with three signers in one transaction each. The rest are
direct messages, which only the key protects from being sent twice. Every text contains a unique
token in a link.
"""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TOKEN = re.compile(r"https://sign\.example/c/(\d+-\d+)")
SIGNERS = 3
DIRECT = 4  # one post in so many is a direct message
MESSAGES_PER_POST = (SIGNERS * (DIRECT - 1) + 1) / DIRECT
PHONES = 400  # so that everybody gets several texts, which a lookup at the provider must keep apart
THREADS = 6
RESPONSE_SECONDS = 10.0
PAUSE = 0.5  # after a connection that broke
RETRY_SECONDS = 90.0


@dataclass(frozen=True)
class Post:
    """One request to the API, with the messages it should create as token → number."""

    path: str
    key: str
    body: bytes
    expected: Mapping[str, str]


def post(n: int) -> Post:
    """Return the n-th request."""
    tokens = {
        f"{n}-{i}": _number(n * SIGNERS + i) for i in range(1 if n % DIRECT == 0 else SIGNERS)
    }
    if len(tokens) == 1:
        [(token, number)] = tokens.items()
        return _build(
            "/api/v1/messages",
            n,
            {"channel": "sms", "to": number, "text": f"Your code is here: {_link(token)}"},
            tokens,
        )
    signers = [
        {"id": f"s{i}", "name": f"Signer {i}", "mobile_number": number, "signing_url": _link(token)}
        for i, (token, number) in enumerate(tokens.items())
    ]
    request = {"id": f"agr-{n}", "title": f"Agreement {n}", "sender": {"name": "Acme HR"}}
    return _build(
        "/api/v1/events",
        n,
        {"type": "request.sent", "request": request, "signers": signers},
        tokens,
    )


def _build(path: str, n: int, content: Any, tokens: Mapping[str, str]) -> Post:
    return Post(path, f"chaos-{n}", json.dumps(content).encode(), tokens)


def _number(k: int) -> str:
    return f"+1317555{k % PHONES:04}"


def _link(token: str) -> str:
    return f"https://sign.example/c/{token}"


class Load:
    """The signing app.

    `rate` is in messages a second, for `seconds`. The load catches up after a delay.
    """

    def __init__(self, address: str, key: str, rate: float, seconds: float) -> None:
        self.address = address
        self.key = key
        self.accepted: dict[str, str] = {}  # token → message id
        self.answers: Counter[str] = Counter()
        self.repeated = 0
        self.slowest = 0.0  # seconds until an answer
        self._pause = MESSAGES_PER_POST / rate
        self._posts = round(seconds * rate / MESSAGES_PER_POST)
        self._next = 0
        self._began = 0.0
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(THREADS)]

    def start(self) -> None:
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()

    @property
    def running(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        line = http.client.HTTPConnection(self.address, timeout=RESPONSE_SECONDS)
        while (n := self._next_number()) is not None:
            time.sleep(max(0.0, self._began + n * self._pause - time.monotonic()))
            self._post(line, post(n))
        line.close()

    def _next_number(self) -> int | None:
        with self._lock:
            self._next += 1
            return self._next - 1 if self._next <= self._posts else None

    def _post(self, line: http.client.HTTPConnection, post: Post) -> None:
        """Post until the request is accepted."""
        until = time.monotonic() + RETRY_SECONDS
        while (wait := self._attempt(line, post)) is not None:
            if time.monotonic() > until:
                self._count("given up")
                return
            time.sleep(wait)
            with self._lock:
                self.repeated += 1

    def _attempt(self, line: http.client.HTTPConnection, post: Post) -> float | None:
        """Post once; return the seconds until the next attempt, or None if it was accepted."""
        headers = {
            "Authorization": f"Bearer {self.key}",
            "Content-Type": "application/json",
            "Idempotency-Key": post.key,
        }
        began = time.monotonic()
        try:
            line.request("POST", post.path, post.body, headers)
            answer = line.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as problem:
            line.close()
            self._count("no answer" if isinstance(problem, TimeoutError) else "broken")
            return PAUSE
        self.slowest = max(self.slowest, time.monotonic() - began)
        retry_after = answer.headers.get("Retry-After")
        if answer.status == 202:
            self._count(self._record_accepted(post, json.loads(content)))
            return None
        if answer.status == 503 and retry_after:
            self._count("503")
            return float(retry_after)
        # the request whose connection broke is not through
        if answer.status == 409 and b"still_running" in content:
            self._count("409")
            return PAUSE
        self._count(f"{answer.status} {content[:200].decode(errors='replace')}")
        return PAUSE

    def _record_accepted(self, post: Post, answer: Any) -> str:
        """Record the accepted messages, and report a response with unexpected ones as an error."""
        by_number = {message["to"]: message["id"] for message in answer.get("messages", [answer])}
        if set(by_number) != set(post.expected.values()):
            return f"202 with {len(by_number)} of {len(post.expected)} messages"
        with self._lock:
            self.accepted |= {token: by_number[number] for token, number in post.expected.items()}
        return "202"

    def _count(self, answer: str) -> None:
        with self._lock:
            self.answers[answer] += 1
