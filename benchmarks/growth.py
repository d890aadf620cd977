"""Sending, settling and the pages with a million messages in the database, against ten thousand.

Two hubs on SQLite (FULL), one with 10,000 delivered messages and one with 1,000,000: requests,
signers, events, contacts, attempts, status events and callbacks in proportion (benchmarks.filling).
Measured in turn. Sending: messages per second with a provider that answers after 5 ms, so that the
engine is the bottleneck and not its threads. Settling: callbacks about messages that are on their
way are taken in while no worker runs, then `hub worker settle` is started and timed from the first
that it settles to the last. Pages: the median of GETs, signed in, one by one, of both hubs in turn.
The figure is the median of the runs' ratios; above 1 is slower with the million.
"""

from __future__ import annotations

import http.client
import re
import statistics
import subprocess
import time
from collections import defaultdict
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from operator import truediv
from urllib.parse import urlencode

from benchmarks import posts
from benchmarks.hubs import EMAIL, PASSWORD, Hub
from benchmarks.plan import Plan
from benchmarks.provider import Provider
from benchmarks.running import ROOT, Crew, python
from benchmarks.sending import measure, prove
from benchmarks.table import Row, at_most, missing, said

SMALL = 10_000
LARGE = 1_000_000
GETS = 40
WARM = 3
CALLBACKS = 5000
FASTEST_SENDER = 4000.0
GOAL = at_most(1.3)
PAGES = {
    "the list of messages": "/messages",
    "the list far back": "/messages?before={back}",
    "a list that nothing meets": "/messages?show=lost",
    "a search": "/messages?q=30003",
    "the page of one message": "",
}
NAMES = ("sending", "settling", *PAGES)
WHAT = "{} at {:,} messages"
AGAINST = f"the same at {SMALL:,}"


@dataclass
class Grown:
    """A hub with a history, and its measurements: seconds for each piece of work, by name."""

    hub: Hub
    provider: Provider
    shown: list[str]  # messages to look at
    filled: int  # attempts that were written straight, not made
    durations: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def run(plan: Plan) -> list[Row]:
    with plan.crew("growth") as crew:
        sizes = (SMALL, LARGE if not plan.quick else 10 * SMALL)
        grown = [_grow(plan, crew, size) for size in sizes]
        for _ in plan.each_run("growth"):
            for one in grown:
                _sending(crew, one, min(plan.seconds, 4))
            for one in grown:
                _settling(crew, one, CALLBACKS if not plan.quick else 1000)
            _pages(grown)
        for one in grown:
            prove(one.hub, one.provider, others=-one.filled)
    small, large = (one.durations for one in grown)
    return [
        Row(
            WHAT.format(name, sizes[1]),
            AGAINST,
            GOAL,
            statistics.median(map(truediv, large[name], small[name])),
            f"{said([t * 1000 for t in large[name]])} ms against"
            f" {said([t * 1000 for t in small[name]])} ms",
        )
        for name in NAMES
    ]


def unmeasured(why: str) -> list[Row]:
    return [missing(WHAT.format(name, LARGE), AGAINST, GOAL, why) for name in NAMES]


def _grow(plan: Plan, crew: Crew, size: int) -> Grown:
    plan.say(f"  filling a hub with {size:,} messages")
    provider = Provider(crew, 5)
    hub = Hub(crew, provider.url, name=f"hub-{size}")
    shown = hub.fill("history", size)
    hub.queue()
    hub.web()  # costs nothing while nobody asks
    return Grown(hub, provider, shown, size)


def _sending(crew: Crew, one: Grown, seconds: float) -> None:
    one.hub.fill("queued", max(1, round(FASTEST_SENDER * (seconds + 1)) - _queued(one.hub)))
    worker = one.hub.worker("deliver")
    cron = one.hub.cron()
    sent = measure(crew, one.provider, [worker], seconds, 64, warm=8)
    left = _queued(one.hub)
    crew.stop(worker)
    crew.stop(cron)
    assert left, "the messages ran out before the end of the run: the fill must be larger"
    one.durations["sending"].append(1 / sent.rate)


def _queued(hub: Hub) -> int:
    return hub.count("messages WHERE status = 'queued'")


def _settling(crew: Crew, one: Grown, count: int) -> None:
    hub = one.hub
    known = hub.fill("accepted", count)
    one.filled += count
    file = posts.write(
        crew.folder / "callbacks",
        (posts.callback(hub, message_id, sid) for message_id, sid in known),
    )
    subprocess.run(
        python("benchmarks.pacer", str(hub.port), str(file), "1000", str(time.monotonic() + 1)),
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    waiting = _waiting(hub)
    assert waiting == count, f"{count} callbacks were posted and {waiting} wait"
    worker = hub.worker("settle")
    crew.wait_for(lambda: _waiting(hub) < count, "the first callback being settled", of=worker)
    began = time.monotonic()
    left = _waiting(hub)
    crew.wait_for(lambda: not _waiting(hub), "all callbacks being settled", of=worker)
    one.durations["settling"].append((time.monotonic() - began) / left)
    crew.stop(worker)


def _waiting(hub: Hub) -> int:
    return hub.count("provider_callbacks WHERE due_at IS NOT NULL")


# ── Pages ─────────────────────────────────────────────────────────────────────────────────────────
def _pages(grown: list[Grown]) -> None:
    """Time the pages of all hubs in turn, so that other work on the machine affects all of them."""
    readers = [Reader(one.hub) for one in grown]
    for name in PAGES:
        paths = [_paths(name, one) for one in grown]
        took: list[list[float]] = [[] for _ in grown]
        for turn in range(-WARM, GETS):
            for reader, own, times in zip(readers, paths, took, strict=True):
                began = time.perf_counter()
                reader.get(own[turn % len(own)])
                times.append(time.perf_counter() - began)
        for one, times in zip(grown, took, strict=True):
            one.durations[name].append(statistics.median(times[WARM:]))


def _paths(name: str, one: Grown) -> list[str]:
    if name == "the page of one message":
        return [f"/messages/{message_id}" for message_id in one.shown[-GETS:]]
    return [PAGES[name].format(back=one.shown[0])]


class Reader:
    """A browser with a signed-in user."""

    def __init__(self, hub: Hub) -> None:
        self.line = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=60)
        self.cookies: SimpleCookie = SimpleCookie()
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.get("/sign-in"))
        assert token, "the sign-in page has no form"
        form = urlencode({"csrf_token": token[1], "email": EMAIL, "password": PASSWORD})
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Referer": f"{hub.url}/sign-in",
        }
        status, _ = self._ask("POST", "/sign-in", form, headers)
        assert status == 303, f"signing in was answered with {status}"

    def get(self, path: str) -> str:
        status, text = self._ask("GET", path)
        assert status == 200, f"{path} was answered with {status}"
        return text

    def _ask(
        self, method: str, path: str, body: str = "", headers: dict[str, str] | None = None
    ) -> tuple[int, str]:
        cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in self.cookies.items())
        self.line.request(
            method, path, body, {**(headers or {}), **({"Cookie": cookie} if cookie else {})}
        )
        answer = self.line.getresponse()
        for value in answer.headers.get_all("Set-Cookie", []):
            self.cookies.load(value)
        return answer.status, answer.read().decode()
