"""The hub's 64 in flight beside what people would use instead, each as its documentation recommends
(benchmarks/peers).

The same provider's stand-in, the same queue server, the same messages, in turn within each run. The
peers do no database work, keep no record, and may be given the pool that suits them; the hub
claims, records and would take callbacks. RQ's pool and Celery's prefork have 20 processes where the
hub has 64 threads: that is what their documentation calls for, and what memory allows. Apprise
sends from a plain process, with its throttle off. Each is counted at the provider while it is warm.

At 64, the hub and Celery's threads both reach the ideal, so both are measured at 256 in flight too,
each with two processes.
"""

from __future__ import annotations

import subprocess
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from benchmarks.hubs import Hub
from benchmarks.plan import Plan
from benchmarks.provider import Provider
from benchmarks.running import ROOT, Crew, clean_environ, python_command, script_path
from benchmarks.sending import (
    LATENCY,
    THREADS,
    Sent,
    check_counts,
    measure_new_workers,
    measure_sending,
)
from benchmarks.table import Goal, Row, at_least, at_most, format_runs, ratio_row, unmeasured_row
from hub.core import data_dir

HUB = "messages per second at 64 in flight"
HUB_256 = "messages per second at 256 in flight, two processes"
CPU = "processor time per message in the worker, callbacks off"
CPU_AGAINST = "Celery, 64 threads"
CPU_GOAL = at_most(1.0)


@dataclass(frozen=True)
class Peer:
    """Another program that sends: its queue, its processes, its rate, and the hub's goal."""

    name: str
    goal: Goal
    fill: str  # the module that enqueues; "" when there is no queue
    command: Callable[[str], list[str]]
    at_once: int
    fastest: float
    warm: int = 3  # rounds that do not count
    seconds: float = 0  # at least: what sends a few messages a second needs longer to be counted
    processes: int = 1  # that the command is started in


def _rq_command(arguments: list[str], socket: str) -> list[str]:
    return [
        script_path("rq"),
        arguments[0],
        "--url",
        f"unix://{socket}",
        "--path",
        str(ROOT),
        *arguments[1:],
        "bench",
    ]


def _celery_command(pool: str, size: int, _: str) -> list[str]:
    return python_command(
        "celery",
        "-A",
        "benchmarks.peers.celery_app",
        "worker",
        "--pool",
        pool,
        "--concurrency",
        str(size),
        "--loglevel",
        "WARNING",
        "--without-gossip",
        "--without-mingle",
    )


PEERS = (
    Peer(
        "RQ, a job per message, forking worker",
        at_least(100),
        "benchmarks.peers.rq_naive",
        partial(_rq_command, ["worker", "--logging_level", "WARNING"]),
        1,
        12,
        seconds=8,
    ),
    Peer(
        "RQ, a pool of 20",
        at_least(30),
        "benchmarks.peers.rq_naive",
        partial(_rq_command, ["worker-pool", "-n", "20", "--logging-level", "WARNING"]),
        20,
        60,
        warm=1,
        seconds=8,
    ),
    Peer(
        "Celery, prefork 20",
        at_least(3),
        "benchmarks.peers.celery_app",
        partial(_celery_command, "prefork", 20),
        20,
        20 / LATENCY,
    ),
    Peer(
        CPU_AGAINST,
        at_least(1.1),
        "benchmarks.peers.celery_app",
        partial(_celery_command, "threads", THREADS),
        THREADS,
        THREADS / LATENCY,
    ),
    Peer(
        "Apprise, unthrottled",
        at_least(10),
        "",
        lambda _: python_command("benchmarks.peers.apprise_peer"),
        6,
        64 / LATENCY,
    ),
)


CELERY_256 = Peer(
    "Celery, 2 × 128 threads",
    at_least(1.1),
    "benchmarks.peers.celery_app",
    partial(_celery_command, "threads", 128),
    256,
    256 / LATENCY,
    processes=2,
)


def run_256(plan: Plan) -> list[Row]:
    """Measure two workers with 256 in flight beside two workers of Celery."""
    ours: list[Sent] = []
    theirs: list[Sent] = []
    with plan.crew("beside-256") as crew:
        provider = Provider(crew)
        hub = Hub(crew, provider.url, connections=2)
        hub.start_queue()
        sent_by_celery = 0
        for _ in plan.each_run("beside Celery, 256 in flight"):
            ours.append(
                measure_new_workers(crew, hub, provider, plan.seconds, 2, CELERY_256.fastest)
            )
            before = provider.counts().received
            theirs.append(_measure_peer(crew, provider, hub, CELERY_256, plan.seconds))
            sent_by_celery += provider.counts().received - before
        check_counts(hub, provider, others=sent_by_celery)
    return [_compare(HUB_256, CELERY_256, ours, theirs)]


def unmeasured_rows_256(reason: str) -> list[Row]:
    return [unmeasured_row(HUB_256, CELERY_256.name, CELERY_256.goal, reason)]


def run(plan: Plan) -> list[Row]:
    ours: list[Sent] = []
    theirs: dict[str, list[Sent]] = defaultdict(list)
    broken: dict[str, str] = {}
    with plan.crew("beside") as crew:
        provider = Provider(crew)
        hub = Hub(crew, provider.url)
        hub.start_queue()
        sent_by_peers = 0
        for number in plan.each_run("beside the peers"):
            ours.append(
                measure_new_workers(crew, hub, provider, plan.seconds, 1, THREADS / LATENCY)
            )
            before = provider.counts().received
            for peer in PEERS:
                plan.say(f"    {peer.name}")
                try:
                    theirs[peer.name].append(
                        _measure_peer(crew, provider, hub, peer, max(plan.seconds, peer.seconds))
                    )
                except AssertionError as problem:
                    broken[peer.name] = (
                        f"in run {number + 1} {str(problem).splitlines()[0].rstrip(':')}"
                    )
                    plan.say(f"    {problem}")
            sent_by_peers += provider.counts().received - before
        check_counts(hub, provider, others=sent_by_peers)
    return _build_rows(ours, theirs, broken)


def _build_rows(
    ours: list[Sent], theirs: dict[str, list[Sent]], broken: dict[str, str]
) -> list[Row]:
    rows = []
    for peer in PEERS:
        runs = theirs.get(peer.name)
        if not runs:
            rows.append(unmeasured_row(HUB, peer.name, peer.goal, broken[peer.name]))
            continue
        rows.append(_compare(HUB, peer, ours, runs))
    threads = theirs.get(CPU_AGAINST)
    if threads:
        rows.append(
            ratio_row(
                CPU,
                CPU_AGAINST,
                CPU_GOAL,
                [sent.cpu for sent in ours],
                [sent.cpu for sent in threads],
                "ms",
            )
        )
    else:
        rows.append(unmeasured_row(CPU, CPU_AGAINST, CPU_GOAL, broken[CPU_AGAINST]))
    return rows


def _compare(what: str, peer: Peer, ours: list[Sent], theirs: list[Sent]) -> Row:
    used = format_runs([run.cpu for run in theirs])
    memory = format_runs([run.memory for run in theirs])
    note = (
        f"{peer.name}: {used} ms of processor per message, {memory} MB (PSS) in all its processes."
    )
    rates = [run.rate for run in ours]
    return ratio_row(what, peer.name, peer.goal, rates, [run.rate for run in theirs], "/s", note)


def unmeasured_rows(reason: str) -> list[Row]:
    return [
        *(unmeasured_row(HUB, peer.name, peer.goal, reason) for peer in PEERS),
        unmeasured_row(CPU, CPU_AGAINST, CPU_GOAL, reason),
    ]


def _measure_peer(crew: Crew, provider: Provider, hub: Hub, peer: Peer, seconds: float) -> Sent:
    socket = str(data_dir.socket_path(hub.data_dir))
    environ = {"BENCH_PROVIDER": provider.url, "BENCH_QUEUE": socket}
    if peer.fill:
        count = round(peer.fastest * (seconds + 6))
        process = subprocess.run(
            python_command(peer.fill, str(count)),
            cwd=ROOT,
            env=clean_environ(environ),
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.returncode == 0, process.stderr[-2000:]
    name = peer.name.split(",")[0].lower()
    senders = [crew.start(name, peer.command(socket), environ) for _ in range(peer.processes)]
    try:
        return measure_sending(crew, provider, senders, seconds, peer.at_once, peer.warm)
    finally:
        for sender in senders:
            crew.stop(sender)
