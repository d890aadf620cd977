"""The services of a hub: Redis, PostgreSQL and the disk."""

from __future__ import annotations

import contextlib
import signal

import psutil

from hub.jobs import RUN_SECONDS
from tests.chaos.fault_context import FaultContext
from tests.chaos.managed_hub import FaultUnavailable, kill

MORE_THAN_A_JOB = RUN_SECONDS + 5.0


def stop_redis(context: FaultContext, seconds: float) -> None:
    """Stop Redis for this time."""
    context.hub.stop("queue")
    context.hub.run_for(seconds)
    context.hub.start("queue")


def keep_redis_stopped(context: FaultContext, seconds: float) -> None:
    """Stop Redis for longer than any job, so that workers end but `hub worker` does not."""
    context.hub.stop("queue")
    context.hub.run_for(max(seconds, MORE_THAN_A_JOB))
    context.hub.start("queue")
    assert not context.hub.ended["worker"], "hub worker ended while Redis was away"


def restart_redis(context: FaultContext, seconds: float) -> None:
    """Kill Redis twice; it is restarted after a second."""
    for _ in range(2):
        kill(context.hub.processes_of("queue"))
        context.hub.run_for(seconds / 2)


def flush_redis(context: FaultContext, seconds: float) -> None:
    """Remove all data of Redis three times: jobs, workers and wake-ups."""
    for _ in range(3):
        context.hub.redis().flushall()
        context.hub.run_for(seconds / 3)


def suspend_redis(context: FaultContext, seconds: float) -> None:
    """Suspend Redis, so that it accepts connections and does not respond."""
    processes = context.hub.processes_of("queue")
    for process in processes:
        process.suspend()
    context.hub.run_for(seconds)
    for process in processes:
        process.resume()


def restart_postgres(context: FaultContext, seconds: float) -> None:
    """Restart PostgreSQL once in order and once after a crash, with a pause each time."""
    assert context.postgres is not None
    for how in (signal.SIGINT, signal.SIGQUIT):
        context.postgres.stop(how)
        context.hub.run_for(seconds / 5)
        context.postgres.start()
        context.hub.run_for(seconds / 4)


def fill_disk(context: FaultContext, seconds: float) -> None:
    """Prevent the files of the hub from growing, as on a full disk and without root.

    This is a file-size limit of the kernel. SQLite reaches it in its write-ahead log, in the
    middle of a write.
    """
    if not hasattr(psutil.Process, "rlimit"):
        raise FaultUnavailable("only Linux lets a limit be set on a process that runs")
    _limit(context, (context.hub.data_dir / "hub.db-wal").stat().st_size)
    until = 10
    for _ in range(
        until
        # processes started meanwhile have the limit of their parent
    ):
        context.hub.run_for(seconds / until)
        _limit(context, (context.hub.data_dir / "hub.db-wal").stat().st_size)
    _limit(context, psutil.RLIM_INFINITY)


def _limit(context: FaultContext, size: int) -> None:
    for name in ("web", "worker", "cron"):
        for process in context.hub.processes_of(name):
            with contextlib.suppress(psutil.Error):
                process.rlimit(psutil.RLIMIT_FSIZE, (size, psutil.RLIM_INFINITY))
