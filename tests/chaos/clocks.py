"""Clocks that are two hours off: one part of the hub lives in another time than the rest, and then again in the right one.

libfaketime holds the clock of a process off by as much from its start. It can move a clock that runs too, but moves the monotonic one
with it, which nothing does in real life.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.chaos import proxy
from tests.chaos.hubs import Impossible
from tests.chaos.setting import Setting

HOURS = 2


def off(part: str, hours: int) -> Callable[[Setting, float], None]:
    """Return the fault of a part whose clock is off for the time given."""

    def strike(setting: Setting, seconds: float) -> None:
        if setting.proxy:  # some outcomes are unknown, so that a lookup must do with times of two clocks
            setting.proxy.trouble = proxy.hangs_up_at_times
        setting.hub.stop(part)
        setting.hub.start(part, LD_PRELOAD=library(), FAKETIME=f"{hours * 3600:+}s")
        setting.hub.pass_time(seconds)
        setting.hub.stop(part)
        setting.hub.start(part)
        if setting.proxy:
            setting.proxy.trouble = proxy.passes

    strike.__doc__ = f"Let the clock of the {part} run {abs(hours)} hours {'ahead' if hours > 0 else 'behind'}."
    return strike


def library() -> str:
    """Return the path of libfaketime's library, as bin/libfaketime found it. Raises Impossible."""
    path = os.environ.get("LIBFAKETIME", "")
    if not Path(path).is_file():
        raise Impossible("libfaketime was not found (Debian: apt-get install libfaketime); `make chaos` looks for it with bin/libfaketime")
    return path
