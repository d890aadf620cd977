"""Processes that are killed three times, each time with messages in progress."""

from __future__ import annotations

import psutil

from tests.chaos.fault_context import FaultContext
from tests.chaos.managed_hub import kill

ROUNDS = 3


def kill_workers_and_children(context: FaultContext, seconds: float) -> None:
    """Kill the workers that send and process callbacks, with their children."""
    for _ in range(ROUNDS):
        for queue in ("deliver", "settle"):
            kill(_wait_for_job(context, queue))
        context.hub.run_for(seconds / ROUNDS)


def kill_children(context: FaultContext, seconds: float) -> None:
    """Kill the children of the workers; the workers keep running."""
    for _ in range(ROUNDS):
        for queue in ("deliver", "settle"):
            kill(_wait_for_job(context, queue)[1:])
        context.hub.run_for(seconds / ROUNDS)


def kill_workers(context: FaultContext, seconds: float) -> None:
    """Kill the workers; their children keep running without a parent."""
    for _ in range(ROUNDS):
        for queue in ("deliver", "settle"):
            kill(_wait_for_job(context, queue)[:1])
        context.hub.run_for(seconds / ROUNDS)


def kill_supervisor(context: FaultContext, seconds: float) -> None:
    """Kill `hub worker` itself, under which all workers run."""
    for _ in range(ROUNDS):
        kill(context.hub.processes_of("worker")[:1])
        context.hub.run_for(seconds / ROUNDS)


def kill_cron(context: FaultContext, seconds: float) -> None:
    """Kill cron, and remove the queued wake-ups that only cron can restore."""
    for _ in range(ROUNDS):
        kill(context.hub.processes_of("cron"))
        context.hub.drop_wakeups()
        context.hub.run_for(seconds / ROUNDS)


def kill_web_server(context: FaultContext, seconds: float) -> None:
    """Kill one process of the web server, then its master, then all processes."""
    for victims in (slice(1, 2), slice(0, 1), slice(None)):
        kill(context.hub.processes_of("web")[victims])
        context.hub.run_for(seconds / ROUNDS)


def _wait_for_job(context: FaultContext, queue: str) -> list[psutil.Process]:
    """Wait until the worker of a queue has a child with a job, and return both."""
    context.hub.wait(
        lambda: len(context.hub.worker_processes(queue)) > 1,
        f"the worker of {queue} having a job",
        of="worker",
    )
    return context.hub.worker_processes(queue)
