"""Clocks that are two hours off: one part of the hub changes to another time and back.

libfaketime reads the offset from a file once a second, so the clock moves under a running process.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.chaos import proxy
from tests.chaos.fault_context import FaultContext
from tests.chaos.managed_hub import FaultUnavailable

HOURS = 2
SITE_FOLDER = Path(__file__).with_name("faketime")  # a folder for Python's path


def with_clock_offset(part: str, hours: int) -> Callable[[FaultContext, float], None]:
    """Return the fault of a part whose clock is off by these hours."""

    def inject(context: FaultContext, seconds: float) -> None:
        offset = context.hub.crew.folder / "offset"
        offset.write_text("+0")
        context.hub.stop(part)
        context.hub.start(
            part,
            LD_PRELOAD=libfaketime_path(),
            FAKETIME_TIMESTAMP_FILE=str(offset),
            FAKETIME_CACHE_DURATION="1",
            FAKETIME_DONT_FAKE_MONOTONIC="1",
            NO_FAKE_STAT="1",
            PYTHONPATH=str(SITE_FOLDER),
        )
        context.hub.run_for(seconds / 4)
        # some outcomes are unknown, so that a lookup must do with times of two clocks
        if context.proxy:
            context.proxy.fault = proxy.break_some_connections
        offset.write_text(f"{hours * 3600:+}")
        context.hub.run_for(seconds * 3 / 4)
        offset.write_text("+0")
        if context.proxy:
            context.proxy.fault = proxy.forward_unchanged

    inject.__doc__ = (
        f"Let the clock of the {part} run {abs(hours)} hours {'ahead' if hours > 0 else 'behind'}."
    )
    return inject


def libfaketime_path() -> str:
    """Return the path of libfaketime, which bin/libfaketime found. Raises FaultUnavailable."""
    path = os.environ.get("LIBFAKETIME", "")
    if not Path(path).is_file():
        raise FaultUnavailable(
            "libfaketime was not found (Debian: apt-get install libfaketime); `make chaos` looks"
            " for it with bin/libfaketime"
        )
    return path
