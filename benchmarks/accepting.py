"""Events that the API accepts per second, against a bare Flask application that answers 204.

Each event is a new signing request with one signer: checked, stored with payload, request, signer,
contact and one rendered message, all sealed, in one transaction on SQLite (FULL), and the worker is
woken. Same server and options for both, same bytes from wrk over 32 connections, in turn. No worker
runs, so that the API alone is measured. Every accepted event must have its message.

The same bytes then go to the API as people would write it first (benchmarks/peers/plain_api.py),
which is reported without a goal.

A second web server of the same hub has a domain for short links, so that each of its messages has
one. It gets the same load right after the first, and is compared with it. The figure is the median
of the ratios of these pairs: 1 means that a short link costs nothing.
"""

from __future__ import annotations

import sqlite3
import statistics
import subprocess
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from benchmarks import load, posts
from benchmarks.hubs import Hub
from benchmarks.load import Load
from benchmarks.peers.plain_api import KEY
from benchmarks.plan import Plan
from benchmarks.provider import Provider
from benchmarks.receiving import send_load_to_hub, start_bare
from benchmarks.running import (
    ROOT,
    Crew,
    Started,
    accepts_connections,
    clean_environ,
    find_free_port,
    python_command,
)
from benchmarks.table import Row, at_least, format_runs, ratio_row, unmeasured_row
from hub.core import data_dir

FASTEST = 3000
WHAT = "API events per second (one signer)"
AGAINST = "a bare Flask 204 on the same server"
PLAIN = "plain Flask-SQLAlchemy, an RQ job per message, nothing encrypted"
SHORT = "API events per second (a short link for each signer)"
LONG = "the same without short links"
GOAL = at_least(0.12)


def run(plan: Plan) -> list[Row]:
    load.find_wrk()
    ours: list[Load] = []
    theirs: list[Load] = []
    plain: list[Load] = []
    short: list[Load] = []
    with plan.crew("accepting") as crew:
        provider = Provider(crew)
        hub = Hub(crew, provider.url)
        if plan.single_steps:
            hub.run_module("benchmarks.single_steps")
        crew.stop(provider.started)
        hub.start_queue()
        web = hub.start_web()
        shortening = hub.start_web_beside(HUB_LINK_URL="https://go.bench.example")
        bare, port = start_bare(crew, hub)
        peer = PlainApi(crew, hub)
        events = partial(_write_events, crew, hub, plan.seconds)
        for _ in plan.each_run("accepting"):
            theirs.append(load.send_load(bare, port, events, plan.seconds))
            ours.append(send_load_to_hub(hub, web, "messages", events, plan.seconds))
            short.append(_send_short(hub, *shortening, events, plan.seconds))
            plain.append(peer.send_load(events, plan.seconds))
    note = f"p95 while under full load: {format_runs([run.p95 for run in ours])} ms."
    plain_note = f"Plain: p95 while under full load: {format_runs([run.p95 for run in plain])} ms."
    rates = [run.rate for run in ours]
    return [
        ratio_row(WHAT, AGAINST, GOAL, rates, [run.rate for run in theirs], "/s", note),
        ratio_row(WHAT, PLAIN, None, rates, [run.rate for run in plain], "/s", plain_note),
        _pairs_row([run.rate for run in short], rates),
    ]


def _pairs_row(short: Sequence[float], long: Sequence[float]) -> Row:
    """Return the row with short links: the median ratio of runs that followed each other."""
    ratios = [with_links / without for with_links, without in zip(short, long, strict=True)]
    measured = f"{format_runs(short)} /s against {format_runs(long)} /s"
    note = f"Each run with short links against the one before it without: {format_runs(ratios)}×."
    return Row(SHORT, LONG, None, statistics.median(ratios), measured, note)


def _send_short(hub: Hub, web: Started, port: int, write: partial[Path], seconds: float) -> Load:
    """Send events to the server with short links; each answered one must have its link."""
    before = hub.count("links")
    run = load.send_load(web, port, write, seconds)
    stored = hub.count("links") - before
    assert stored >= run.requests, (
        f"{run.requests:.0f} were answered, and {stored} links are stored"
    )
    return run


class PlainApi:
    """The API that people would write first, with its own database beside the hub's."""

    def __init__(self, crew: Crew, hub: Hub) -> None:
        self.database = crew.folder / "plain.db"
        self.port = find_free_port()
        environ = {
            **hub.environ,
            "HUB_BIND": f"127.0.0.1:{self.port}",
            "BENCH_DATABASE": str(self.database),
            "BENCH_QUEUE": str(data_dir.socket_path(hub.data_dir)),
            KEY: hub.api_key,
        }
        command = python_command("benchmarks.peers.plain_api")
        subprocess.run([*command, "prepare"], cwd=ROOT, env=clean_environ(environ), check=True)
        self.started: Started = crew.start("plain", command, environ)
        crew.wait_for(
            lambda: accepts_connections(self.port), "the plain API answering", of=self.started
        )

    def send_load(self, write: partial[Path], seconds: float) -> Load:
        """Send it events; each answered one must have its message."""
        before = self._count_messages()
        run = load.send_load(self.started, self.port, write, seconds)
        stored = self._count_messages() - before
        assert stored >= run.requests, f"{run.requests:.0f} were answered, and {stored} are stored"
        return run

    def _count_messages(self) -> int:
        with closing(sqlite3.connect(self.database)) as connection:
            return int(connection.execute("SELECT count(*) FROM messages").fetchone()[0])


def _write_events(crew: Crew, hub: Hub, seconds: float) -> Path:
    return posts.write_requests(
        crew.folder / "events", (posts.build_event(hub)[1] for _ in range(round(FASTEST * seconds)))
    )


def unmeasured_rows(reason: str) -> list[Row]:
    return [
        unmeasured_row(WHAT, AGAINST, GOAL, reason),
        unmeasured_row(WHAT, PLAIN, None, reason),
        unmeasured_row(SHORT, LONG, None, reason),
    ]
