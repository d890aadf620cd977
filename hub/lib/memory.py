"""The garbage collector of a process that serves until it ends."""

from __future__ import annotations

import gc

# new objects before a collection. One request creates more than Python's default of 700, and few of
# them form cycles
GENERATION_0_THRESHOLD = 10_000


def keep_loaded_objects() -> None:
    """Exclude all loaded objects from garbage collection, and collect less often.

    Loaded objects are never freed, so scanning them is useless and copies memory pages in child
    processes.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GENERATION_0_THRESHOLD, *gc.get_threshold()[1:])
