"""Services that a hub runs on: Redis, PostgreSQL, the disk."""

from __future__ import annotations

import contextlib
import signal

import psutil

from hub.jobs import RUN_SECONDS
from tests.chaos.hubs import CannotRun, kill
from tests.chaos.setting import Setting

LONGER_THAN_A_JOB = RUN_SECONDS + 5.0


def redis_stopped(setting: Setting, seconds: float) -> None:
    """Stop Redis for the time given."""
    setting.hub.stop("queue")
    setting.hub.pass_time(seconds)
    setting.hub.start("queue")


def redis_away(setting: Setting, seconds: float) -> None:
    """Stop Redis for longer than any job takes, so that workers end under it; `hub worker` itself
    must not.
    """
    setting.hub.stop("queue")
    setting.hub.pass_time(max(seconds, LONGER_THAN_A_JOB))
    setting.hub.start("queue")
    assert not setting.hub.ended["worker"], "hub worker ended while Redis was away"


def redis_restarted(setting: Setting, seconds: float) -> None:
    """Kill Redis twice; it is started again after a second."""
    for _ in range(2):
        kill(setting.hub.family("queue"))
        setting.hub.pass_time(seconds / 2)


def redis_flushed(setting: Setting, seconds: float) -> None:
    """Let Redis forget all it knows, three times: jobs, workers, wake-ups."""
    for _ in range(3):
        setting.hub.redis().flushall()
        setting.hub.pass_time(seconds / 3)


def redis_hung(setting: Setting, seconds: float) -> None:
    """Let Redis take connections and not answer."""
    processes = setting.hub.family("queue")
    for process in processes:
        process.suspend()
    setting.hub.pass_time(seconds)
    for process in processes:
        process.resume()


def postgres_restarted(setting: Setting, seconds: float) -> None:
    """Restart PostgreSQL in order, then let it crash; it is away for a while each time."""
    assert setting.postgres is not None
    for how in (signal.SIGINT, signal.SIGQUIT):
        setting.postgres.stop(how)
        setting.hub.pass_time(seconds / 5)
        setting.postgres.start()
        setting.hub.pass_time(seconds / 4)


def disk_full(setting: Setting, seconds: float) -> None:
    """Let no file of the hub's processes grow any more: what a full disk does, and needs no root.

    A file-size limit of the kernel: SQLite meets it in its write-ahead log, in the middle of
    whatever it was writing.
    """
    if not hasattr(psutil.Process, "rlimit"):
        raise CannotRun("only Linux lets a limit be set on a process that runs")
    _limit(setting, (setting.hub.data_dir / "hub.db-wal").stat().st_size)
    until = 10
    for _ in range(
        until
        # processes started meanwhile have the limit of whoever started them, which may be us:
        # none
    ):
        setting.hub.pass_time(seconds / until)
        _limit(setting, (setting.hub.data_dir / "hub.db-wal").stat().st_size)
    _limit(setting, psutil.RLIM_INFINITY)


def _limit(setting: Setting, size: int) -> None:
    for name in ("web", "worker", "cron"):
        for process in setting.hub.family(name):
            with contextlib.suppress(psutil.Error):
                process.rlimit(psutil.RLIMIT_FSIZE, (size, psutil.RLIM_INFINITY))
