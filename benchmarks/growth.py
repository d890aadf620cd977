"""Sending, settling and the pages with a million messages in the database, against ten thousand.

Two hubs on SQLite (FULL), one with 10,000 delivered messages and one with 1,000,000: requests,
signers, events, contacts, attempts, status events and callbacks in proportion (benchmarks.filling).
Measured in turn. Sending: messages per second with a provider that answers after 5 ms, so that the
engine is the bottleneck and not its threads. Settling: callbacks about messages that are on their
way are taken in while no worker runs, then `hub worker settle` is started and timed from the first
that it settles to the last. Pages: the median of GETs, signed in, one by one, of both hubs in turn.
The history has names and an index for the search, with 200,000 people beside the million messages.
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
from urllib.parse import urlencode, urlsplit

from benchmarks import posts
from benchmarks.filled_names import person_name
from benchmarks.hubs import EMAIL, PASSWORD, Hub
from benchmarks.plan import Plan
from benchmarks.provider import Provider
from benchmarks.running import ROOT, Crew, python_command
from benchmarks.sending import check_counts, measure_sending
from benchmarks.table import Row, at_most, format_runs, unmeasured_row

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
# one person in both hubs: otherwise a page with results is compared with an empty one
FOUND = 711
SEARCHES = {
    "a search for a name": person_name(FOUND),
    "a search for a word of every title": "agreement",
    "a search for the end of a number": f"{FOUND:06}",
    "the list of people": "",
}
NAMES = ("sending", "settling", *PAGES, *SEARCHES)
WHAT = "{} at {:,} messages"
AGAINST = f"the same at {SMALL:,}"


@dataclass
class Grown:
    """A hub with a history, and its measurements: seconds for each piece of work, by name."""

    hub: Hub
    provider: Provider
    shown: list[str]  # messages whose pages are opened
    filled: int  # attempts that were inserted directly, not made
    durations: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def run(plan: Plan) -> list[Row]:
    with plan.crew("growth") as crew:
        sizes = (SMALL, LARGE if not plan.quick else 10 * SMALL)
        grown = [_grow(plan, crew, size) for size in sizes]
        for _ in plan.each_run("growth"):
            for grown_hub in grown:
                _measure_sending(crew, grown_hub, min(plan.seconds, 4))
            for grown_hub in grown:
                _measure_settling(crew, grown_hub, CALLBACKS if not plan.quick else 1000)
            _measure_pages(grown)
        for grown_hub in grown:
            check_counts(grown_hub.hub, grown_hub.provider, others=-grown_hub.filled)
    small, large = (grown_hub.durations for grown_hub in grown)
    return [
        Row(
            WHAT.format(name, sizes[1]),
            AGAINST,
            GOAL,
            statistics.median(map(truediv, large[name], small[name])),
            f"{format_runs([t * 1000 for t in large[name]])} ms against"
            f" {format_runs([t * 1000 for t in small[name]])} ms",
        )
        for name in NAMES
    ]


def unmeasured_rows(reason: str) -> list[Row]:
    return [unmeasured_row(WHAT.format(name, LARGE), AGAINST, GOAL, reason) for name in NAMES]


def _grow(plan: Plan, crew: Crew, size: int) -> Grown:
    plan.say(f"  filling a hub with {size:,} messages")
    provider = Provider(crew, 5)
    hub = Hub(crew, provider.url, name=f"hub-{size}")
    message_ids = hub.fill("history", size)
    hub.start_queue()
    hub.start_web()  # costs nothing without requests
    return Grown(hub, provider, message_ids, size)


def _measure_sending(crew: Crew, grown: Grown, seconds: float) -> None:
    grown.hub.fill(
        "queued", max(1, round(FASTEST_SENDER * (seconds + 1)) - _count_queued(grown.hub))
    )
    worker = grown.hub.start_worker("deliver")
    cron = grown.hub.start_cron()
    sent = measure_sending(crew, grown.provider, [worker], seconds, 64, warm=8)
    remaining = _count_queued(grown.hub)
    crew.stop(worker)
    crew.stop(cron)
    assert remaining, "the messages ran out before the end of the run: the fill must be larger"
    grown.durations["sending"].append(1 / sent.rate)


def _count_queued(hub: Hub) -> int:
    return hub.count("messages WHERE status = 'queued'")


def _measure_settling(crew: Crew, grown: Grown, count: int) -> None:
    hub = grown.hub
    messages = hub.fill("accepted", count)
    grown.filled += count
    file = posts.write_requests(
        crew.folder / "callbacks",
        (posts.build_callback(hub, message_id, sid) for message_id, sid in messages),
    )
    subprocess.run(
        python_command(
            "benchmarks.pacer", str(hub.port), str(file), "1000", str(time.monotonic() + 1)
        ),
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    waiting = _count_waiting(hub)
    assert waiting == count, f"{count} callbacks were posted and {waiting} wait"
    worker = hub.start_worker("settle")
    crew.wait_for(
        lambda: _count_waiting(hub) < count, "the first callback being settled", of=worker
    )
    began = time.monotonic()
    remaining = _count_waiting(hub)
    crew.wait_for(lambda: not _count_waiting(hub), "all callbacks being settled", of=worker)
    grown.durations["settling"].append((time.monotonic() - began) / remaining)
    crew.stop(worker)


def _count_waiting(hub: Hub) -> int:
    return hub.count("provider_callbacks WHERE due_at IS NOT NULL")


# ── Pages ─────────────────────────────────────────────────────────────────────────────────────────
def _measure_pages(grown: list[Grown]) -> None:
    """Time the pages of all hubs in turn, so that other work on the machine affects all of them."""
    readers = [Reader(grown_hub.hub) for grown_hub in grown]
    for name in (*PAGES, *SEARCHES):
        paths = [
            _paths(name, grown_hub, reader)
            for grown_hub, reader in zip(grown, readers, strict=True)
        ]
        took: list[list[float]] = [[] for _ in grown]
        for turn in range(-WARM, GETS):
            for reader, own, times in zip(readers, paths, took, strict=True):
                began = time.perf_counter()
                reader.get(own[turn % len(own)])
                times.append(time.perf_counter() - began)
        for grown_hub, times in zip(grown, took, strict=True):
            grown_hub.durations[name].append(statistics.median(times[WARM:]))


def _paths(name: str, grown: Grown, reader: Reader) -> list[str]:
    if name in SEARCHES:
        return [reader.search(SEARCHES[name]) if SEARCHES[name] else "/people"]
    if name == "the page of one message":
        return [f"/messages/{message_id}" for message_id in grown.shown[-GETS:]]
    return [PAGES[name].format(back=grown.shown[0])]


class Reader:
    """A browser with a signed-in user."""

    def __init__(self, hub: Hub) -> None:
        self.line = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=60)
        self.cookies: SimpleCookie = SimpleCookie()
        self._url = hub.url
        self._post("/sign-in", email=EMAIL, password=PASSWORD)

    def search(self, query: str) -> str:
        """Return the path of the results of a search."""
        self._post("/search", q=query)
        return urlsplit(self.location)._replace(scheme="", netloc="").geturl()

    def _post(self, path: str, **fields: str) -> None:
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.get(path))
        assert token, f"{path} has no form"
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Referer": f"{self._url}{path}",
        }
        form = urlencode({"csrf_token": token[1], **fields})
        status, _ = self._ask("POST", path, form, headers)
        assert status == 303, f"{path} was answered with {status}"

    def get(self, path: str) -> str:
        return self.download(path).decode()

    def download(self, path: str) -> bytes:
        status, content = self._ask("GET", path)
        assert status == 200, f"{path} was answered with {status}"
        return content

    def _ask(
        self, method: str, path: str, body: str = "", headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in self.cookies.items())
        self.line.request(
            method, path, body, {**(headers or {}), **({"Cookie": cookie} if cookie else {})}
        )
        answer = self.line.getresponse()
        self.location = answer.headers.get("Location", "")
        for value in answer.headers.get_all("Set-Cookie", []):
            self.cookies.load(value)
        return answer.status, answer.read()
