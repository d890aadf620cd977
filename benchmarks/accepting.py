"""Events that the API accepts per second, against a bare Flask application that answers 204.

Each event is a new signing request with one signer: checked, stored with payload, request, signer,
contact and one rendered message, all sealed, in one transaction on SQLite (FULL), and the worker is
woken. Same server and options for both, same bytes from wrk over 32 connections, in turn. No worker
runs, so that the API alone is measured. Every accepted event must have its message.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks import load, posts
from benchmarks.hubs import Hub
from benchmarks.plan import Plan
from benchmarks.provider import Provider
from benchmarks.receiving import send_load_to_hub, start_bare
from benchmarks.running import Crew
from benchmarks.table import Row, at_least, format_runs, ratio_row, unmeasured_row

FASTEST = 3000
WHAT = "API events per second (one signer)"
AGAINST = "a bare Flask 204 on the same server"
GOAL = at_least(0.12)


def run(plan: Plan) -> list[Row]:
    load.find_wrk()
    ours = []
    theirs = []
    with plan.crew("accepting") as crew:
        provider = Provider(crew)
        hub = Hub(crew, provider.url)
        crew.stop(provider.started)
        hub.start_queue()
        web = hub.start_web()
        bare, port = start_bare(crew, hub)
        events = partial(_write_events, crew, hub, plan.seconds)
        for _ in plan.each_run("accepting"):
            theirs.append(load.send_load(bare, port, events, plan.seconds))
            ours.append(send_load_to_hub(hub, web, "messages", events, plan.seconds))
    note = f"p95 while under full load: {format_runs([one.p95 for one in ours])} ms."
    return [
        ratio_row(
            WHAT,
            AGAINST,
            GOAL,
            [one.rate for one in ours],
            [one.rate for one in theirs],
            "/s",
            note,
        )
    ]


def _write_events(crew: Crew, hub: Hub, seconds: float) -> Path:
    return posts.write_requests(
        crew.folder / "events", (posts.build_event(hub)[1] for _ in range(round(FASTEST * seconds)))
    )


def unmeasured_rows(reason: str) -> list[Row]:
    return [unmeasured_row(WHAT, AGAINST, GOAL, reason)]
