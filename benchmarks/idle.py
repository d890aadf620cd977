"""From an event's post to the provider's being called, with a hub that has nothing else to do.

A whole hub (`hub up`, SQLite). A signing app posts one event, on a new connection, waits a moment
of random length and posts the next. The time runs from before the app connects until the message's
request has come in at the provider's stand-in. The first event of all, after a silence in which
even a lingering worker has stopped, is measured separately.
"""

from __future__ import annotations

import random
import socket
import time

from benchmarks import posts
from benchmarks.hubs import Hub
from benchmarks.plan import Plan
from benchmarks.provider import Provider
from benchmarks.table import Row, at_most, figure_row, format_runs, percentile, unmeasured_row

EVENTS = 30
SILENCE = 25.0  # longer than a dispatcher waits for more work
GOALS = (
    ("event posted → provider called, hub idle, p50", at_most(40, "ms")),
    ("event posted → provider called, hub idle, p95", at_most(150, "ms")),
)


def run(plan: Plan) -> list[Row]:
    took: list[list[float]] = []
    with plan.crew("idle") as crew:
        provider = Provider(crew, keep=True)
        hub = Hub(crew, provider.url)
        hub.start_all()
        time.sleep(3 if plan.quick else SILENCE)
        first = _post_events(hub, provider, 1)
        for _ in plan.each_run("an idle hub"):
            took.append(_post_events(hub, provider, 8 if plan.quick else EVENTS))
    note = (
        f"The first event, after {SILENCE:.0f} s without any, took {format_runs(first)} ms."
        if not plan.quick
        else ""
    )
    figures = (
        [percentile(times, 0.5) for times in took],
        [percentile(times, 0.95) for times in took],
    )
    return [
        figure_row(what, "", goal, runs, note)
        for (what, goal), runs in zip(GOALS, figures, strict=True)
    ]


def unmeasured_rows(reason: str) -> list[Row]:
    return [unmeasured_row(what, "", goal, reason) for what, goal in GOALS]


def _post_events(hub: Hub, provider: Provider, count: int) -> list[float]:
    """Post events one by one; return the milliseconds until the provider received each."""
    posted = {}
    for _ in range(count):
        number, request = posts.build_event(hub)
        posted[number] = time.monotonic()
        with socket.create_connection(("127.0.0.1", hub.port)) as line:
            line.sendall(request)
            answer = line.recv(4096)
        assert b" 202 " in answer.split(b"\r\n", 1)[0], answer.decode(errors="replace")
        time.sleep(random.uniform(0.2, 0.6))
    deadline = time.monotonic() + 10
    while missing_ones := posted.keys() - provider.calls().keys():
        assert time.monotonic() < deadline, (
            f"{len(missing_ones)} events did not reach the provider within 10 s"
        )
        time.sleep(0.1)
    calls = provider.calls()
    return [(calls[number] - moment) * 1000 for number, moment in posted.items()]
