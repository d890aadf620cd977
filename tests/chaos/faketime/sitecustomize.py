"""Let a process sleep under libfaketime: Python loads this by its name, from the path that
tests.chaos.clocks sets.

libfaketime 0.9.10 fails what Python's sleep is made of, clock_nanosleep until a monotonic time,
unless it fakes the monotonic clock as well; then waiting for a lock takes hours. To wait with
select is all that is changed here.
"""

from __future__ import annotations

import select
import time


def sleep(seconds: float) -> None:
    select.select([], [], [], seconds)


time.sleep = sleep
