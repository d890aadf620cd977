"""Clocks that are two hours off: while it runs, one part of the hub gets into another time than the
rest, and back.

libfaketime reads the offset from a file once a second, so a clock moves under a process as when
somebody sets it wrong.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.chaos import proxy
from tests.chaos.hubs import CannotRun
from tests.chaos.setting import Setting

HOURS = 2
SLEEPS = Path(__file__).with_name("faketime")  # a folder for Python's path


def off(part: str, hours: int) -> Callable[[Setting, float], None]:
    """Return the fault of a part whose clock is off for the time given."""

    def strike(setting: Setting, seconds: float) -> None:
        offset = setting.hub.crew.folder / "offset"
        offset.write_text("+0")
        setting.hub.stop(part)
        setting.hub.start(
            part,
            LD_PRELOAD=library(),
            FAKETIME_TIMESTAMP_FILE=str(offset),
            FAKETIME_CACHE_DURATION="1",
            FAKETIME_DONT_FAKE_MONOTONIC="1",
            NO_FAKE_STAT="1",
            PYTHONPATH=str(SLEEPS),
        )
        setting.hub.pass_time(seconds / 4)
        # some outcomes are unknown, so that a lookup must do with times of two clocks
        if setting.proxy:
            setting.proxy.trouble = proxy.hangs_up_at_times
        offset.write_text(f"{hours * 3600:+}")
        setting.hub.pass_time(seconds * 3 / 4)
        offset.write_text("+0")
        if setting.proxy:
            setting.proxy.trouble = proxy.passes

    strike.__doc__ = (
        f"Let the clock of the {part} run {abs(hours)} hours {'ahead' if hours > 0 else 'behind'}."
    )
    return strike


def library() -> str:
    """Return the path of libfaketime's library, as bin/libfaketime found it. Raises Impossible."""
    path = os.environ.get("LIBFAKETIME", "")
    if not Path(path).is_file():
        raise CannotRun(
            "libfaketime was not found (Debian: apt-get install libfaketime); `make chaos` looks"
            " for it with bin/libfaketime"
        )
    return path
