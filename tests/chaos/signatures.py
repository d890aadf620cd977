"""Kill jobs of workers while messages fail, fallbacks follow and people sign.

Every signer has the number of a phone that cannot be reached, so each invitation is followed by one
over the second connection, unless the signer signs before. No call of the provider may begin after
the signature is stored.
"""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import tempfile
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.running import ROOT, Crew, clean_environ, python_command
from tests.chaos import report
from tests.chaos.managed_hub import Hub, kill

NAME = "signatures"
UNREACHABLE = "+15005550011"
QUEUES = ("deliver", "settle", "deliver", "settle", "chores")
KILL_EVERY = 5.0  # seconds, in which the next job of the queue begins
SETTLE_SECONDS = 20.0
CALLS = {"handed_over", "accepted"}  # entries of timelines with the start of a call
WAITING = {"queued", "sending"}


@dataclass
class Signatures:
    """A run: the time of each signature, and what the provider was called for."""

    hub: Hub
    requests: int
    signed_at: dict[str, datetime] = field(default_factory=dict)
    invitations: dict[str, str] = field(default_factory=dict)  # the event of each request

    def run(self) -> tuple[int, list[str]]:
        """Return the number of fallbacks, and the requests with a call after the signature."""
        app = threading.Thread(target=self._post_events, daemon=True)
        app.start()
        queues = itertools.cycle(QUEUES)
        while app.is_alive():
            kill(self.hub.worker_processes(next(queues))[1:])  # the process of a job
            self.hub.run_for(KILL_EVERY)
        self._wait_until_settled()
        return self._compare()

    def _post_events(self) -> None:
        pauses = [random.uniform(2, 20) for _ in range(self.requests)]
        threads = []
        for number, pause in enumerate(pauses):
            thread = threading.Thread(target=self._sign_after, args=(f"agr-s{number}", pause))
            thread.start()
            threads.append(thread)
            time.sleep(0.3)
        for thread in threads:
            thread.join()

    def _sign_after(self, request_id: str, pause: float) -> None:
        request = {"id": request_id, "title": "Lease", "sender": {"name": "Acme HR"}}
        signer = {
            "id": "eric",
            "name": "Eric",
            "mobile_number": UNREACHABLE,
            "signing_url": f"https://sign.example/r/{request_id}",
        }
        invitation = {"type": "request.sent", "request": request, "signers": [signer]}
        self.invitations[request_id] = self._call("/events", invitation)["event"]["id"]
        time.sleep(pause)
        self._call("/events", {"type": "request.signed", "request": request, "signer": "eric"})
        self.signed_at[request_id] = datetime.now(UTC)

    def _wait_until_settled(self) -> None:
        until = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < until:
            self.hub.run_for(1)
            if not WAITING & {*self.hub.messages.statuses().values()}:
                return

    def _compare(self) -> tuple[int, list[str]]:
        fallbacks = 0
        late = []
        for request_id, signed_at in self.signed_at.items():
            asks = [
                self._call(f"/messages/{item['id']}")
                for item in self._call(f"/messages?request={request_id}")["messages"]
            ]
            asks = [ask for ask in asks if ask["event"] == self.invitations[request_id]]
            fallbacks += len(asks) - 1
            if any(started > signed_at for message in asks for started in _starts(message)):
                late.append(request_id)
        return fallbacks, late

    def _call(self, path: str, content: Any = None) -> Any:
        request = urllib.request.Request(
            f"{self.hub.url}/api/v1{path}",
            None if content is None else json.dumps(content).encode(),
            {"Authorization": f"Bearer {self.hub.key}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)


def _starts(message: Any) -> list[datetime]:
    """Return when each call of the provider began for a message."""
    return [
        datetime.fromisoformat(entry["at"])
        for entry in message["timeline"]
        if entry["what"] in CALLS
    ]


def line(requests: int = 20, database_url: str = "") -> report.Line:
    """Return the line of a run. It has held if fallbacks followed, and none after a signature."""
    fallbacks, late = run(requests, database_url)
    reason = f"{requests} signatures, {fallbacks} fallbacks, {len(late)} after the signature"
    return report.Line(NAME, (), bool(fallbacks) and not late, (reason, *late))


def run(requests: int, database_url: str = "") -> tuple[int, list[str]]:
    """Start a hub with a fallback, and return the result of a run."""
    with (
        tempfile.TemporaryDirectory(prefix="hub-chaos-") as folder,
        Crew(Path(folder)) as crew,
    ):
        hub = Hub(crew, database_url=database_url)
        account = hub.account
        subprocess.run(
            python_command(
                "tests.chaos.add_fallback",
                account.account_sid,
                account.auth_token,
                account.phone_number,
            ),
            cwd=ROOT,
            env=clean_environ(hub.environ),
            capture_output=True,
            check=True,
        )
        time.sleep(1.1)  # processes read the routes once a second
        return Signatures(hub, requests).run()
