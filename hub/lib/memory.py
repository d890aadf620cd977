"""The garbage collector of a process that serves until it ends."""

from __future__ import annotations

import gc

# new objects until the collector looks at them. One request makes more than the 700 of Python, and
# few of them are in cycles
GENERATION_0_THRESHOLD = 10_000


def keep_loaded_objects() -> None:
    """Let the collector skip everything that is loaded now, and run less often.

    What is loaded stays, so looking at it again finds nothing, and copies pages in child processes.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GENERATION_0_THRESHOLD, *gc.get_threshold()[1:])
