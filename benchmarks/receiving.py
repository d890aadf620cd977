"""Status callbacks stored per second, against a bare Flask application that answers 204.

Both run on the same gunicorn with the hub's own options (2 processes of 12 threads), in turn, and
get the same bytes: form callbacks of Twilio, each signed, each about a separate message, from
four wrks over 8 kept-alive connections each, spread over both processes (looked at in each run).
The hub verifies and stores each durably (SQLite with synchronous=FULL, PostgreSQL with fsync and
synchronous_commit on) before it answers. Afterwards the rows are counted: a figure stands only if
every callback that was answered is there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import load, posts
from benchmarks.hubs import Hub
from benchmarks.load import Load
from benchmarks.plan import Plan
from benchmarks.provider import Provider
from benchmarks.running import Crew, Started, accepts_connections, find_free_port, python_command
from benchmarks.table import Row, at_least, format_runs, ratio_row, unmeasured_row

FASTEST = 6000  # callbacks a second that a file is long enough for
GOAL = at_least(0.30)


def run(plan: Plan, database: str) -> list[Row]:
    """Measure on "SQLite" or "PostgreSQL"."""
    load.find_wrk()
    ours: list[Load] = []
    theirs: list[Load] = []
    with plan.crew(f"receiving-{database.lower()}") as crew:
        provider = Provider(crew)
        with plan.hub_on(database, crew, provider.url) as hub:
            crew.stop(provider.started)  # it was there for the connection's test
            hub.start_queue()
            web = hub.start_web()
            bare, port = start_bare(crew, hub)
            callbacks = partial(_write_callbacks, crew, hub, plan.seconds)
            for _ in plan.each_run(f"receiving, {database}"):
                theirs.append(load.send_load(bare, port, callbacks, plan.seconds))
                ours.append(
                    send_load_to_hub(hub, web, "provider_callbacks", callbacks, plan.seconds)
                )
    note = (
        f"p95 while under full load: {format_runs([one.p95 for one in ours])} ms; bare"
        f" {format_runs([one.p95 for one in theirs])} ms."
    )
    what = (
        f"status callbacks stored per second, {database}{' FULL' if database == 'SQLite' else ''}"
    )
    return [
        ratio_row(
            what,
            "a bare Flask 204 on the same server",
            GOAL,
            [one.rate for one in ours],
            [one.rate for one in theirs],
            "/s",
            note,
        )
    ]


def unmeasured_rows(reason: str, database: str) -> list[Row]:
    what = (
        f"status callbacks stored per second, {database}{' FULL' if database == 'SQLite' else ''}"
    )
    return [unmeasured_row(what, "a bare Flask 204 on the same server", GOAL, reason)]


def start_bare(crew: Crew, hub: Hub) -> tuple[Started, int]:
    """Start the bare application with the hub's options on another port."""
    port = find_free_port()
    started = crew.start(
        "bare", python_command("benchmarks.bare"), hub.environ | {"HUB_BIND": f"127.0.0.1:{port}"}
    )
    crew.wait_for(lambda: accepts_connections(port), "the bare server answering", of=started)
    return started, port


def _write_callbacks(crew: Crew, hub: Hub, seconds: float) -> Path:
    """Write callbacks that are new to the hub."""
    return posts.write_requests(
        crew.folder / "callbacks", posts.build_unknown_callbacks(hub, round(FASTEST * seconds))
    )


def send_load_to_hub(
    hub: Hub, web: Started, table: str, write: Callable[[], Path], seconds: float
) -> Load:
    """Send requests to the hub; each accepted one must have a row in `table`."""
    before = 0

    def fresh() -> Path:
        nonlocal before
        before = hub.count(table)
        return write()

    one = load.send_load(web, hub.port, fresh, seconds)
    stored = hub.count(table) - before
    assert stored >= one.requests, (
        f"{one.requests:.0f} requests were answered with success, and only {stored} {table} are"
        " stored"
    )
    return one
