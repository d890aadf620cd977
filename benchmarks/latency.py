"""Latency of callbacks at a constant 500 a second, while the hub sends and settles on the same
SQLite file (FULL).

A whole hub (`hub up`) sends a backlog as fast as 64 threads can, with a provider that takes 100 ms.
Meanwhile 500 callbacks a second come in, each about another message that the provider has. They
leave at their times, independently of earlier ones (benchmarks.pacer), and latency counts
from that moment on: waiting for a stalled server is part of it. How long until a callback is
applied is seen from outside: one in ten of the messages is looked up in the database every 5 ms
until it says `delivered`.
"""

from __future__ import annotations

import json
import subprocess
import time
from typing import Any

from benchmarks import posts
from benchmarks.hubs import Hub
from benchmarks.plan import Plan
from benchmarks.provider import Provider
from benchmarks.running import ROOT, Crew, python_command
from benchmarks.sending import LATENCY, THREADS
from benchmarks.table import Row, at_most, figure_row, format_runs, percentile, unmeasured_row

RATE = 500
WATCHED = 10  # one in so many
WARM = 2.0  # seconds of the same load before it counts
IDEAL = THREADS / LATENCY
GOALS = (
    ("p95 at 500 callbacks/s, with sender and settling on the same database", at_most(5, "ms")),
    ("p99 at 500 callbacks/s, with sender and settling on the same database", at_most(10, "ms")),
    ("callback applied to its message, p95 at 500/s", at_most(100, "ms")),
)


def run(plan: Plan) -> list[Row]:
    seconds = plan.seconds * 1.5
    stored = []
    applied = []
    sending = []
    late = []
    with plan.crew("latency") as crew:
        provider = Provider(crew)
        hub = Hub(crew, provider.url)
        each = round(RATE * (seconds + WARM))
        messages = hub.fill("accepted", each * plan.runs)
        hub.fill("queued", round(IDEAL * (plan.runs * (seconds + WARM + 6) + 20)))
        up = hub.start_all()
        provider.wait_until(round(IDEAL / 2), up)
        for number in plan.each_run("latency at 500/s"):
            own_messages = messages[number * each : (number + 1) * each]
            posted, changed, rate = _post_callbacks(crew, hub, provider, own_messages)
            skipped = round(RATE * WARM)
            stored.append(posted["milliseconds"][skipped:])
            applied.append(changed[skipped // WATCHED :])
            sending.append(rate)
            late.append(posted["late"])
        assert hub.count("messages WHERE status = 'queued'"), (
            "the backlog ran out before the end: the fill must be larger"
        )
        crew.stop(up)
    note = (
        f"Meanwhile the hub sent {format_runs(sending)} messages a second. The pacer itself was"
        f" late by {format_runs(late)} ms at p95, which counts."
    )
    figures: tuple[list[float], ...] = (
        [percentile(times, 0.95) for times in stored],
        [percentile(times, 0.99) for times in stored],
        [percentile(times, 0.95) for times in applied],
    )
    return [
        figure_row(what, "", goal, found, note)
        for (what, goal), found in zip(GOALS, figures, strict=True)
    ]


def unmeasured_rows(reason: str) -> list[Row]:
    return [unmeasured_row(what, "", goal, reason) for what, goal in GOALS]


def _post_callbacks(
    crew: Crew, hub: Hub, provider: Provider, messages: list[Any]
) -> tuple[dict[str, Any], list[float], float]:
    """Post a callback about each message; return what that took, when the watched ones were
    applied, and how fast the hub sent.
    """
    file = posts.write_requests(
        crew.folder / "callbacks",
        (posts.build_callback(hub, message_id, sid) for message_id, sid in messages),
    )
    watched = crew.folder / "watched"
    watched.write_text(json.dumps([message_id for message_id, _ in messages[::WATCHED]]))
    start = time.monotonic() + 1.5  # both have started by then
    url = hub.database.url.render_as_string(hide_password=False)
    watcher = _start_process(
        python_command(
            "benchmarks.watcher", url, str(watched), str(start), str(RATE / WATCHED), "delivered"
        )
    )
    pacer = _start_process(
        python_command("benchmarks.pacer", str(hub.port), str(file), str(RATE), str(start))
    )
    try:
        time.sleep(max(0.0, start - time.monotonic()))
        before = provider.counts()
        posted = _read_answer(pacer)
        after = provider.counts()
        changed: list[float] = _read_answer(watcher)
    finally:
        for process in (watcher, pacer):
            process.kill()
            process.wait()
    assert not posted["refused"], f"{posted['refused']} callbacks were refused"
    return posted, changed, (after.answered - before.answered) / (after.at - before.at)


def _start_process(arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _read_answer(process: subprocess.Popen[str]) -> Any:
    said_, problem = process.communicate(timeout=120)
    assert process.returncode == 0, problem[-2000:]
    return json.loads(said_)
