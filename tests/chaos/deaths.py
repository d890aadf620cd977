"""Processes that end without a word: kill -9, three times in the time given, each time with
messages on their way.
"""

from __future__ import annotations

import psutil

from tests.chaos.hubs import kill
from tests.chaos.setting import Setting

ROUNDS = 3


def worker_and_child(setting: Setting, seconds: float) -> None:
    """Kill what sends and what settles, with the children that do it."""
    for _ in range(ROUNDS):
        for queue in ("deliver", "settle"):
            kill(_busy(setting, queue))
        setting.hub.pass_time(seconds / ROUNDS)


def child_alone(setting: Setting, seconds: float) -> None:
    """Kill the children that send and settle; their workers live."""
    for _ in range(ROUNDS):
        for queue in ("deliver", "settle"):
            kill(_busy(setting, queue)[1:])
        setting.hub.pass_time(seconds / ROUNDS)


def parent_alone(setting: Setting, seconds: float) -> None:
    """Kill the workers; their children are left alone with what they were doing."""
    for _ in range(ROUNDS):
        for queue in ("deliver", "settle"):
            kill(_busy(setting, queue)[:1])
        setting.hub.pass_time(seconds / ROUNDS)


def supervisor(setting: Setting, seconds: float) -> None:
    """Kill `hub worker` itself, under which all workers run."""
    for _ in range(ROUNDS):
        kill(setting.hub.family("worker")[:1])
        setting.hub.pass_time(seconds / ROUNDS)


def cron(setting: Setting, seconds: float) -> None:
    """Kill cron, and Redis forgets the wake-ups that only cron could make up for."""
    for _ in range(ROUNDS):
        kill(setting.hub.family("cron"))
        setting.hub.forget_wakes()
        setting.hub.pass_time(seconds / ROUNDS)


def web(setting: Setting, seconds: float) -> None:
    """Kill a process of the web server, then its master alone, then all of it at once."""
    for victims in (slice(1, 2), slice(0, 1), slice(None)):
        kill(setting.hub.family("web")[victims])
        setting.hub.pass_time(seconds / ROUNDS)


def _busy(setting: Setting, queue: str) -> list[psutil.Process]:
    """Wait until the worker of a queue has a child that works, and return both."""
    setting.hub.wait(
        lambda: len(setting.hub.workers(queue)) > 1,
        f"the worker of {queue} having a job",
        of="worker",
    )
    return setting.hub.workers(queue)
